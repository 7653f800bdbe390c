namespace Sluice.Base.Scheduling;

/// <summary>
/// Where work runs. The server uses the thread pool and a few threads of its own; the simulator runs everything on one
/// thread in an order drawn from a seed. Timers come from <see cref="TimeProvider"/>, never from here.
/// </summary>
public interface IScheduler
{
    /// <summary>Runs the item soon, once, on some thread. Items may run at once and in any order. No allocation.</summary>
    void Post(IThreadPoolWorkItem item);

    /// <summary>
    /// Starts a worker that runs <paramref name="step"/> after each <see cref="IWorker.Wake"/>: wakes that arrive during a
    /// step cause exactly one more. Steps never overlap and may block (disk). An exception from a step is fatal for the
    /// worker: it is reported through <paramref name="onFault"/> and the worker stops.
    /// </summary>
    IWorker StartWorker(string name, Action step, Action<Exception> onFault);

    /// <summary>Lets others run while the caller waits, for moments, for what one of them is about to do.</summary>
    void Yield();
}

/// <summary>A sequential worker; see <see cref="IScheduler.StartWorker"/>. Dispose waits for a step in progress to end.</summary>
public interface IWorker : IDisposable
{
    /// <summary>Asks for a step. Cheap, thread-safe, never blocks.</summary>
    void Wake();
}
