namespace Sluice.Base.Scheduling;

/// <summary>Posts to the thread pool; each worker is a thread of its own.</summary>
public sealed class SystemScheduler : IScheduler
{
    public void Post(IThreadPoolWorkItem item) => ThreadPool.UnsafeQueueUserWorkItem(item, preferLocal: false);

    public IWorker StartWorker(string name, Action step, Action<Exception> onFault) => new SystemWorker(name, step, onFault);

    public void Yield() => Thread.Yield();
}
