using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>
/// What becomes of messages of a queue that were taken out of its ready ones and are not settled: back at their place, or dead. Counts a quorum queue's
/// deliveries. Has no state of its own. The queue's lock is held.
/// </summary>
internal readonly struct TakenMessages(CompetingQueue queue)
{
    /// <summary>Says with a delivery how often the message was delivered before.</summary>
    public void CountDeliveries(Lane lane, ref Delivery delivery)
    {
        if (queue.Settings.Kind == QueueKind.Quorum)
        {
            delivery.DeliveryCount = lane.Cursor.DeliveryCount(delivery.Id.Offset);
            delivery.Redelivered |= delivery.DeliveryCount > 0;
        }
    }

    /// <summary>Puts messages back at their place, but for those that have been delivered too often.</summary>
    public void Return(ReadOnlySpan<MessageId> messages)
    {
        foreach (MessageId id in messages)
        {
            Cursor cursor = queue.Lanes[id.Lane].Cursor;
            if (cursor.IsSettled(id.Offset))
            {
                continue;
            }

            if (queue.Settings.Kind == QueueKind.Quorum)
            {
                int count = cursor.DeliveryCount(id.Offset) + 1;
                if (queue.Settings.DeliveryLimit >= 0 && count > queue.Settings.DeliveryLimit)
                {
                    Kill(id, DeathReason.DeliveryLimit);
                    continue;
                }

                cursor.SetDeliveryCount(id.Offset, count);
            }

            queue.Lanes.Return(id);
        }
    }

    /// <summary>Takes the message just peeked out of the ready ones and ends it.</summary>
    public void TakeToKill(Lane lane, scoped in RecordView record, DeathReason reason)
    {
        var id = new MessageId(lane.Level, record.Offset);
        queue.Lanes.Take(id, record.Value.Length);
        Kill(id, reason);
    }

    /// <summary>Ends a message: dead-letters it, or drops it.</summary>
    public void Kill(MessageId id, DeathReason reason)
    {
        if (queue.Settings.DeadLetterExchange is null)
        {
            queue.Lanes.Settle(id);
            return;
        }

        queue.Lanes.Forget(id);
        queue.DeadLetters.Add(id, reason);
    }
}
