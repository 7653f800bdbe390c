namespace Sluice.Base.Scheduling;

/// <summary>Conveniences over <see cref="IScheduler"/>.</summary>
public static class SchedulerExtensions
{
    /// <summary>The task goes on where the scheduler runs posted items: for what may block, and so must not run where connections are served.</summary>
    public static Task SwitchAsync(this IScheduler scheduler)
    {
        ArgumentNullException.ThrowIfNull(scheduler);
        var item = new Item();
        scheduler.Post(item);
        return item.Task;
    }

    private sealed class Item : IThreadPoolWorkItem
    {
        private readonly TaskCompletionSource _completion = new();

        public Task Task => _completion.Task;

        public void Execute() => _completion.SetResult();
    }
}
