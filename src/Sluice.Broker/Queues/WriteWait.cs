using Sluice.Storage;

namespace Sluice.Broker.Queues;

/// <summary>Has the journal write what consumers wait for, and serves them then. At most one at a time; runs off their locks.</summary>
/// <param name="host">Whose work it is.</param>
/// <param name="serve">Called without a lock.</param>
internal sealed class WriteWait(VirtualHost host, Action serve) : IThreadPoolWorkItem, IDurabilityListener
{
    private const int Asking = 0;
    private const int Asked = 1;
    private const int Written = 2;

    private JournalPosition _position;
    private int _isBegun;
    private int _state;

    /// <summary>Does nothing if it is at it: who is served then looks again. Any thread, under any lock.</summary>
    public void Begin(JournalPosition position)
    {
        if (Interlocked.Exchange(ref _isBegun, 1) == 0)
        {
            _position = position;
            _state = Asking;
            host.Scheduler.Post(this);
        }
    }

    public void Execute()
    {
        if (Volatile.Read(ref _state) == Asking)
        {
            host.Store.NotifyWhenKept(_position, Durability.OperatingSystem, this);
            if (Interlocked.CompareExchange(ref _state, Asked, Asking) == Asking)
            {
                return;
            }
        }

        // What they find unwritten from here on is waited for anew.
        Volatile.Write(ref _isBegun, 0);
        serve();
    }

    /// <summary>Under the journal's lock, so nobody is served here.</summary>
    void IDurabilityListener.OnKept(JournalPosition through) => OnWritten();

    /// <summary>It never will be; without the journal all can be read that is there.</summary>
    void IDurabilityListener.OnFailed(Exception error) => OnWritten();

    private void OnWritten()
    {
        if (Interlocked.Exchange(ref _state, Written) == Asked)
        {
            host.Scheduler.Post(this);
        }
    }
}
