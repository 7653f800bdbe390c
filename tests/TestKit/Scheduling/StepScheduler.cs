using Sluice.Base.Scheduling;

namespace Sluice.TestKit.Scheduling;

/// <summary>Runs posted items and workers one at a time on the caller's thread, in an order drawn from a seed. Nothing runs by itself.</summary>
public sealed class StepScheduler(int seed) : IScheduler
{
    private readonly Random _random = new(seed);
    private readonly List<Action> _ready = [];
    private readonly Lock _sync = new();

    /// <summary>What others do while somebody waits for them; see <see cref="IScheduler.Yield"/>.</summary>
    public Action? Yielding { get; set; }

    /// <summary>Drops all that waits, as the end of the process does.</summary>
    public void Clear()
    {
        lock (_sync)
        {
            _ready.Clear();
        }
    }

    public void Post(IThreadPoolWorkItem item) => Add(item.Execute);

    public IWorker StartWorker(string name, Action step, Action<Exception> onFault) => new Worker(this, step, onFault);

    public void Yield() => Yielding?.Invoke();

    /// <summary>Runs one ready item; false if there is none.</summary>
    public bool RunOne()
    {
        Action action;
        lock (_sync)
        {
            if (_ready.Count == 0)
            {
                return false;
            }
            int index = _random.Next(_ready.Count);
            action = _ready[index];
            _ready.RemoveAt(index);
        }
        action();
        return true;
    }

    /// <summary>Runs until nothing is ready.</summary>
    public void RunAll()
    {
        for (int i = 0; RunOne(); i++)
        {
            if (i == 1_000_000)
            {
                throw new InvalidOperationException("The work does not come to an end.");
            }
        }
    }

    private void Add(Action action)
    {
        lock (_sync)
        {
            _ready.Add(action);
        }
    }

    private sealed class Worker(StepScheduler owner, Action step, Action<Exception> onFault) : IWorker
    {
        private bool _awake;
        private bool _stopped;

        public void Wake()
        {
            if (!_awake && !_stopped)
            {
                _awake = true;
                owner.Add(Run);
            }
        }

        public void Dispose() => _stopped = true;

        private void Run()
        {
            _awake = false;
            if (_stopped)
            {
                return;
            }
            try
            {
                step();
            }
            catch (Exception e)
            {
                _stopped = true;
                onFault(e);
            }
        }
    }
}
