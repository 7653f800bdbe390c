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
}
