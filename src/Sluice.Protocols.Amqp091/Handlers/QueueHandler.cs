using System.Text;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Protocols.Amqp091.Channels;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.Security;

namespace Sluice.Protocols.Amqp091.Handlers;

/// <summary>Class queue, but for bindings.</summary>
internal static class QueueHandler
{
    /// <summary>What permissions are asked for when the server chooses the name: of the same form as the name will be.</summary>
    private const string ServerNamedSample = "amq.gen-AAAAAAAAAAAAAAAAAAAAAA";

    public static ValueTask Declare(Amqp091Channel channel, in QueueDeclare method)
    {
        Amqp091Connection connection = channel.Connection;
        string name = Names.Read(method.Queue);
        if (name.StartsWith(DirectReplies.QueueName, StringComparison.Ordinal))
        {
            DeclareReplyQueue(channel, name, method.NoWait);
            return default;
        }

        if (method.Passive)
        {
            DeclarePassively(channel, name, method.NoWait);
            return default;
        }

        string checkedName = name.Length == 0 ? ServerNamedSample : name;
        connection.Require(Access.Configure, "queue", checkedName);
        Arguments arguments = ArgumentTable.Read(method.Arguments);
        if (arguments["x-dead-letter-exchange"] is string deadLetterExchange && connection.VirtualHost.FindQueue(name, connection).Status == BrokerStatus.NotFound)
        {
            connection.Require(Access.Read, "queue", checkedName);
            connection.Require(Access.Write, "exchange", deadLetterExchange);
        }

        CheckLimit(connection, name);
        var definition = new QueueDefinition(name, method.Durable && !method.Exclusive, method.Exclusive, method.AutoDelete, arguments);
        return DeclareAsync(channel, definition, method.NoWait);
    }

    public static void Purge(Amqp091Channel channel, in QueuePurge method)
    {
        Amqp091Connection connection = channel.Connection;
        string name = Names.Queue(channel, method.Queue);
        connection.Require(Access.Read, "queue", name);
        MessageQueue queue = Amqp091Errors.ValueOf(connection.VirtualHost.FindQueue(name, connection));
        if (queue.Settings.Kind == QueueKind.Stream)
        {
            throw new AmqpException(ReplyCode.NotImplemented, $"queue.purge not supported by stream queues queue '{name}' in vhost '{connection.VirtualHostName}'");
        }

        long count = queue.Purge();
        if (!method.NoWait)
        {
            channel.Send(new QueuePurgeOk { MessageCount = Count(count) });
        }
    }

    public static ValueTask Delete(Amqp091Channel channel, in QueueDelete method)
    {
        string name = Names.Queue(channel, method.Queue);
        channel.Connection.Require(Access.Configure, "queue", name);
        return DeleteAsync(channel, name, method.IfUnused, method.IfEmpty, method.NoWait);
    }

    private static async ValueTask DeclareAsync(Amqp091Channel channel, QueueDefinition definition, bool noWait)
    {
        Amqp091Connection connection = channel.Connection;
        BrokerResult<MessageQueue> result = await connection.VirtualHost.DeclareQueueAsync(definition, connection).ConfigureAwait(false);
        Declared(channel, Amqp091Errors.ValueOf(result), noWait);
    }

    private static void DeclarePassively(Amqp091Channel channel, string name, bool noWait)
    {
        Amqp091Connection connection = channel.Connection;
        if (!connection.Access.Allows(Access.Read, name) && !connection.Access.Allows(Access.Write, name))
        {
            connection.Require(Access.Configure, "queue", name);
        }

        Declared(channel, Amqp091Errors.ValueOf(connection.VirtualHost.FindQueue(name, connection)), noWait);
    }

    private static void Declared(Amqp091Channel channel, MessageQueue queue, bool noWait)
    {
        channel.LastQueue = queue.Name;
        if (!noWait)
        {
            channel.Send(new QueueDeclareOk
            {
                Queue = Encoding.UTF8.GetBytes(queue.Name),
                MessageCount = Count(queue.ReadyCount),
                ConsumerCount = (uint)queue.ConsumerCount,
            });
        }
    }

    private static void CheckLimit(Amqp091Connection connection, string name)
    {
        bool isLimited = connection.Server.AccessControl.LimitsOf(connection.VirtualHostName).QueuesMax is not null;
        if (isLimited
            && connection.VirtualHost.FindQueue(name, connection).Status == BrokerStatus.NotFound
            && connection.Server.Limits.RefuseQueue(connection.VirtualHostName, connection.VirtualHost.QueueCount) is { } reason)
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, reason);
        }
    }

    /// <summary>A requester may look whether somebody still waits under a reply address.</summary>
    private static void DeclareReplyQueue(Amqp091Channel channel, string name, bool noWait)
    {
        byte[] address = Encoding.UTF8.GetBytes(name);
        bool isThere = name == DirectReplies.QueueName
            || (DirectReplies.IsAddress(address) && channel.Connection.Server.DirectReplies.Find(address, channel.Connection.VirtualHostName) is not null);
        if (!isThere)
        {
            throw new AmqpException(ReplyCode.NotFound, $"no queue '{name}' in vhost '{channel.Connection.VirtualHostName}'");
        }

        if (!noWait)
        {
            channel.Send(new QueueDeclareOk { Queue = address, ConsumerCount = 1 });
        }
    }

    /// <summary>Deleting what is not there is no error, as in RabbitMQ.</summary>
    private static async ValueTask DeleteAsync(Amqp091Channel channel, string name, bool ifUnused, bool ifEmpty, bool noWait)
    {
        Amqp091Connection connection = channel.Connection;
        channel.Consumers.BeginQueueDelete();
        try
        {
            BrokerResult<long> result = await connection.VirtualHost.DeleteQueueAsync(name, ifUnused, ifEmpty, connection, connection.UserName).ConfigureAwait(false);
            long count = result.Status == BrokerStatus.NotFound ? 0 : Amqp091Errors.ValueOf(result);
            if (!noWait)
            {
                channel.Send(new QueueDeleteOk { MessageCount = Count(count) });
            }
        }
        finally
        {
            channel.Consumers.EndQueueDelete();
        }
    }

    private static uint Count(long count) => (uint)Math.Min(count, uint.MaxValue);
}
