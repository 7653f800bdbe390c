namespace Sluice.Protocols.Kafka.Groups;

/// <summary>
/// The timers of one shard behind one timer of the clock. Putting a timer off, as every heartbeat does, writes one number. Guarded by the shard's lock, but for the
/// call of <c>onDue</c>, which must take it.
/// </summary>
internal sealed class GroupTimers : IDisposable
{
    private readonly PriorityQueue<GroupTimer, long> _queue = new();
    private readonly TimeProvider _clock;
    private readonly long _start;
    private readonly ITimer _timer;
    private long _armedMs = GroupTimer.Never;

    public GroupTimers(TimeProvider clock, Action onDue)
    {
        _clock = clock;
        _start = clock.GetTimestamp();
        _timer = clock.CreateTimer(static state => ((Action)state!)(), onDue, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Since the shard began; never goes back.</summary>
    public long NowMs => (long)_clock.GetElapsedTime(_start).TotalMilliseconds;

    public void Schedule(GroupTimer timer, long delayMs)
    {
        timer.DueMs = NowMs + Math.Max(delayMs, 0);
        if (timer.DueMs < timer.QueuedMs)
        {
            Enqueue(timer);
            Arm();
        }
    }

    public static void Cancel(GroupTimer? timer)
    {
        if (timer is not null)
        {
            timer.DueMs = GroupTimer.Never;
        }
    }

    /// <summary>Fires one timer that is due; false if there is none.</summary>
    public bool FireNext(GroupTurn turn)
    {
        long now = NowMs;
        while (_queue.TryPeek(out GroupTimer? timer, out long queued) && queued <= now)
        {
            _queue.Dequeue();
            if (queued != timer.QueuedMs)
            {
                // It was brought forward since and has another place.
                continue;
            }

            timer.QueuedMs = GroupTimer.Never;
            if (timer.DueMs <= now)
            {
                timer.DueMs = GroupTimer.Never;
                timer.Fire(turn);
                return true;
            }

            if (timer.DueMs != GroupTimer.Never)
            {
                Enqueue(timer);
            }
        }

        _armedMs = GroupTimer.Never;
        Arm();
        return false;
    }

    public void Dispose() => _timer.Dispose();

    private void Enqueue(GroupTimer timer)
    {
        timer.QueuedMs = timer.DueMs;
        _queue.Enqueue(timer, timer.DueMs);
    }

    private void Arm()
    {
        if (_queue.TryPeek(out _, out long next) && next < _armedMs)
        {
            _armedMs = next;
            _timer.Change(TimeSpan.FromMilliseconds(Math.Max(next - NowMs, 1)), Timeout.InfiniteTimeSpan);
        }
    }
}
