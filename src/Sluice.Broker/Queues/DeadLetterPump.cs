using Microsoft.Extensions.Logging;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>
/// Moves messages of a queue to its dead-letter exchange, off the queue's lock. The copy's append and the original's settlement are one
/// journal group: a crash neither loses nor doubles a message. Made for a queue when its first message dies.
/// </summary>
internal sealed class DeadLetterPump(CompetingQueue queue, ILogger logger) : IThreadPoolWorkItem
{
    private const int BatchMessagesMax = 256;
    private readonly Queue<(MessageId Id, DeathReason Reason)> _waiting = new();
    private readonly List<(MessageId Id, DeathReason Reason)> _batch = [];
    private readonly List<MessageId> _settled = [];
    private bool _running;

    /// <summary>Takes over a message that was taken out of the ready ones. Gate held.</summary>
    public void Add(MessageId id, DeathReason reason)
    {
        _waiting.Enqueue((id, reason));
        if (!_running)
        {
            _running = true;
            queue.Host.Scheduler.Post(this);
        }
    }

    public void Execute()
    {
        using PublishTurn turn = queue.Host.CreatePublishTurn();
        while (true)
        {
            lock (queue.Gate)
            {
                _batch.Clear();
                while (_batch.Count < BatchMessagesMax && _waiting.TryDequeue(out (MessageId, DeathReason) next))
                {
                    _batch.Add(next);
                }

                if (_batch.Count == 0 || !queue.IsOpen)
                {
                    _running = false;
                    return;
                }
            }

            try
            {
                Move(turn);
            }
            catch (IOException e)
            {
                // They stay unsettled and are back in the queue after a restart: nothing is lost, and nothing is claimed.
                turn.Clear();
                logger.LogError(e, "Queue '{Queue}' in virtual host '{Host}': {Count} messages could not be dead-lettered; they stay in the queue until the broker is restarted on a healthy disk", queue.Name, queue.Host.Name, _batch.Count);
            }
        }
    }

    private void Move(PublishTurn turn)
    {
        _settled.Clear();
        LogReader? reader = null;
        int readerLane = -1;
        try
        {
            foreach ((MessageId id, DeathReason reason) in _batch)
            {
                _settled.Add(id);
                Log log = queue.LaneAt(id.Lane).Log;
                if (readerLane != id.Lane)
                {
                    reader?.Dispose();
                    reader = log.OpenReader(id.Offset);
                    readerLane = id.Lane;
                }

                if (TryRead(log, reader!, id.Offset, out RecordView record))
                {
                    MessageRecord.Read(record, out MessageView message);
                    new DeadLetter(queue).Publish(turn, message, reason);
                }
            }

            turn.CommitMoved(queue, _settled);
        }
        finally
        {
            reader?.Dispose();
        }
    }

    private static bool TryRead(Log log, LogReader reader, long offset, out RecordView record)
    {
        reader.Seek(offset);
        while (true)
        {
            switch (reader.TryPeek(out record))
            {
                case PeekResult.Record:
                    return record.Offset == offset;
                case PeekResult.EndOfLog:
                    return false;
                default:
                    if (log.LoadWindow(offset) is { } window)
                    {
                        reader.Attach(window);
                    }

                    break;
            }
        }
    }
}
