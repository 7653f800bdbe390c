using System.Buffers.Binary;
using Sluice.Base.Binary;
using Sluice.Base.Compression;

namespace Sluice.Client.Records;

/// <summary>
/// The header of a Kafka record batch, version 2 (https://kafka.apache.org/documentation/#recordbatch), big-endian:
/// <code>
///  0 base offset i64          21 attributes i16           43 producer id i64
///  8 length i32 (from 12 on)  23 last offset delta i32    51 producer epoch i16
/// 12 leader epoch i32         27 base timestamp i64       53 base sequence i32
/// 16 magic i8 = 2             35 max timestamp i64        57 record count i32
/// 17 crc u32 (from 21 on)                                 61 records
/// attributes: 0..2 compression type   3 log append time   4 transactional   5 control
/// </code>
/// </summary>
internal static class BatchHeader
{
    public const int Bytes = 61;
    public const int LengthBase = 12;
    public const byte Magic = 2;
    private const int CrcStart = 21;
    private const short CompressionMask = 7;
    private const short LogAppendTimeBit = 1 << 3;
    private const short TransactionalBit = 1 << 4;
    private const short ControlBit = 1 << 5;

    public static long BaseOffset(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch);

    /// <summary>Size of the whole batch, header included.</summary>
    public static long Size(ReadOnlySpan<byte> batch) => LengthBase + (long)BinaryPrimitives.ReadInt32BigEndian(batch[8..]);

    public static int LeaderEpoch(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt32BigEndian(batch[12..]);

    public static byte MagicOf(ReadOnlySpan<byte> batch) => batch[16];

    public static short Attributes(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt16BigEndian(batch[CrcStart..]);

    public static CompressionType Compression(ReadOnlySpan<byte> batch) => (CompressionType)(Attributes(batch) & CompressionMask);

    public static bool IsLogAppendTime(ReadOnlySpan<byte> batch) => (Attributes(batch) & LogAppendTimeBit) != 0;

    public static bool IsTransactional(ReadOnlySpan<byte> batch) => (Attributes(batch) & TransactionalBit) != 0;

    public static bool IsControl(ReadOnlySpan<byte> batch) => (Attributes(batch) & ControlBit) != 0;

    public static long LastOffset(ReadOnlySpan<byte> batch) => BaseOffset(batch) + BinaryPrimitives.ReadInt32BigEndian(batch[23..]);

    public static long BaseTimestamp(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch[27..]);

    public static long MaxTimestamp(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch[35..]);

    public static long ProducerId(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch[43..]);

    public static int RecordCount(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt32BigEndian(batch[57..]);

    /// <summary>Whether the checksum of a whole batch is right.</summary>
    public static bool HasRightChecksum(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadUInt32BigEndian(batch[17..]) == Crc32C.Compute(batch[CrcStart..]);

    /// <summary>Completes a whole batch: all of the header, and the checksum over it.</summary>
    public static void Write(Span<byte> batch, in BatchContent content)
    {
        BinaryPrimitives.WriteInt64BigEndian(batch, 0);
        BinaryPrimitives.WriteInt32BigEndian(batch[8..], batch.Length - LengthBase);
        BinaryPrimitives.WriteInt32BigEndian(batch[12..], -1);
        batch[16] = Magic;
        BinaryPrimitives.WriteInt16BigEndian(batch[CrcStart..], (short)((int)content.Compression | (content.IsTransactional ? TransactionalBit : 0)));
        BinaryPrimitives.WriteInt32BigEndian(batch[23..], content.Count - 1);
        BinaryPrimitives.WriteInt64BigEndian(batch[27..], content.BaseTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(batch[35..], content.MaxTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(batch[43..], content.ProducerId);
        BinaryPrimitives.WriteInt16BigEndian(batch[51..], content.ProducerEpoch);
        BinaryPrimitives.WriteInt32BigEndian(batch[53..], content.BaseSequence);
        BinaryPrimitives.WriteInt32BigEndian(batch[57..], content.Count);
        BinaryPrimitives.WriteUInt32BigEndian(batch[17..], Crc32C.Compute(batch[CrcStart..]));
    }
}

/// <summary>What a batch's header says that its size does not.</summary>
internal readonly record struct BatchContent
{
    public BatchContent()
    {
    }

    public CompressionType Compression { get; init; }

    public bool IsTransactional { get; init; }

    public int Count { get; init; }

    public long BaseTimestamp { get; init; }

    public long MaxTimestamp { get; init; }

    public long ProducerId { get; init; } = -1;

    public short ProducerEpoch { get; init; } = -1;

    public int BaseSequence { get; init; } = -1;
}
