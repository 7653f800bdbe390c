using System.Threading.Tasks.Sources;

namespace Sluice.Client;

/// <summary>Wakes one loop that waits, for at most a time; a signal given while nobody waits is kept. Allocates nothing per wait. Any thread may signal, one waits.</summary>
internal sealed class AsyncSignal : IValueTaskSource, IDisposable
{
    private readonly Lock _sync = new();
    private readonly ITimer _timer;
    private ManualResetValueTaskSourceCore<bool> _core = new() { RunContinuationsAsynchronously = true };
    private bool _isSet;
    private bool _isWaiting;

    public AsyncSignal(TimeProvider time) => _timer = time.CreateTimer(static state => ((AsyncSignal)state!).Set(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    public void Set()
    {
        lock (_sync)
        {
            if (!_isWaiting)
            {
                _isSet = true;
                return;
            }

            _isWaiting = false;
        }

        _core.SetResult(true);
    }

    /// <summary>Done at the next signal, at once if one was kept, or after the time; null: without a limit. It may also be done for nothing.</summary>
    public ValueTask WaitAsync(TimeSpan? most)
    {
        lock (_sync)
        {
            if (_isSet)
            {
                _isSet = false;
                return ValueTask.CompletedTask;
            }

            _isWaiting = true;
            _core.Reset();
        }

        var wait = new ValueTask(this, _core.Version);
        if (most is { } time)
        {
            // A timer of less than a millisecond would be one of none.
            _timer.Change(time < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : time, Timeout.InfiniteTimeSpan);
        }

        return wait;
    }

    public void Dispose() => _timer.Dispose();

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) => _core.OnCompleted(continuation, state, token, flags);
}
