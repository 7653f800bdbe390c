using Sluice.Base.Scheduling;

namespace Sluice.Storage.Journaling;

/// <summary>Publishers that wait for the backlog to shrink. They go on through the scheduler, never on the journal's worker.</summary>
internal sealed class RoomWaiters(IScheduler scheduler)
{
    private readonly Lock _sync = new();
    private List<Waiter> _waiting = [];

    public async ValueTask WaitAsync(Func<bool> hasRoom, CancellationToken cancellation)
    {
        Waiter waiter = new();
        lock (_sync)
        {
            _waiting.Add(waiter);
        }
        if (hasRoom())
        {
            Release();
        }
        using CancellationTokenRegistration registration = cancellation.UnsafeRegister(
            static (state, token) => ((Waiter)state!).Completion.TrySetCanceled(token), waiter);
        await waiter.Completion.Task.ConfigureAwait(false);
    }

    public void Release()
    {
        List<Waiter> released;
        lock (_sync)
        {
            if (_waiting.Count == 0)
            {
                return;
            }
            released = _waiting;
            _waiting = [];
        }
        foreach (Waiter waiter in released)
        {
            scheduler.Post(waiter);
        }
    }

    private sealed class Waiter : IThreadPoolWorkItem
    {
        public TaskCompletionSource Completion { get; } = new();

        public void Execute() => Completion.TrySetResult();
    }
}
