using Sluice.Storage;

namespace Sluice.Broker.Queues;

/// <summary>Has the journal write what a stream's consumers wait for, and serves them then. At most one at a time for a stream; runs off its lock.</summary>
internal sealed class StreamWriteWait(StreamQueue queue) : IThreadPoolWorkItem, IDurabilityListener
{
    private const int Asking = 0;
    private const int Asked = 1;
    private const int Written = 2;

    private bool _isBegun;
    private JournalPosition _position;
    private int _state;

    /// <summary>Gate of the queue held.</summary>
    public void Begin(JournalPosition position)
    {
        if (!_isBegun)
        {
            _isBegun = true;
            _position = position;
            _state = Asking;
            queue.Host.Scheduler.Post(this);
        }
    }

    public void Execute()
    {
        if (Volatile.Read(ref _state) == Asking)
        {
            queue.Host.Store.NotifyWhenKept(_position, Durability.OperatingSystem, this);
            if (Interlocked.CompareExchange(ref _state, Asked, Asking) == Asking)
            {
                return;
            }
        }

        lock (queue.Gate)
        {
            _isBegun = false;
            queue.ServeAll();
        }
    }

    /// <summary>Under the journal's lock, so the queue's is not taken here.</summary>
    void IDurabilityListener.OnKept(JournalPosition through) => OnWritten();

    /// <summary>It never will be; without the journal all can be read that is there.</summary>
    void IDurabilityListener.OnFailed(Exception error) => OnWritten();

    private void OnWritten()
    {
        if (Interlocked.Exchange(ref _state, Written) == Asked)
        {
            queue.Host.Scheduler.Post(this);
        }
    }
}
