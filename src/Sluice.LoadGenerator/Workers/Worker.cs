using Sluice.LoadGenerator.Client;

namespace Sluice.LoadGenerator.Workers;

/// <summary>One connection and the thread that drives it. Its counters may be read from other threads.</summary>
internal abstract class Worker : IDisposable
{
    private readonly Thread _thread;
    private long _done;
    private long _lastAt;

    protected Worker(AmqpClient client, string name)
    {
        Client = client;
        _thread = new Thread(Guarded) { Name = name, IsBackground = true };
    }

    public AmqpClient Client { get; }

    /// <summary>Messages published or consumed so far.</summary>
    public long Done
    {
        get => Volatile.Read(ref _done);
        protected set => Volatile.Write(ref _done, value);
    }

    /// <summary>When the last of them was.</summary>
    public long LastAt
    {
        get => Volatile.Read(ref _lastAt);
        protected set => Volatile.Write(ref _lastAt, value);
    }

    /// <summary>What ended it early; null while it runs and when it ended as it should.</summary>
    public Exception? Failure { get; private set; }

    public bool IsRunning => _thread.IsAlive;

    public void Start() => _thread.Start();

    public void Join() => _thread.Join();

    public void Dispose()
    {
        if (_thread.IsAlive)
        {
            Client.Abort();
            _thread.Join();
        }

        Client.Dispose();
    }

    protected abstract void Run();

    private void Guarded()
    {
        try
        {
            Run();
        }
        catch (Exception error) when (error is AmqpClosedException or AmqpProtocolException or AmqpUnreachableException or ObjectDisposedException or ArgumentException)
        {
            Failure = error;
        }
    }
}
