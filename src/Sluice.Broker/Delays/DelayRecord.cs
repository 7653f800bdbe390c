using System.Buffers.Binary;
using Sluice.Broker.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Delays;

/// <summary>
/// How a delayed message lies in a log: the body as the record's value and one record header, "delay". Persisted; numbers are big-endian, texts and blobs have their length before them.
/// <code>
/// 0   1  version, 1
/// 1   8  due, Unix ms
/// 9   1  flags: 1 persistent
/// 10  1  format of the properties
/// 11  1  priority
/// 12  8  time to live in ms from delivery on, -1: none
/// 20     holding exchange (u16), exchange published to (u16), routing key (u16), number of extra routing keys (u16), each (u16), properties (u32), deaths (u32)
/// </code>
/// </summary>
internal static class DelayRecord
{
    private const byte Version = 1;
    private const byte PersistentFlag = 1;
    private const int FixedBytes = 20;

    private static ReadOnlySpan<byte> Name => "delay"u8;

    /// <summary>Encodes the record headers into the buffer, which grows as needed; returns their length.</summary>
    public static int WriteHeaders(ref byte[] buffer, ReadOnlySpan<byte> holder, in MessageToPublish message, long dueMs)
    {
        int value = FixedBytes + 2 + holder.Length + 2 + message.Exchange.Length + 2 + message.RoutingKey.Length + 2 + 4 + message.Properties.Length + 4 + message.Deaths.Length;
        int keys = message.ExtraRoutingKeys?.Count ?? 0;
        for (int i = 0; i < keys; i++)
        {
            value += 2 + message.ExtraRoutingKeys![i].Length;
        }

        int total = 1 + Name.Length + 5 + value;
        if (buffer.Length < total)
        {
            buffer = new byte[Math.Max(256, total)];
        }

        var writer = new Writer(buffer);
        writer.Varint(Name.Length);
        writer.Bytes(Name);
        writer.Varint(value);
        writer.Byte(Version);
        writer.Int64(dueMs);
        writer.Byte(message.Persistent ? PersistentFlag : (byte)0);
        writer.Byte((byte)message.Format);
        writer.Byte(message.Priority);
        writer.Int64(message.TimeToLiveMs);
        writer.Text(holder);
        writer.Text(message.Exchange);
        writer.Text(message.RoutingKey);
        writer.UInt16(keys);
        for (int i = 0; i < keys; i++)
        {
            writer.Text(message.ExtraRoutingKeys![i]);
        }

        writer.Blob(message.Properties);
        writer.Blob(message.Deaths);
        return writer.Position;
    }

    public static long ReadDue(scoped in RecordView record) => BinaryPrimitives.ReadInt64BigEndian(ValueOf(record)[1..]);

    /// <summary>Reads the message, borrowed from the record.</summary>
    public static void Read(scoped in RecordView record, out DelayedMessage delayed)
    {
        ReadOnlySpan<byte> value = ValueOf(record);
        delayed = default;
        delayed.DueMs = BinaryPrimitives.ReadInt64BigEndian(value[1..]);
        delayed.Message = new MessageToPublish
        {
            Body = record.Value,
            Persistent = (value[9] & PersistentFlag) != 0,
            Format = (PropertiesFormat)value[10],
            Priority = value[11],
            TimeToLiveMs = BinaryPrimitives.ReadInt64BigEndian(value[12..]),
        };
        var reader = new Reader(value[FixedBytes..]);
        delayed.Holder = reader.Text();
        delayed.Message.Exchange = reader.Text();
        delayed.Message.RoutingKey = reader.Text();
        int keys = reader.UInt16();
        if (keys > 0)
        {
            var extra = new byte[keys][];
            for (int i = 0; i < keys; i++)
            {
                extra[i] = reader.Text().ToArray();
            }

            delayed.Message.ExtraRoutingKeys = extra;
        }

        delayed.Message.Properties = reader.Blob();
        delayed.Message.Deaths = reader.Blob();
    }

    private static ReadOnlySpan<byte> ValueOf(scoped in RecordView record)
    {
        ReadOnlySpan<byte> headers = record.Headers;
        int at = 1 + Name.Length;
        if (record.HeaderCount < 1 || headers.Length < at + 1 + FixedBytes || headers[0] != Name.Length << 1 || !headers[1..at].SequenceEqual(Name))
        {
            throw new StorageFormatException($"The record at offset {record.Offset} of a log of delayed messages is not a delayed message.");
        }

        while (headers[at++] >= 0x80)
        {
        }

        ReadOnlySpan<byte> value = headers[at..];
        return value[0] == Version ? value : throw new StorageFormatException($"The delayed message at offset {record.Offset} is of version {value[0]}; this program knows version {Version}. Start the program that wrote it, or a newer one.");
    }

    private ref struct Writer(Span<byte> target)
    {
        private readonly Span<byte> _target = target;

        public int Position { get; private set; }

        public void Byte(byte value) => _target[Position++] = value;

        public void UInt16(int value)
        {
            BinaryPrimitives.WriteUInt16BigEndian(_target[Position..], checked((ushort)value));
            Position += sizeof(ushort);
        }

        public void Int64(long value)
        {
            BinaryPrimitives.WriteInt64BigEndian(_target[Position..], value);
            Position += sizeof(long);
        }

        /// <summary>Zigzag, as in the record format; the value is not negative.</summary>
        public void Varint(int value)
        {
            uint rest = (uint)value << 1;
            while (rest >= 0x80)
            {
                Byte((byte)(rest | 0x80));
                rest >>= 7;
            }

            Byte((byte)rest);
        }

        public void Bytes(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(_target[Position..]);
            Position += bytes.Length;
        }

        public void Text(ReadOnlySpan<byte> bytes)
        {
            UInt16(bytes.Length);
            Bytes(bytes);
        }

        public void Blob(ReadOnlySpan<byte> bytes)
        {
            BinaryPrimitives.WriteInt32BigEndian(_target[Position..], bytes.Length);
            Position += sizeof(int);
            Bytes(bytes);
        }
    }

    private ref struct Reader(ReadOnlySpan<byte> source)
    {
        private ReadOnlySpan<byte> _rest = source;

        public int UInt16()
        {
            int value = BinaryPrimitives.ReadUInt16BigEndian(_rest);
            _rest = _rest[sizeof(ushort)..];
            return value;
        }

        public ReadOnlySpan<byte> Text() => Take(UInt16());

        public ReadOnlySpan<byte> Blob()
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(_rest);
            _rest = _rest[sizeof(int)..];
            return Take(length);
        }

        private ReadOnlySpan<byte> Take(int length)
        {
            ReadOnlySpan<byte> taken = _rest[..length];
            _rest = _rest[length..];
            return taken;
        }
    }
}
