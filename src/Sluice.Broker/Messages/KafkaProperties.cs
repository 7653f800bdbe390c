using System.Buffers;
using System.Buffers.Binary;
using Sluice.Base.Binary;
using Sluice.Storage.Records;

namespace Sluice.Broker.Messages;

/// <summary>
/// What a Kafka client's record has besides its value, as the properties of a message in a queue (docs/storage-format.md). Persisted: the layout only grows.
/// <code>
/// 0 flags u8 (1 has a key, 2 has no value)  1 timestamp i64, Unix ms  9 with a key: length varint, key  then header count varint, headers as in the record
/// </code>
/// </summary>
internal sealed class KafkaProperties : IPropertiesReader
{
    private const byte KeyFlag = 1, NoValueFlag = 2;
    private const int FixedBytes = 9;

    public PropertiesFormat Format => PropertiesFormat.Kafka;

    public static void Write(in RecordView record, IBufferWriter<byte> destination)
    {
        Span<byte> span = destination.GetSpan(FixedBytes + (2 * Varint.BytesMax) + record.Key.Length + record.Headers.Length);
        span[0] = (byte)((record.HasKey ? KeyFlag : 0) | (record.HasValue ? 0 : NoValueFlag));
        BinaryPrimitives.WriteInt64BigEndian(span[1..], record.Timestamp);
        int at = FixedBytes;
        if (record.HasKey)
        {
            at += Varint.Write(span[at..], record.Key.Length);
            record.Key.CopyTo(span[at..]);
            at += record.Key.Length;
        }

        at += Varint.Write(span[at..], record.HeaderCount);
        record.Headers.CopyTo(span[at..]);
        destination.Advance(at + record.Headers.Length);
    }

    /// <summary>Sets what the message has of the record. Properties that are damaged leave it without.</summary>
    public static void Read(ReadOnlySpan<byte> properties, ref MessageView message)
    {
        message.Format = PropertiesFormat.Kafka;
        message.Properties = properties;
        if (properties.Length <= FixedBytes)
        {
            return;
        }

        message.HasNoBody = (properties[0] & NoValueFlag) != 0;
        message.CreatedMs = BinaryPrimitives.ReadInt64BigEndian(properties[1..]);
        int at = FixedBytes;
        if ((properties[0] & KeyFlag) != 0)
        {
            if (!Varint.TryRead(properties, ref at, out long length) || length < 0 || length > properties.Length - at)
            {
                return;
            }

            message.HasKey = true;
            message.Key = properties.Slice(at, (int)length);
            at += (int)length;
        }

        if (Varint.TryRead(properties, ref at, out long count))
        {
            message.HeaderCount = (int)count;
            message.Headers = properties[at..];
        }
    }

    public IMessageHeaders? ReadHeaders(ReadOnlyMemory<byte> properties)
    {
        MessageView view = default;
        Read(properties.Span, ref view);
        return view.HeaderCount == 0 ? null : new RecordHeaderTable(properties[^view.Headers.Length..], view.HeaderCount);
    }

    public IReadOnlyList<byte[]>? ReadExtraRoutingKeys(ReadOnlyMemory<byte> properties) => null;

    public byte ReadPriority(ReadOnlyMemory<byte> properties) => 0;

    public bool TryReadProperty(ReadOnlySpan<byte> properties, MessageProperty property, out HeaderValue value)
    {
        MessageView view = default;
        Read(properties, ref view);
        if (property == MessageProperty.Timestamp)
        {
            value = new HeaderValue { Kind = HeaderKind.Integer, Integer = view.CreatedMs / 1000 };
            return true;
        }

        ReadOnlySpan<byte> name = property switch
        {
            MessageProperty.MessageId => "amqp.message-id"u8,
            MessageProperty.CorrelationId => "amqp.correlation-id"u8,
            _ => "amqp.app-id"u8,
        };
        return RecordHeaderTable.TryFind(view.Headers, view.HeaderCount, name, out value);
    }

    public void Visit(ReadOnlySpan<byte> properties, IPropertyVisitor visitor)
    {
        MessageView view = default;
        Read(properties, ref view);
        if (view.HasKey)
        {
            visitor.Header(TopicRecord.KeyHeader, new HeaderValue { Kind = HeaderKind.Bytes, Bytes = view.Key });
        }

        int at = 0;
        for (int i = 0; i < view.HeaderCount && RecordHeaderTable.TryRead(view.Headers, ref at, out ReadOnlySpan<byte> name, out HeaderValue value); i++)
        {
            visitor.Header(name, value);
        }
    }
}
