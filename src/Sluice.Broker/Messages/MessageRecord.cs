using System.Buffers.Binary;
using Sluice.Storage.Records;

namespace Sluice.Broker.Messages;

/// <summary>
/// How a message lies in a log: a record with no key, the body as its value, and these record headers (docs/storage-format.md):
/// <code>
/// "to"     1 byte exchange length, exchange, routing key      always first
/// "amqp"   AMQP 0-9-1 property flags and list as sent          when the publisher spoke AMQP 0-9-1
/// "kafka"  see <see cref="KafkaProperties"/>                    when the publisher was a Kafka client
/// "ttl"    8 bytes, Unix ms at which the message expires       when it has a TTL of its own
/// "death"  dead-letter history                                 after dead-lettering
/// </code>
/// Persisted: names and layouts only grow.
/// </summary>
internal static class MessageRecord
{
    private const byte ToLength = 2, AmqpLength = 4, KafkaLength = 5, TtlLength = 3, DeathLength = 5;

    private static ReadOnlySpan<byte> To => "to"u8;

    private static ReadOnlySpan<byte> Amqp => "amqp"u8;

    private static ReadOnlySpan<byte> Kafka => "kafka"u8;

    private static ReadOnlySpan<byte> Ttl => "ttl"u8;

    private static ReadOnlySpan<byte> Death => "death"u8;

    /// <summary>An upper bound on what <see cref="WriteHeaders"/> writes.</summary>
    public static int HeaderBytesMax(in MessageToPublish message) =>
        64 + message.Exchange.Length + message.RoutingKey.Length + message.Properties.Length + message.Deaths.Length;

    /// <summary>An upper bound on the message as one record batch, in whichever log: a queue's, or that of a delay, which also keeps further routing keys (they are among the properties).</summary>
    public static long BatchBytesMax(in MessageToPublish message) => 1024L + message.Body.Length + HeaderBytesMax(message) + message.Properties.Length;

    /// <summary>Encodes the record headers; returns the bytes written and how many headers they are.</summary>
    /// <param name="message">The message; its exchange name is at most 255 bytes.</param>
    /// <param name="expiresAtMs">-1 for none.</param>
    /// <param name="destination">At least <see cref="HeaderBytesMax"/> bytes.</param>
    /// <param name="count">Headers written.</param>
    /// <param name="expiryAt">Where in them the eight bytes of <paramref name="expiresAtMs"/> lie; -1 if there are none.</param>
    public static int WriteHeaders(in MessageToPublish message, long expiresAtMs, Span<byte> destination, out int count, out int expiryAt)
    {
        count = 1;
        expiryAt = -1;
        int at = WriteKey(destination, 0, To);
        at = WriteVarint(destination, at, 1 + message.Exchange.Length + message.RoutingKey.Length);
        destination[at++] = (byte)message.Exchange.Length;
        at = Copy(destination, at, message.Exchange);
        at = Copy(destination, at, message.RoutingKey);
        if (message.Format != PropertiesFormat.None)
        {
            count++;
            at = WriteKey(destination, at, message.Format == PropertiesFormat.Kafka ? Kafka : Amqp);
            at = WriteVarint(destination, at, message.Properties.Length);
            at = Copy(destination, at, message.Properties);
        }

        if (expiresAtMs >= 0)
        {
            count++;
            at = WriteKey(destination, at, Ttl);
            at = WriteVarint(destination, at, sizeof(long));
            expiryAt = at;
            BinaryPrimitives.WriteInt64BigEndian(destination[at..], expiresAtMs);
            at += sizeof(long);
        }

        if (!message.Deaths.IsEmpty)
        {
            count++;
            at = WriteKey(destination, at, Death);
            at = WriteVarint(destination, at, message.Deaths.Length);
            at = Copy(destination, at, message.Deaths);
        }

        return at;
    }

    /// <summary>Reads a record as a message. Headers that are not the broker's are left alone; a Kafka client's record is handed on as it is.</summary>
    public static void Read(scoped in RecordView record, out MessageView message)
    {
        message = default;
        message.Offset = record.Offset;
        message.TimestampMs = record.Timestamp;
        message.Body = record.Value;
        message.ExpiresAtMs = -1;
        if (!record.IsBrokerMessage)
        {
            message.Format = PropertiesFormat.Kafka;
            message.CreatedMs = record.Timestamp;
            message.HasNoBody = !record.HasValue;
            message.HasKey = record.HasKey;
            message.Key = record.Key;
            message.HeaderCount = record.HeaderCount;
            message.Headers = record.Headers;
            return;
        }
        ReadOnlySpan<byte> headers = record.Headers;
        int at = 0;
        for (int i = 0; i < record.HeaderCount; i++)
        {
            int keyLength = ReadVarint(headers, ref at);
            ReadOnlySpan<byte> key = headers.Slice(at, keyLength);
            at += keyLength;
            int valueLength = ReadVarint(headers, ref at);
            ReadOnlySpan<byte> value = valueLength < 0 ? default : headers.Slice(at, valueLength);
            at += value.Length;
            switch (keyLength)
            {
                case ToLength when key.SequenceEqual(To) && value.Length > 0 && value[0] < value.Length:
                    message.Exchange = value.Slice(1, value[0]);
                    message.RoutingKey = value[(1 + value[0])..];
                    break;
                case AmqpLength when key.SequenceEqual(Amqp):
                    message.Format = PropertiesFormat.Amqp091;
                    message.Properties = value;
                    break;
                case KafkaLength when key.SequenceEqual(Kafka):
                    KafkaProperties.Read(value, ref message);
                    break;
                case TtlLength when key.SequenceEqual(Ttl) && value.Length == sizeof(long):
                    message.ExpiresAtMs = BinaryPrimitives.ReadInt64BigEndian(value);
                    break;
                case DeathLength when key.SequenceEqual(Death):
                    message.Deaths = value;
                    break;
            }
        }
    }

    private static int WriteKey(Span<byte> destination, int at, ReadOnlySpan<byte> key)
    {
        destination[at++] = (byte)(key.Length << 1);
        return Copy(destination, at, key);
    }

    private static int Copy(Span<byte> destination, int at, ReadOnlySpan<byte> source)
    {
        source.CopyTo(destination[at..]);
        return at + source.Length;
    }

    // Zigzag varint, as everywhere in the record format.
    private static int WriteVarint(Span<byte> destination, int at, int value)
    {
        uint rest = (uint)((value << 1) ^ (value >> 31));
        while (rest >= 0x80)
        {
            destination[at++] = (byte)(rest | 0x80);
            rest >>= 7;
        }

        destination[at++] = (byte)rest;
        return at;
    }

    private static int ReadVarint(ReadOnlySpan<byte> source, ref int at)
    {
        uint value = source[at++];
        if (value >= 0x80)
        {
            value &= 0x7F;
            int shift = 7;
            byte next;
            do
            {
                next = source[at++];
                value |= (uint)(next & 0x7F) << shift;
                shift += 7;
            }
            while (next >= 0x80 && shift < 35);
        }

        return (int)(value >> 1) ^ -(int)(value & 1);
    }
}
