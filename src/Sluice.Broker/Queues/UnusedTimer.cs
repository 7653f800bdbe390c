namespace Sluice.Broker.Queues;

/// <summary>When a queue was last used, and whether that is too long ago (x-expires). A timer exists only while the queue can expire. Guarded by the queue's lock.</summary>
internal struct UnusedTimer(CompetingQueue queue) : IDisposable
{
    private ITimer? _timer;
    private long _lastUsedMs;
    private bool _disposed;

    /// <summary>The queue was used now.</summary>
    public void Touch()
    {
        long expires = queue.Settings.ExpiresMs;
        _lastUsedMs = queue.Host.NowMs;
        if (expires >= 0 && _timer is null && !_disposed)
        {
            _timer = queue.Host.Clock.CreateTimer(static state => ((CompetingQueue)state!).UnusedTimerFired(), queue, TimeSpan.FromMilliseconds(Math.Max(1, expires)), Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>True when the queue has been unused for its time; otherwise asks again later.</summary>
    public bool IsUnused(bool hasConsumers)
    {
        long expires = queue.Settings.ExpiresMs;
        long now = queue.Host.NowMs;
        if (expires < 0)
        {
            _timer?.Dispose();
            _timer = null;
            return false;
        }

        if (hasConsumers)
        {
            _lastUsedMs = now;
        }

        long left = _lastUsedMs + expires - now;
        if (left <= 0)
        {
            return true;
        }

        _timer?.Change(TimeSpan.FromMilliseconds(left), Timeout.InfiniteTimeSpan);
        return false;
    }

    public void Dispose()
    {
        _disposed = true;
        _timer?.Dispose();
        _timer = null;
    }
}
