using Sluice.Broker.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>
/// The time to live of a queue's messages, by the queue and by the message: drops what has expired at the head, and wakes the queue when the next does.
/// A timer exists only while there is something to wait for. Guarded by the queue's lock.
/// </summary>
internal struct MessageExpiry(CompetingQueue queue) : IDisposable
{
    private ITimer? _timer;
    private long _dueMs = long.MaxValue;
    private bool _mayHoldOwnTtl = queue.Lanes.Ready > 0;
    private bool _disposed;

    /// <summary>Messages with a TTL of their own may be in the queue.</summary>
    public void NoteOwnTtl() => _mayHoldOwnTtl = true;

    public readonly bool IsExpired(in MessageView message)
    {
        long at = ExpiresAt(message.TimestampMs, message.ExpiresAtMs);
        return at != long.MaxValue && at <= queue.Host.NowMs;
    }

    /// <summary>Drops expired messages at the head and arms the timer for the next.</summary>
    /// <param name="keepsHead">The head is about to be taken: what was read of it stays in memory.</param>
    public void Drop(bool keepsHead)
    {
        if (queue.Settings.MessageTimeToLiveMs < 0 && !_mayHoldOwnTtl)
        {
            return;
        }

        LaneSet lanes = queue.Lanes;
        long next = long.MaxValue;
        for (int level = 0; level < lanes.Count; level++)
        {
            Lane lane = lanes[level];
            if (lane.IsHeadKnown(out long timestampMs, out long expiresAtMs) && ExpiresAt(timestampMs, expiresAtMs) is var at && at > queue.Host.NowMs)
            {
                next = Math.Min(next, at);
                continue;
            }

            while (lanes.Peek(lane, out RecordView record, out _) == PeekResult.Record)
            {
                MessageRecord.Read(record, out MessageView message);
                if (!IsExpired(message))
                {
                    next = Math.Min(next, ExpiresAt(message.TimestampMs, message.ExpiresAtMs));
                    lane.NoteHead(message);
                    if (queue.ConsumerCount == 0 && !keepsHead)
                    {
                        // A great many queues may wait for nothing but their heads to expire.
                        lane.LetGo();
                    }

                    break;
                }

                new TakenMessages(queue).TakeToKill(lane, record, DeathReason.Expired);
            }
        }

        _mayHoldOwnTtl = _mayHoldOwnTtl && lanes.Ready + lanes.Out > 0;
        WakeAt(next);
    }

    /// <summary>The timer has woken the queue.</summary>
    public void Woken() => _dueMs = long.MaxValue;

    public void Dispose()
    {
        _disposed = true;
        _timer?.Dispose();
        _timer = null;
    }

    /// <summary>Wakes the queue when its head expires. An earlier wake already set stays; it will ask again.</summary>
    private void WakeAt(long dueMs)
    {
        long now = queue.Host.NowMs;
        if (_disposed || dueMs == long.MaxValue || (dueMs >= _dueMs && _dueMs > now))
        {
            return;
        }

        _dueMs = dueMs;
        // Far expiries are reached in steps: a timer takes at most 49 days.
        var wait = TimeSpan.FromMilliseconds(Math.Clamp(dueMs - now, 1, (long)TimeSpan.FromDays(1).TotalMilliseconds));
        if (_timer is null)
        {
            _timer = queue.Host.Clock.CreateTimer(static state => ((CompetingQueue)state!).HeadTimerFired(), queue, wait, Timeout.InfiniteTimeSpan);
        }
        else
        {
            _timer.Change(wait, Timeout.InfiniteTimeSpan);
        }
    }

    private readonly long ExpiresAt(long timestampMs, long expiresAtMs)
    {
        long timeToLiveMs = queue.Settings.MessageTimeToLiveMs;
        long byQueue = timeToLiveMs < 0 ? long.MaxValue : timestampMs + timeToLiveMs;
        long byMessage = expiresAtMs < 0 ? long.MaxValue : expiresAtMs;
        return Math.Min(byQueue, byMessage);
    }
}
