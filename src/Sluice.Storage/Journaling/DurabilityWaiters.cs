using Microsoft.Extensions.Logging;

namespace Sluice.Storage.Journaling;

/// <summary>
/// Who waits for which position. Has its own lock; listeners are called outside of it. A listener that throws is an error of the broker; it is reported, and the others are
/// told as if it had not.
/// </summary>
internal sealed class DurabilityWaiters(ILogger logger)
{
    private readonly Lock _sync = new();
    private Waiter[] _waiting = new Waiter[16];
    private Waiter[] _ready = new Waiter[16];
    private int _count;
    private long _written;
    private long _durable;
    private Exception? _failure;

    public long Written => Volatile.Read(ref _written);

    public long Durable => Volatile.Read(ref _durable);

    public Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>Sets the positions recovery ended with.</summary>
    public void Start(long position)
    {
        _written = position;
        _durable = position;
    }

    public void Add(JournalPosition position, Durability promise, IDurabilityListener listener)
    {
        lock (_sync)
        {
            if (!IsKept(position.Value, promise) && _failure is null)
            {
                if (_count == _waiting.Length)
                {
                    Array.Resize(ref _waiting, _count * 2);
                }
                _waiting[_count++] = new Waiter(position.Value, promise, listener);
                return;
            }
        }
        if (IsKept(position.Value, promise))
        {
            listener.OnKept(Through(promise));
        }
        else
        {
            listener.OnFailed(_failure!);
        }
    }

    /// <summary>Publishes progress and calls those it satisfies, oldest first. One caller at a time.</summary>
    public void Advance(long written, long durable)
    {
        int readyCount = 0;
        lock (_sync)
        {
            Volatile.Write(ref _written, written);
            Volatile.Write(ref _durable, durable);
            int kept = 0;
            for (int i = 0; i < _count; i++)
            {
                ref Waiter waiter = ref _waiting[i];
                if (!IsKept(waiter.Position, waiter.Promise))
                {
                    _waiting[kept++] = waiter;
                    continue;
                }
                if (readyCount == _ready.Length)
                {
                    Array.Resize(ref _ready, readyCount * 2);
                }
                _ready[readyCount++] = waiter;
            }
            Array.Clear(_waiting, kept, _count - kept);
            _count = kept;
        }
        for (int i = 0; i < readyCount; i++)
        {
            Tell(_ready[i].Listener, Through(_ready[i].Promise), failure: null);
        }
        Array.Clear(_ready, 0, readyCount);
    }

    /// <summary>Nothing more will be kept: tells all who wait, once.</summary>
    public void Fail(Exception error)
    {
        Waiter[] waiting;
        int count;
        lock (_sync)
        {
            if (_failure is not null)
            {
                return;
            }
            Volatile.Write(ref _failure, error);
            waiting = _waiting;
            count = _count;
            _waiting = [];
            _count = 0;
        }
        for (int i = 0; i < count; i++)
        {
            Tell(waiting[i].Listener, JournalPosition.None, error);
        }
    }

    private void Tell(IDurabilityListener listener, JournalPosition through, Exception? failure)
    {
        try
        {
            if (failure is null)
            {
                listener.OnKept(through);
            }
            else
            {
                listener.OnFailed(failure);
            }
        }
#pragma warning disable CA1031 // What it belongs to is not known here, and neither the journal nor who else waits may end with it.
        catch (Exception error)
#pragma warning restore CA1031
        {
            logger.LogError(error, "{Listener} waited for the journal and failed by an error of the broker: please report it", listener.GetType().Name);
        }
    }

    private bool IsKept(long position, Durability promise) => promise switch
    {
        Durability.Memory => true,
        Durability.OperatingSystem => position <= Volatile.Read(ref _written),
        _ => position <= Volatile.Read(ref _durable),
    };

    private JournalPosition Through(Durability promise) => new(promise == Durability.Disk ? Durable : Written);

    private readonly record struct Waiter(long Position, Durability Promise, IDurabilityListener Listener);
}
