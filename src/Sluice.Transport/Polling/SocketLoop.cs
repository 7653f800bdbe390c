using System.Runtime.InteropServices;

namespace Sluice.Transport.Polling;

/// <summary>
/// One thread that waits for its sockets and runs to completion what their bytes cause: receive, handle, send. No thread is woken between
/// a message's arrival and its delivery, and whatever arrived meanwhile is received in one go. What other threads want done for
/// these sockets is posted. Handlers must not block: they would hold up every connection of the loop.
/// </summary>
internal sealed partial class SocketLoop : IDisposable
{
    private const int EventsMax = 256;
    private const int DescriptorsMin = 64;

    /// <summary>Long enough to gather a batch from a fast sender, short enough not to matter to anyone.</summary>
    private static readonly Timespec Rest = new(nanoseconds: 150_000);

    [ThreadStatic]
    private static SocketLoop? t_current;

    private readonly EpollHandle _epoll = new(EventsMax);
    private readonly Lock _sync = new();
    private readonly TimeProvider _clock;
    private readonly ReceiveModeration _moderation;
    private readonly Thread _thread;
    private List<IThreadPoolWorkItem> _posted = [];
    private List<IThreadPoolWorkItem> _running = [];
    private PolledStream?[] _byDescriptor = new PolledStream?[DescriptorsMin];
    private int _streamCount;
    private bool _isWaiting;
    private bool _isStopped;

    // Owned by the thread: what the round received.
    private int _receives;
    private long _receivedBytes;

    public SocketLoop(int number, TimeProvider clock)
    {
        _clock = clock;
        _moderation = new ReceiveModeration(clock);
        _thread = new Thread(Run) { IsBackground = true, Name = $"sluice-io-{number}" };
        _thread.Start();
    }

    /// <summary>Sockets watched.</summary>
    public int StreamCount => Volatile.Read(ref _streamCount);

    /// <summary>Whether the caller runs on this loop's thread.</summary>
    public bool IsCurrent => ReferenceEquals(t_current, this);

    /// <summary>Runs the item on the loop's thread, after what is under way there. Any thread.</summary>
    public void Post(IThreadPoolWorkItem item)
    {
        lock (_sync)
        {
            if (_isStopped)
            {
                ThreadPool.UnsafeQueueUserWorkItem(item, preferLocal: false);
                return;
            }

            _posted.Add(item);
            if (_isWaiting)
            {
                _isWaiting = false;
                _epoll.Wake();
            }
        }
    }

    /// <summary>Begins to watch the stream's socket.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">The kernel has no room for one more.</exception>
    public void Add(PolledStream stream, int descriptor)
    {
        lock (_sync)
        {
            if (descriptor >= _byDescriptor.Length)
            {
                var larger = new PolledStream?[Math.Max(descriptor + 1, _byDescriptor.Length * 2)];
                _byDescriptor.CopyTo(larger, 0);
                Volatile.Write(ref _byDescriptor, larger);
            }

            _byDescriptor[descriptor] = stream;
            _streamCount++;
        }

        try
        {
            _epoll.Add(descriptor, EpollEvents.In | EpollEvents.Out | EpollEvents.PeerHangUp | EpollEvents.EdgeTriggered);
        }
        catch
        {
            Remove(stream, descriptor);
            throw;
        }
    }

    /// <summary>To be called before the descriptor is closed, as its number is then given again.</summary>
    public void Remove(PolledStream stream, int descriptor)
    {
        lock (_sync)
        {
            if (ReferenceEquals(_byDescriptor[descriptor], stream))
            {
                _byDescriptor[descriptor] = null;
                _streamCount--;
            }
        }
    }

    /// <summary>A socket was read; for the loop's thread only.</summary>
    public void Received(int bytes)
    {
        _receives++;
        _receivedBytes += bytes;
    }

    /// <summary>Ends the thread after what has been posted. The streams must be closed; not for the loop's own thread.</summary>
    public void Dispose()
    {
        lock (_sync)
        {
            _isStopped = true;
            _epoll.Wake();
        }

        _thread.Join();
        _epoll.Dispose();
    }

    private void Run()
    {
        t_current = this;
        while (true)
        {
            int count = _epoll.Wait(BeginWait() ? Timeout.Infinite : 0);
            Volatile.Write(ref _isWaiting, false);
            _receives = 0;
            _receivedBytes = 0;
            for (int i = 0; i < count; i++)
            {
                if (_epoll.TryGet(i, out int descriptor, out EpollEvents events))
                {
                    Volatile.Read(ref _byDescriptor)[descriptor]?.OnEvents(events);
                }
            }

            if (RunPosted())
            {
                return;
            }

            if (_receives > 0 && _moderation.ShouldRest(_receives, _receivedBytes, _clock.GetTimestamp()))
            {
                _ = Sleep(in Rest, IntPtr.Zero);
            }
        }
    }

    /// <summary>False when there is work posted, so that the wait must not last.</summary>
    private bool BeginWait()
    {
        lock (_sync)
        {
            return _isWaiting = _posted.Count == 0 && !_isStopped;
        }
    }

    /// <summary>Runs what was posted up to now. True when the loop was told to stop before.</summary>
    private bool RunPosted()
    {
        bool isStopped;
        lock (_sync)
        {
            isStopped = _isStopped;
            (_posted, _running) = (_running, _posted);
        }

        foreach (IThreadPoolWorkItem item in _running)
        {
            item.Execute();
        }

        _running.Clear();
        return isStopped;
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int Sleep(in Timespec duration, IntPtr remaining);

    /// <summary>timespec of a 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Timespec(long nanoseconds)
    {
        public readonly long Seconds;
        public readonly long Nanoseconds = nanoseconds;
    }
}
