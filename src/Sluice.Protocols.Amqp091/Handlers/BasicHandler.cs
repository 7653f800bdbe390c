using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Protocols.Amqp091.Channels;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.Security;

namespace Sluice.Protocols.Amqp091.Handlers;

/// <summary>Class basic: qos, get and recover.</summary>
internal static class BasicHandler
{
    /// <summary>RabbitMQ's meaning: global is the whole channel, otherwise each consumer to come.</summary>
    public static void Qos(Amqp091Channel channel, in BasicQos method)
    {
        if (method.PrefetchSize != 0)
        {
            throw new AmqpException(ReplyCode.NotImplemented, $"prefetch_size!=0 ({method.PrefetchSize})");
        }

        if (method.Global)
        {
            channel.GlobalPrefetch = method.PrefetchCount;
        }
        else
        {
            channel.ConsumerPrefetch = method.PrefetchCount;
        }

        channel.Send(new BasicQosOk());
        channel.Consumers.ResumeStarved();
    }

    public static ValueTask Get(Amqp091Channel channel, in BasicGet method)
    {
        Amqp091Connection connection = channel.Connection;
        string name = Names.Queue(channel, method.Queue);
        connection.Require(Access.Read, "queue", name);
        MessageQueue queue = Amqp091Errors.ValueOf(connection.VirtualHost.FindQueue(name, connection));
        if (queue.Settings.Kind == QueueKind.Stream)
        {
            throw new AmqpException(ReplyCode.NotImplemented, $"basic.get not supported by stream queues queue '{name}' in vhost '{connection.VirtualHostName}'");
        }

        if (queue.Settings is { Kind: QueueKind.Quorum, SingleActiveConsumer: true })
        {
            throw new AmqpException(ReplyCode.ResourceLocked, $"cannot obtain access to locked queue '{name}' in vhost '{connection.VirtualHostName}'. basic.get operations are not supported by quorum queues with single active consumer");
        }

        return GetAsync(channel, queue, method.NoAck);
    }

    /// <summary>Gives all unacknowledged deliveries of the channel back to their queues.</summary>
    public static void Recover(Amqp091Channel channel, bool requeue)
    {
        if (!requeue)
        {
            throw new AmqpException(ReplyCode.NotImplemented, "requeue=false");
        }

        channel.RequeueAll();
        channel.Connection.FlushTurn();
    }

    private static async ValueTask GetAsync(Amqp091Channel channel, MessageQueue queue, bool noAck)
    {
        if (!await channel.GetAsync(queue, noAck).ConfigureAwait(false))
        {
            channel.Send(new BasicGetEmpty());
        }
    }
}
