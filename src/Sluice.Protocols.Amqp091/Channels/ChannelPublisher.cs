using System.Buffers.Text;
using System.Text;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Protocols.Amqp091.Messages;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.Security;
using Sluice.Storage;
using Sluice.Transport;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>
/// The publishing side of a channel. The path of a publish: <see cref="Amqp091Connection"/> finds method, header and body frames in the receive
/// buffer (or <see cref="ContentAssembly"/> puts them together) and calls <see cref="Publish"/>: permissions (cached), properties (one pass, no
/// copies), then <see cref="PublishTurn.Publish"/>, which routes and encodes the record straight from the receive buffer. At the end of the
/// receive turn the connection flushes all that is staged with one append per queue and queues the confirms (<see cref="ConfirmQueue"/>).
/// </summary>
internal sealed class ChannelPublisher
{
    private readonly Amqp091Channel _channel;
    private readonly Amqp091Connection _connection;
    private byte[] _exchange = [];
    private string _exchangeName = "";
    private bool _isRestrictedTopic;
    private int _checkedTurn = -1;
    private byte[] _topicKey = [];
    private int _topicKeyTurn = -1;

    public ChannelPublisher(Amqp091Channel channel)
    {
        _channel = channel;
        _connection = channel.Connection;
    }

    /// <summary>Set by confirm.select.</summary>
    public bool Confirms { get; set; }

    /// <summary>Number of the last publish since confirm.select.</summary>
    public ulong Sequence { get; private set; }

    /// <summary>Highest publish whose confirm is queued or sent.</summary>
    public ulong QueuedThrough { get; set; }

    /// <summary>What the last queued confirm waits for.</summary>
    public JournalPosition PendingPosition { get; set; }

    /// <summary>Already noted for confirming at the end of the turn.</summary>
    public bool InTurn { get; set; }

    /// <summary>Takes one message, borrowed for the length of the call.</summary>
    /// <exception cref="AmqpException">The message is refused; nothing of it is staged.</exception>
    public void Publish(in BasicPublish method, ReadOnlyMemory<byte> propertiesMemory, ReadOnlySpan<byte> body)
    {
        if (method.Immediate)
        {
            throw new AmqpException(ReplyCode.NotImplemented, "immediate=true");
        }

        CheckWrite(method);
        BasicProperties properties = BasicProperties.Read(propertiesMemory.Span);
        var message = new MessageToPublish
        {
            Exchange = method.Exchange,
            RoutingKey = method.RoutingKey,
            Format = PropertiesFormat.Amqp091,
            Properties = propertiesMemory.Span,
            Body = body,
            Persistent = properties.DeliveryMode == 2,
            Confirmed = Confirms || _channel.Transaction is not null,
            Priority = properties.Priority,
        };
        if ((properties.Flags & (BasicPropertyFlags.Headers | BasicPropertyFlags.ReplyTo | BasicPropertyFlags.Expiration | BasicPropertyFlags.UserId)) != 0)
        {
            ReadRareProperties(properties, propertiesMemory, ref message);
        }

        if (_isRestrictedTopic)
        {
            CheckTopic(method.RoutingKey);
        }

        bool isReply = method.Exchange.IsEmpty && DirectReplies.IsAddress(method.RoutingKey);
        bool routed = isReply ? Reply(message) : Stage(message);
        if (!routed && method.Mandatory)
        {
            Return(method, message.Properties, body);
        }

        // Only what was taken is counted: a publish that ends its channel must never be confirmed.
        if (Confirms)
        {
            Sequence++;
            _connection.Confirms.Note(_channel);
        }

        if (routed && !isReply)
        {
            _connection.Published();
        }
    }

    /// <summary>A ticket names channel and publish, so that a refusal finds its way back.</summary>
    public static ulong Ticket(ushort channel, ulong sequence) => ((ulong)channel << 48) | sequence;

    public static (ushort Channel, ulong Sequence) FromTicket(ulong ticket) => ((ushort)(ticket >> 48), ticket & ((1UL << 48) - 1));

    private bool Stage(in MessageToPublish message)
    {
        PublishTurn turn = _channel.Transaction is { } transaction ? transaction.Turn : _connection.Turn;
        return turn.Publish(message, Confirms ? Ticket(_channel.Number, Sequence + 1) : 0) switch
        {
            PublishOutcome.Routed => true,
            PublishOutcome.Unroutable => false,
            PublishOutcome.NoSuchExchange => throw new AmqpException(ReplyCode.NotFound, $"no exchange '{_exchangeName}' in vhost '{_connection.VirtualHostName}'"),
            PublishOutcome.Internal => throw new AmqpException(ReplyCode.AccessRefused, $"cannot publish to internal exchange '{_exchangeName}' in vhost '{_connection.VirtualHostName}'"),
            PublishOutcome.InvalidDelay => throw new AmqpException(ReplyCode.PreconditionFailed, $"invalid x-delay: exchange '{_exchangeName}' in vhost '{_connection.VirtualHostName}' cannot delay a message by {message.DelayMs} ms"),
            _ when _channel.Transaction is not null => throw new AmqpException(ReplyCode.PreconditionFailed, "the transaction is larger than the broker allows: commit in smaller portions"),
            _ => throw TooLarge((ulong)message.Body.Length),
        };
    }

    public AmqpException TooLarge(ulong size) =>
        new(ReplyCode.PreconditionFailed, $"message size {size} is larger than configured max size {_connection.Server.Broker.Options.MessageBytesMax}");

    private bool Reply(in MessageToPublish message)
    {
        DirectReplyConsumer? consumer = _connection.Server.DirectReplies.Find(message.RoutingKey, _connection.VirtualHostName);
        return consumer is not null && consumer.Channel.DeliverReply(consumer, message.RoutingKey, message.Properties, message.Body);
    }

    private void CheckWrite(in BasicPublish method)
    {
        if (_checkedTurn == _connection.TurnNumber && method.Exchange.SequenceEqual(_exchange))
        {
            return;
        }

        if (!method.Exchange.SequenceEqual(_exchange))
        {
            _exchange = method.Exchange.ToArray();
            _exchangeName = Encoding.UTF8.GetString(_exchange);
        }

        _connection.Require(Access.Write, "exchange", _exchangeName);
        _isRestrictedTopic = _connection.Access.RestrictsTopics(_exchangeName) && _connection.VirtualHost.FindExchange(_exchangeName) is { IsOk: true, Value.Type: "topic" };
        _checkedTurn = _connection.TurnNumber;
    }

    private void CheckTopic(ReadOnlySpan<byte> routingKey)
    {
        if (_topicKeyTurn == _connection.TurnNumber && routingKey.SequenceEqual(_topicKey))
        {
            return;
        }

        string key = Encoding.UTF8.GetString(routingKey);
        if (!_connection.Access.AllowsTopic(Access.Write, _exchangeName, key))
        {
            throw Amqp091Errors.TopicRefused(Access.Write, _exchangeName, key, _connection.VirtualHostName, _connection.UserName);
        }

        if (!routingKey.SequenceEqual(_topicKey))
        {
            _topicKey = routingKey.ToArray();
        }

        _topicKeyTurn = _connection.TurnNumber;
    }

    private void ReadRareProperties(in BasicProperties properties, ReadOnlyMemory<byte> memory, ref MessageToPublish message)
    {
        if ((properties.Flags & BasicPropertyFlags.UserId) != 0)
        {
            _connection.CheckUserId(properties.UserId);
        }

        if ((properties.Flags & BasicPropertyFlags.Expiration) != 0)
        {
            message.TimeToLiveMs = ReadExpiration(properties.Expiration);
        }

        bool hasBcc = false;
        if (!properties.Headers.IsEmpty)
        {
            message.Headers = _connection.Headers.Over(memory.Slice(properties.HeadersOffset, properties.Headers.Length));
            ReadHeaders(properties.Headers, ref message, out hasBcc);
        }

        bool isDirectReply = properties.ReplyTo.SequenceEqual(DirectReplies.QueueNameBytes);
        if (isDirectReply && _channel.DirectReply is null)
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, "fast reply consumer does not exist");
        }

        if (hasBcc)
        {
            ReadOnlySpan<byte> headers = _connection.Headers.Without(properties.Headers, CopyHeaders.Bcc);
            message.Properties = isDirectReply
                ? _connection.Headers.Editor.WithHeadersAndReplyTo(memory.Span, headers, _channel.DirectReply!.Address)
                : _connection.Headers.Editor.WithHeaders(memory.Span, headers, removeExpiration: false);
        }
        else if (isDirectReply)
        {
            message.Properties = _connection.Headers.Editor.WithReplyTo(memory.Span, _channel.DirectReply!.Address);
        }
    }

    private static void ReadHeaders(ReadOnlySpan<byte> headers, ref MessageToPublish message, out bool hasBcc)
    {
        hasBcc = false;
        bool hasCc = false;
        var reader = new FieldTableReader(headers);
        while (reader.TryRead(out ReadOnlySpan<byte> name, out FieldValue value))
        {
            switch (name.Length)
            {
                case 2:
                    hasCc |= name.SequenceEqual(CopyHeaders.Cc);
                    break;
                case 3:
                    hasBcc |= name.SequenceEqual(CopyHeaders.Bcc);
                    break;
                case 7 when name.SequenceEqual("x-delay"u8) && value.TryGetInteger(out long delay):
                    message.DelayMs = Math.Max(0, delay);
                    break;
            }
        }

        if (hasCc || hasBcc)
        {
            List<byte[]>? keys = null;
            CopyHeaders.Collect(headers, CopyHeaders.Cc, ref keys);
            CopyHeaders.Collect(headers, CopyHeaders.Bcc, ref keys);
            message.ExtraRoutingKeys = keys;
        }
    }

    private static long ReadExpiration(ReadOnlySpan<byte> text)
    {
        if (!Utf8Parser.TryParse(text, out long ms, out int consumed) || consumed < text.Length)
        {
            throw InvalidExpiration(text, "expected an integer, in milliseconds");
        }

        return ms switch
        {
            < 0 => throw InvalidExpiration(text, "expected at least 0"),
            > Amqp091Limits.TimeToLiveMsMax => throw InvalidExpiration(text, $"expected at most {Amqp091Limits.TimeToLiveMsMax}"),
            _ => ms,
        };
    }

    private static AmqpException InvalidExpiration(ReadOnlySpan<byte> text, string why) =>
        new(ReplyCode.PreconditionFailed, $"invalid expiration '{Encoding.UTF8.GetString(text)}': {why}");

    /// <summary>Gives an unroutable mandatory message back (312), before its confirm; in a transaction at commit.</summary>
    private void Return(in BasicPublish method, ReadOnlySpan<byte> properties, ReadOnlySpan<byte> body)
    {
        var back = new BasicReturn { ReplyCode = (ushort)ReplyCode.NoRoute, ReplyText = "NO_ROUTE"u8, Exchange = method.Exchange, RoutingKey = method.RoutingKey };
        if (_channel.Transaction is { } transaction)
        {
            int methodSize = FrameWriter.MethodFrameSize(back);
            int size = methodSize + FrameWriter.ContentSize(properties.Length, body.Length, _connection.FrameMax);
            if (transaction.Returns.WrittenCount + (long)size > _connection.Server.Broker.Options.TransactionBytesMax)
            {
                throw new AmqpException(ReplyCode.PreconditionFailed, "the transaction is larger than the broker allows: commit in smaller portions");
            }

            Span<byte> target = transaction.Returns.GetSpan(size);
            FrameWriter.WriteMethod(target, _channel.Number, back);
            FrameWriter.WriteContent(target[methodSize..], _channel.Number, 60, properties, body, _connection.FrameMax);
            transaction.Returns.Advance(size);
            return;
        }

        ConnectionWriter output = _connection.Client.Output;
        if (output.Enter())
        {
            try
            {
                DeliveryWriter.Write(output, _channel.Number, back, properties, body, _connection.FrameMax);
            }
            finally
            {
                output.Exit();
            }
        }
    }
}
