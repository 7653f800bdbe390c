namespace Sluice.Broker.Queues;

/// <summary>A queue's clocks: when the message at its head expires, and when the queue itself does (x-expires). Timers exist only while needed.</summary>
internal struct QueueTimers(CompetingQueue queue) : IDisposable
{
    private ITimer? _headTimer;
    private ITimer? _unusedTimer;
    private long _headDueMs = long.MaxValue;
    private long _lastUsedMs;
    private bool _disposed;

    /// <summary>Wakes the queue when its head expires. An earlier wake already set stays; it will ask again.</summary>
    public void ExpireAt(long dueMs)
    {
        long now = queue.Host.NowMs;
        if (_disposed || dueMs == long.MaxValue || (dueMs >= _headDueMs && _headDueMs > now))
        {
            return;
        }

        _headDueMs = dueMs;
        // Far expiries are reached in steps: a timer takes at most 49 days.
        var wait = TimeSpan.FromMilliseconds(Math.Clamp(dueMs - now, 1, (long)TimeSpan.FromDays(1).TotalMilliseconds));
        if (_headTimer is null)
        {
            _headTimer = queue.Host.Clock.CreateTimer(static state => ((CompetingQueue)state!).HeadTimerFired(), queue, wait, Timeout.InfiniteTimeSpan);
        }
        else
        {
            _headTimer.Change(wait, Timeout.InfiniteTimeSpan);
        }
    }

    public void HeadFired() => _headDueMs = long.MaxValue;

    /// <summary>The queue was used now.</summary>
    public void Touch()
    {
        long expires = queue.Settings.ExpiresMs;
        _lastUsedMs = queue.Host.NowMs;
        if (expires >= 0 && _unusedTimer is null && !_disposed)
        {
            _unusedTimer = queue.Host.Clock.CreateTimer(static state => ((CompetingQueue)state!).UnusedTimerFired(), queue, TimeSpan.FromMilliseconds(Math.Max(1, expires)), Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>True when the queue has been unused for its time; otherwise asks again later.</summary>
    public bool IsUnused(bool hasConsumers)
    {
        long expires = queue.Settings.ExpiresMs;
        long now = queue.Host.NowMs;
        if (expires < 0)
        {
            _unusedTimer?.Dispose();
            _unusedTimer = null;
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

        _unusedTimer?.Change(TimeSpan.FromMilliseconds(left), Timeout.InfiniteTimeSpan);
        return false;
    }

    public void Dispose()
    {
        _disposed = true;
        _headTimer?.Dispose();
        _unusedTimer?.Dispose();
        _headTimer = null;
        _unusedTimer = null;
    }
}
