namespace Sluice.Base.Scheduling;

/// <summary>
/// A thread that sleeps until woken. After a step it spins for some microseconds before it sleeps, as long as spinning has
/// lately been rewarded: waking an idle processor costs 20-60 microseconds.
/// </summary>
internal sealed class SystemWorker : IWorker
{
    private const int SpinRoundsMax = 64;

    private readonly Action _step;
    private readonly Action<Exception> _onFault;
    private readonly Thread _thread;
    private readonly object _sleep = new();
    private int _wakes;
    private bool _asleep;
    private volatile bool _stopping;

    public SystemWorker(string name, Action step, Action<Exception> onFault)
    {
        _step = step;
        _onFault = onFault;
        _thread = new Thread(Run) { IsBackground = true, Name = name };
        _thread.Start();
    }

    public void Wake()
    {
        Volatile.Write(ref _wakes, 1);
        Interlocked.MemoryBarrier();
        if (!Volatile.Read(ref _asleep))
        {
            return;
        }
        lock (_sleep)
        {
            if (_asleep)
            {
                _asleep = false;
                Monitor.Pulse(_sleep);
            }
        }
    }

    public void Dispose()
    {
        _stopping = true;
        Wake();
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }
    }

    private void Run()
    {
        int spinRounds = 0;
        try
        {
            while (!_stopping)
            {
                if (Interlocked.Exchange(ref _wakes, 0) != 0)
                {
                    _step();
                    continue;
                }
                if (SpinForWake(spinRounds))
                {
                    spinRounds = Math.Min(SpinRoundsMax, spinRounds + 8);
                    continue;
                }
                spinRounds = Math.Max(4, spinRounds / 2);
                Sleep();
            }
        }
#pragma warning disable CA1031 // Whatever a step throws ends this worker and is handed to its owner.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _onFault(e);
        }
    }

    private void Sleep()
    {
        lock (_sleep)
        {
            _asleep = true;
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref _wakes) != 0)
            {
                _asleep = false;
                return;
            }
            while (_asleep)
            {
                Monitor.Wait(_sleep);
            }
        }
    }

    private bool SpinForWake(int rounds)
    {
        for (int i = 0; i < rounds; i++)
        {
            if (Volatile.Read(ref _wakes) != 0)
            {
                return true;
            }
            Thread.SpinWait(20);
        }
        return false;
    }
}
