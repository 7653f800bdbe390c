using Microsoft.Extensions.Logging;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;

namespace Sluice.Broker.Queues;

/// <summary>
/// Moves messages of a queue to its dead-letter exchange, off the queue's lock. The copies' appends and the originals' settlement are one
/// journal group: a crash leaves each message in one place. Made for a queue when its first message dies.
/// <para>
/// At most once: a letter that no queue takes (unroutable, or refused by a full queue) is dropped. At least once: it stays in its queue, counts for
/// the length limit, and is tried again every second until all queues that it is routed to take it together; only so many are tried at a time.
/// Failure policy: what storage refuses to move stays unsettled and is back in the queue after a restart.
/// </para>
/// </summary>
internal sealed class DeadLetterPump(CompetingQueue queue, ILogger logger) : IThreadPoolWorkItem
{
    private const int BatchMessagesMax = 256;
    private const long BatchBytesMax = 1 << 20;
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly DeadRanges _waiting = new(queue);
    private readonly List<(MessageId Id, DeathReason Reason)> _refused = [];
    private readonly List<(MessageId Id, DeathReason Reason)> _batch = [];
    private readonly List<MessageId> _staged = [];
    private readonly List<(MessageId Id, DeathReason Reason)> _homeless = [];
    private ITimer? _retryTimer;
    private int _failed;
    private bool _running;
    private bool _retries;
    private bool _saidRefused;
    private long _heldCount;

    /// <summary>Messages that are kept until they are taken elsewhere (at-least-once); they count for the length limit. Gate held.</summary>
    public long HeldCount => queue.Settings.DeadLettersAtLeastOnce ? Volatile.Read(ref _heldCount) : 0;

    /// <summary>Ranges in memory; see <see cref="DeadRanges"/>. Gate held.</summary>
    internal int RangeCount => _waiting.Count;

    /// <summary>Takes over a message that was taken out of the ready ones. Gate held.</summary>
    public void Add(MessageId id, DeathReason reason)
    {
        _waiting.Add(id, reason);
        Interlocked.Increment(ref _heldCount);
        Run();
    }

    public void Execute()
    {
        using PublishTurn turn = new(queue.Host) { IsGroup = true };
        while (TakeBatch())
        {
            turn.KeepsLetters = queue.Settings.DeadLettersAtLeastOnce;
            _failed = 0;
            Exception? error = MoveBatch(turn);
            if (error is not null)
            {
                logger.LogError(error, "Queue '{Queue}' in virtual host '{Host}': {Count} messages could not be dead-lettered; they stay in the queue until the broker is restarted on a healthy disk", queue.Name, queue.Host.Name, _failed);
            }
        }
    }

    /// <summary>Gate held.</summary>
    private void Run()
    {
        if (!_running)
        {
            _running = true;
            queue.Host.Scheduler.Post(this);
        }
    }

    private bool TakeBatch()
    {
        lock (queue.Gate)
        {
            _batch.Clear();
            if (queue.IsOpen)
            {
                if (_retries)
                {
                    _retries = false;
                    _batch.AddRange(_refused);
                    _refused.Clear();
                }

                // What is refused takes its part of the batch until it is tried again, so that it is bounded, too.
                _waiting.TakeTo(_batch, BatchMessagesMax - _refused.Count);
                if (_batch.Count > 0)
                {
                    return true;
                }

                _saidRefused &= _refused.Count > 0;
                if (_refused.Count > 0)
                {
                    _retryTimer ??= queue.Host.Clock.CreateTimer(static state => ((DeadLetterPump)state!).OnRetryTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                    _retryTimer.Change(RetryAfter, Timeout.InfiniteTimeSpan);
                }
            }

            _running = false;
            return false;
        }
    }

    private void OnRetryTimer()
    {
        lock (queue.Gate)
        {
            if (!queue.IsOpen)
            {
                _retryTimer?.Dispose();
                return;
            }

            _retries = true;
            Run();
        }
    }

    /// <summary>Moves the batch in parts; a part that is refused, message by message. Returns the last error of storage.</summary>
    private Exception? MoveBatch(PublishTurn turn)
    {
        Exception? error = null;
        for (int i = 0; i < _batch.Count;)
        {
            int end = i;
            if (!TryMove(turn, i, ref end, ref error))
            {
                for (; i < end; i++)
                {
                    int one = i + 1;
                    if (!TryMove(turn, i, ref one, ref error))
                    {
                        Refuse(_batch[i]);
                    }
                }
            }

            i = end;
        }

        return error;
    }

    /// <summary>Moves messages from an index on as one group: up to <paramref name="end"/>, or if that is the index itself, as many as a group should have. False if they are refused and should be tried one by one.</summary>
    private bool TryMove(PublishTurn turn, int from, ref int end, ref Exception? error)
    {
        bool isOne = end > from;
        int unreadable = 0;
        using var reader = new DeadMessageReader(queue);
        turn.Clear();
        _staged.Clear();
        _homeless.Clear();
        int at = from;
        for (; isOne ? at < end : at < _batch.Count && turn.Bytes < BatchBytesMax; at++)
        {
            try
            {
                if (!reader.TryRead(_batch[at].Id, out MessageView message)
                    || new DeadLetter(queue).Publish(turn, message, _batch[at].Reason) == PublishOutcome.Routed
                    || !turn.KeepsLetters)
                {
                    _staged.Add(_batch[at].Id);
                }
                else
                {
                    _homeless.Add(_batch[at]);
                }
            }
            catch (IOException e)
            {
                error = e;
                unreadable++;
            }
        }

        end = at;
        try
        {
            if (_staged.Count > 0 && !turn.TryCommitMoved(queue, _staged))
            {
                return false;
            }

            Interlocked.Add(ref _heldCount, -_staged.Count);
        }
        catch (IOException e)
        {
            if (!isOne && queue.Host.Store.Failure is null)
            {
                return false;
            }

            error = e;
            _failed += _staged.Count;
        }

        _failed += unreadable;
        _homeless.ForEach(Refuse);
        return true;
    }

    private void Refuse((MessageId Id, DeathReason Reason) letter)
    {
        _refused.Add(letter);
        if (!_saidRefused)
        {
            _saidRefused = true;
            logger.LogWarning("Queue '{Queue}' in virtual host '{Host}': dead letters are unroutable or refused by a full queue; they stay (dead-letter-strategy at-least-once) and are tried again every second", queue.Name, queue.Host.Name);
        }
    }
}
