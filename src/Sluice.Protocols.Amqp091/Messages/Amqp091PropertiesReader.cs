using System.Buffers.Binary;
using Sluice.Broker.Messages;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Messages;

/// <summary>Lets the broker route stored AMQP 0-9-1 messages again: dead-lettering and delayed delivery.</summary>
public sealed class Amqp091PropertiesReader : IPropertiesReader
{
    public PropertiesFormat Format => PropertiesFormat.Amqp091;

    public IMessageHeaders? ReadHeaders(ReadOnlyMemory<byte> properties)
    {
        BasicProperties read = BasicProperties.Read(properties.Span);
        return read.Headers.IsEmpty ? null : new BasicHeaders().Over(properties.Slice(read.HeadersOffset, read.Headers.Length));
    }

    public IReadOnlyList<byte[]>? ReadExtraRoutingKeys(ReadOnlyMemory<byte> properties)
    {
        BasicProperties read = BasicProperties.Read(properties.Span);
        List<byte[]>? keys = null;
        CopyHeaders.Collect(read.Headers, CopyHeaders.Cc, ref keys);
        return keys;
    }

    public byte ReadPriority(ReadOnlyMemory<byte> properties) => BasicProperties.Read(properties.Span).Priority;

    public void Visit(ReadOnlySpan<byte> properties, IPropertyVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        var flags = (BasicPropertyFlags)BinaryPrimitives.ReadUInt16BigEndian(properties);
        int index = 2;
        for (int bit = 15; bit >= 2; bit--)
        {
            var property = (BasicPropertyFlags)(1 << bit);
            if ((flags & property) == 0)
            {
                continue;
            }

            ReadOnlySpan<byte> encoded = PropertyList.ReadEncoded(property, properties, ref index);
            switch (property)
            {
                case BasicPropertyFlags.Headers:
                    var reader = new FieldTableReader(encoded[sizeof(int)..]);
                    while (reader.TryRead(out ReadOnlySpan<byte> name, out FieldValue field))
                    {
                        visitor.Header(name, BasicHeaders.Convert(field));
                    }

                    break;
                case BasicPropertyFlags.DeliveryMode or BasicPropertyFlags.Priority:
                    visitor.Property(NameOf(property), new HeaderValue { Kind = HeaderKind.Integer, Integer = encoded[0] });
                    break;
                case BasicPropertyFlags.Timestamp:
                    visitor.Property(NameOf(property), new HeaderValue { Kind = HeaderKind.Integer, Integer = BinaryPrimitives.ReadInt64BigEndian(encoded) });
                    break;
                default:
                    visitor.Property(NameOf(property), new HeaderValue { Kind = HeaderKind.Bytes, Bytes = encoded[1..] });
                    break;
            }
        }
    }

    public bool TryReadProperty(ReadOnlySpan<byte> properties, MessageProperty property, out HeaderValue value)
    {
        BasicPropertyFlags flag = property switch
        {
            MessageProperty.MessageId => BasicPropertyFlags.MessageId,
            MessageProperty.CorrelationId => BasicPropertyFlags.CorrelationId,
            MessageProperty.Timestamp => BasicPropertyFlags.Timestamp,
            _ => BasicPropertyFlags.AppId,
        };
        if (!PropertyList.TryFind(properties, flag, out ReadOnlySpan<byte> bytes))
        {
            value = default;
            return false;
        }

        value = flag == BasicPropertyFlags.Timestamp
            ? new HeaderValue { Kind = HeaderKind.Integer, Integer = BinaryPrimitives.ReadInt64BigEndian(bytes) }
            : new HeaderValue { Kind = HeaderKind.Bytes, Bytes = bytes };
        return true;
    }

    private static ReadOnlySpan<byte> NameOf(BasicPropertyFlags property) => property switch
    {
        BasicPropertyFlags.ContentType => "content-type"u8,
        BasicPropertyFlags.ContentEncoding => "content-encoding"u8,
        BasicPropertyFlags.DeliveryMode => "delivery-mode"u8,
        BasicPropertyFlags.Priority => "priority"u8,
        BasicPropertyFlags.CorrelationId => "correlation-id"u8,
        BasicPropertyFlags.ReplyTo => "reply-to"u8,
        BasicPropertyFlags.Expiration => "expiration"u8,
        BasicPropertyFlags.MessageId => "message-id"u8,
        BasicPropertyFlags.Timestamp => "timestamp"u8,
        BasicPropertyFlags.Type => "type"u8,
        BasicPropertyFlags.UserId => "user-id"u8,
        BasicPropertyFlags.AppId => "app-id"u8,
        _ => "cluster-id"u8,
    };
}
