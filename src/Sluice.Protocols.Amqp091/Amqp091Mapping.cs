using Sluice.Broker.Messages;
using Sluice.Broker.Queues;
using Sluice.Protocols.Amqp091.Messages;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091;

/// <summary>
/// Property bytes of a stored message as an AMQP 0-9-1 consumer sees them. As a rule they are the publisher's own; what the broker has to tell
/// (dead-letter history, delivery count, stream offset) is merged into the headers. One per channel, used under its gate.
/// </summary>
internal sealed class Amqp091Mapping
{
    private readonly TableBuilder _headers = new();
    private readonly PropertiesEditor _editor = new();
    private RecordProperties? _record;

    /// <summary>Whether the publisher's properties can be sent as they are.</summary>
    public static bool IsPlain(in Delivery delivery, bool tellCount, bool tellOffset) =>
        delivery.Message.Deaths.IsEmpty && delivery.Message.Format != PropertiesFormat.Kafka && !tellOffset && (!tellCount || delivery.DeliveryCount == 0);

    /// <summary>The publisher's properties; none if it spoke another protocol.</summary>
    public static ReadOnlySpan<byte> PlainProperties(in MessageView message) =>
        message.Format == PropertiesFormat.Amqp091 ? message.Properties : BasicProperties.Empty;

    /// <summary>A name or key as a short string: AMQP's own fit; a longer one of another protocol is cut.</summary>
    public static ReadOnlySpan<byte> ShortString(ReadOnlySpan<byte> name) => name.Length <= byte.MaxValue ? name : name[..byte.MaxValue];

    /// <summary>The routing key to tell: of a log client's record its key.</summary>
    public static ReadOnlySpan<byte> RoutingKey(in MessageView message) =>
        message.Format == PropertiesFormat.Kafka ? RecordProperties.RoutingKey(message) : ShortString(message.RoutingKey);

    /// <summary>The properties to send. Borrowed until the next call.</summary>
    /// <param name="delivery">The delivery.</param>
    /// <param name="tellCount">Whether x-delivery-count is told (quorum queues).</param>
    /// <param name="tellOffset">Whether x-stream-offset is told (streams).</param>
    public ReadOnlySpan<byte> MergedProperties(in Delivery delivery, bool tellCount, bool tellOffset)
    {
        ReadOnlySpan<byte> properties = PlainProperties(delivery.Message);
        ReadOnlySpan<byte> own = BasicProperties.Read(properties).Headers;
        tellCount &= delivery.DeliveryCount > 0;
        bool isDead = !delivery.Message.Deaths.IsEmpty;
        _headers.Clear();
        if (delivery.Message.Format == PropertiesFormat.Kafka)
        {
            properties = (_record ??= new RecordProperties()).Convert(delivery.Message, _headers);
        }

        var reader = new FieldTableReader(own);
        while (reader.TryRead(out ReadOnlySpan<byte> name, out FieldValue value))
        {
            bool isReplaced = (isDead && name.SequenceEqual(DeathHeaders.Death))
                || (tellCount && name.SequenceEqual("x-delivery-count"u8))
                || (tellOffset && name.SequenceEqual("x-stream-offset"u8));
            if (!isReplaced)
            {
                _headers.Add(name, value);
            }
        }

        if (isDead)
        {
            DeathHeaders.Write(DeathHistory.Decode(delivery.Message.Deaths), own, _headers);
        }

        if (tellCount)
        {
            _headers.Add("x-delivery-count"u8, delivery.DeliveryCount);
        }

        if (tellOffset)
        {
            _headers.Add("x-stream-offset"u8, delivery.Message.Offset);
        }

        return _editor.WithHeaders(properties, _headers.Entries, removeExpiration: isDead);
    }
}
