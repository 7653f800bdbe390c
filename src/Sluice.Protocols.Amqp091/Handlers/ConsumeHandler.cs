using System.Security.Cryptography;
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

/// <summary>basic.consume and basic.cancel, direct reply-to included.</summary>
internal static class ConsumeHandler
{
    public static ValueTask Consume(Amqp091Channel channel, in BasicConsume method)
    {
        Amqp091Connection connection = channel.Connection;
        string name = Names.Queue(channel, method.Queue);
        string tag = TagFor(channel, method.ConsumerTag);
        if (name == DirectReplies.QueueName)
        {
            ConsumeReplies(channel, tag, method);
            return default;
        }

        connection.Require(Access.Read, "queue", name);
        Arguments arguments = ArgumentTable.Read(method.Arguments);
        var request = new ConsumeRequest(tag, method.NoAck, method.Exclusive, method.NoWait);
        if (method.NoLocal)
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, "no-local is not supported: messages of the own connection cannot be left out");
        }

        if (ConsumerArguments.GroupOf(arguments, name, connection) is { } group)
        {
            connection.Require(Access.Read, "share group", group);
            CheckShare(channel, name, request);
            return ConsumeShareAsync(channel, name, group, request, ConsumerArguments.Read(arguments, name, hasOffsets: true, connection));
        }

        MessageQueue queue = Amqp091Errors.ValueOf(connection.VirtualHost.FindQueue(name, connection));
        bool isStream = queue.Settings.Kind == QueueKind.Stream;
        var options = ConsumerArguments.Read(arguments, name, isStream, connection);
        if (isStream)
        {
            CheckStream(channel, name, method.NoAck);
        }

        Subscribe(channel, queue, request, options);
        return default;
    }

    public static void Cancel(Amqp091Channel channel, in BasicCancel method)
    {
        string tag = Encoding.UTF8.GetString(method.ConsumerTag);
        if (channel.DirectReply is { } reply && reply.Tag == tag)
        {
            channel.Connection.Server.DirectReplies.Remove(reply);
            channel.DirectReply = null;
        }
        else if (channel.Consumers.Remove(tag) is { } consumer)
        {
            consumer.Queue.RemoveConsumer(consumer);
        }

        if (!method.NoWait)
        {
            channel.Send(new BasicCancelOk { ConsumerTag = method.ConsumerTag });
        }
    }

    private static async ValueTask ConsumeShareAsync(Amqp091Channel channel, string name, string group, ConsumeRequest request, ConsumerArguments options)
    {
        Amqp091Connection connection = channel.Connection;
        MessageQueue queue = Amqp091Errors.ValueOf(await connection.VirtualHost.OpenShareAsync(name, group, options.Start, connection).ConfigureAwait(false));
        channel.ReadsShares = true;
        Subscribe(channel, queue, request, options);
    }

    private static void Subscribe(Amqp091Channel channel, MessageQueue queue, in ConsumeRequest request, in ConsumerArguments options)
    {
        var consumer = new AmqpConsumer(channel, queue, request.Tag, channel.ConsumerPrefetch)
        {
            Tag = request.Tag,
            AutoSettle = request.NoAck,
            Exclusive = request.Exclusive,
            Priority = options.Priority,
            Start = options.Start,
            Description = channel.ToString(),
            Owner = channel.Connection,
        };
        channel.Consumers.Add(consumer);
        BrokerResult result = queue.AddConsumer(consumer);
        if (!result.IsOk)
        {
            channel.Consumers.Remove(request.Tag);
            Amqp091Errors.ThrowIfFailed(result);
        }

        // The client hears of its subscription before its first delivery.
        if (!request.NoWait)
        {
            channel.Send(new BasicConsumeOk { ConsumerTag = consumer.TagBytes });
        }

        consumer.Begin();
        queue.Resume(consumer);
    }

    private static string TagFor(Amqp091Channel channel, ReadOnlySpan<byte> asked)
    {
        int max = channel.Connection.Server.Options.ConsumersPerChannelMax;
        if (channel.ConsumerCount >= max)
        {
            throw new AmqpException(ReplyCode.NotAllowed, $"reached maximum ({max}) of consumers per channel");
        }

        if (asked.IsEmpty)
        {
            return "amq.ctag-" + Convert.ToBase64String(RandomNumberGenerator.GetBytes(15)).Replace('+', '-').Replace('/', '_');
        }

        string tag = Encoding.UTF8.GetString(asked);
        return channel.Consumers.Has(tag) ? throw new AmqpException(ReplyCode.NotAllowed, $"attempt to reuse consumer tag '{tag}'") : tag;
    }

    private static void CheckShare(Amqp091Channel channel, string name, in ConsumeRequest request)
    {
        CheckStream(channel, name, request.NoAck);
        if (request.Exclusive)
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, $"no consumer of a share group of queue '{name}' in vhost '{channel.Connection.VirtualHostName}' can be exclusive: they compete");
        }

        if (channel.IsTransactional)
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, "what a channel settles for a share group cannot be part of a transaction");
        }
    }

    private static void CheckStream(Amqp091Channel channel, string name, bool noAck)
    {
        string which = $"queue '{name}' in vhost '{channel.Connection.VirtualHostName}'";
        if (noAck)
        {
            throw new AmqpException(ReplyCode.NotImplemented, $"automatic acknowledgement not supported by stream {which}");
        }

        if (channel.ConsumerPrefetch == 0 && channel.GlobalPrefetch == 0)
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, $"consumer prefetch count is not set for stream {which}");
        }
    }

    private static void ConsumeReplies(Amqp091Channel channel, string tag, in BasicConsume method)
    {
        if (!method.NoAck)
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, "reply consumer cannot acknowledge");
        }

        if (channel.DirectReply is not null)
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, "reply consumer already set");
        }

        var consumer = new DirectReplyConsumer(channel, tag, channel.Connection.VirtualHostName);
        channel.DirectReply = consumer;
        if (!method.NoWait)
        {
            channel.Send(new BasicConsumeOk { ConsumerTag = consumer.TagBytes });
        }

        channel.Connection.Server.DirectReplies.Add(consumer);
    }

    /// <summary>What is asked, apart from the queue and the arguments.</summary>
    private readonly record struct ConsumeRequest(string Tag, bool NoAck, bool Exclusive, bool NoWait);
}
