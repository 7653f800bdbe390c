using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>The consumers of one channel by tag, and telling the client of those that the broker cancels. Guarded by the channel's gate; a queue is never called under it.</summary>
internal sealed class ChannelConsumers(Amqp091Channel channel)
{
    private readonly Dictionary<string, AmqpConsumer> _byTag = new(StringComparer.Ordinal);
    private List<byte[]>? _cancelledByOwnDelete;

    public int Count => _byTag.Count;

    public bool Has(string tag)
    {
        lock (channel.Gate)
        {
            return _byTag.ContainsKey(tag) || channel.DirectReply?.Tag == tag;
        }
    }

    public void Add(AmqpConsumer consumer)
    {
        lock (channel.Gate)
        {
            _byTag.Add(consumer.Tag, consumer);
        }

        channel.Connection.Channels.ConsumersChanged();
    }

    /// <summary>Forgets the consumer; null if there is none of the name.</summary>
    public AmqpConsumer? Remove(string tag)
    {
        AmqpConsumer? consumer;
        lock (channel.Gate)
        {
            _byTag.Remove(tag, out consumer);
        }

        channel.Connection.Channels.ConsumersChanged();
        return consumer;
    }

    /// <summary>A copy, for resuming and operators.</summary>
    public AmqpConsumer[] ToArray()
    {
        lock (channel.Gate)
        {
            return [.. _byTag.Values];
        }
    }

    /// <summary>The channel ends: all leave their queues.</summary>
    public void RemoveAll()
    {
        foreach (AmqpConsumer consumer in ToArray())
        {
            consumer.Queue.RemoveConsumer(consumer);
        }

        lock (channel.Gate)
        {
            _byTag.Clear();
        }
    }

    /// <summary>From now until <see cref="EndQueueDelete"/> cancellations wait: a client that deletes its own consumer's queue gets delete-ok first, as from RabbitMQ.</summary>
    public void BeginQueueDelete()
    {
        lock (channel.Gate)
        {
            _cancelledByOwnDelete = [];
        }
    }

    /// <summary>Tells the client of the consumers that were cancelled meanwhile.</summary>
    public void EndQueueDelete()
    {
        lock (channel.Gate)
        {
            List<byte[]> cancelled = _cancelledByOwnDelete ?? [];
            _cancelledByOwnDelete = null;
            foreach (byte[] tag in cancelled)
            {
                if (channel.IsOpen)
                {
                    channel.Send(new BasicCancel { ConsumerTag = tag, NoWait = true });
                }
            }
        }
    }

    /// <summary>The queue of the consumer is gone: the client is told, if it wants to know. Any thread.</summary>
    public void Cancelled(AmqpConsumer consumer)
    {
        lock (channel.Gate)
        {
            if (!_byTag.Remove(consumer.Tag) || !channel.IsOpen)
            {
                return;
            }

            if (!channel.Connection.Capabilities.ConsumerCancelNotify)
            {
                // Nothing to tell.
            }
            else if (_cancelledByOwnDelete is { } later)
            {
                later.Add(consumer.TagBytes);
            }
            else
            {
                channel.Send(new BasicCancel { ConsumerTag = consumer.TagBytes, NoWait = true });
            }
        }

        channel.Connection.Channels.ConsumersChanged();
        channel.Connection.FlushSoon();
    }

    /// <summary>Returns when every delivery begun before the channel ceased to take any has been written: a queue that is at one holds the lock that Resume takes.</summary>
    public void AwaitDeliveries()
    {
        foreach (AmqpConsumer consumer in ToArray())
        {
            consumer.Queue.Resume(consumer);
        }
    }

    /// <summary>Has every consumer that was refused a message served again at the end of the turn.</summary>
    public void ResumeStarved()
    {
        lock (channel.Gate)
        {
            foreach (AmqpConsumer consumer in _byTag.Values)
            {
                if (consumer.TakeStarved())
                {
                    channel.Connection.Settlements.Resume(consumer);
                }
            }
        }
    }
}
