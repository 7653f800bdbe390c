using System.Buffers.Binary;

namespace Sluice.Storage.Records;

/// <summary>
/// The header of a Kafka record batch, version 2 (https://kafka.apache.org/documentation/#recordbatch), big-endian:
/// <code>
///  0 base offset i64          21 attributes i16           43 producer id i64
///  8 length i32 (from 12 on)  23 last offset delta i32    51 producer epoch i16
/// 12 leader epoch i32         27 base timestamp i64       53 base sequence i32
/// 16 magic i8 = 2             35 max timestamp i64        57 record count i32
/// 17 crc u32 (from 21 on)                                 61 records
/// </code>
/// </summary>
public static class RecordBatch
{
    public const int HeaderBytes = 61;
    public const int CrcStart = 21;
    private const int LengthBase = 12;
    private const byte Magic = 2;
    private const short CompressionMask = 7;

    public static long BaseOffset(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch);

    /// <summary>Size of the whole batch, header included.</summary>
    public static int Size(ReadOnlySpan<byte> batch) => LengthBase + BinaryPrimitives.ReadInt32BigEndian(batch[8..]);

    public static int LastOffsetDelta(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt32BigEndian(batch[23..]);

    public static long EndOffset(ReadOnlySpan<byte> batch) => BaseOffset(batch) + LastOffsetDelta(batch) + 1;

    public static long BaseTimestamp(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch[27..]);

    public static long MaxTimestamp(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch[35..]);

    public static int RecordCount(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt32BigEndian(batch[57..]);

    public static bool IsControl(ReadOnlySpan<byte> batch) => (BinaryPrimitives.ReadInt16BigEndian(batch[21..]) & 32) != 0;

    public static long ProducerId(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch[43..]);

    public static short ProducerEpoch(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt16BigEndian(batch[51..]);

    public static int BaseSequence(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt32BigEndian(batch[53..]);

    public static bool IsCompressed(ReadOnlySpan<byte> batch) => (BinaryPrimitives.ReadInt16BigEndian(batch[21..]) & CompressionMask) != 0;

    /// <summary>Base offset is outside the checksum, so placing a batch in a log needs no new one.</summary>
    public static void SetBaseOffset(Span<byte> batch, long offset) => BinaryPrimitives.WriteInt64BigEndian(batch, offset);

    internal static void WriteHeader(Span<byte> batch, int count, long baseTimestamp, long maxTimestamp)
    {
        BinaryPrimitives.WriteInt64BigEndian(batch, 0);
        BinaryPrimitives.WriteInt32BigEndian(batch[8..], batch.Length - LengthBase);
        BinaryPrimitives.WriteInt32BigEndian(batch[12..], -1);
        batch[16] = Magic;
        BinaryPrimitives.WriteInt16BigEndian(batch[21..], 0);
        BinaryPrimitives.WriteInt32BigEndian(batch[23..], count - 1);
        BinaryPrimitives.WriteInt64BigEndian(batch[27..], baseTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(batch[35..], maxTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(batch[43..], -1);
        BinaryPrimitives.WriteInt16BigEndian(batch[51..], -1);
        BinaryPrimitives.WriteInt32BigEndian(batch[53..], -1);
        BinaryPrimitives.WriteInt32BigEndian(batch[57..], count);
        BinaryPrimitives.WriteUInt32BigEndian(batch[17..], Crc32C.Compute(batch[CrcStart..]));
    }

    /// <summary>True if the bytes begin with a header whose fields make sense; the body may lie beyond the span.</summary>
    public static bool LooksLikeHeader(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= HeaderBytes && bytes[16] == Magic && Size(bytes) >= HeaderBytes
        && BaseOffset(bytes) >= 0 && LastOffsetDelta(bytes) >= 0 && RecordCount(bytes) >= 0;

    /// <summary>True if the span holds exactly one whole batch whose checksum is right.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> batch) =>
        LooksLikeHeader(batch) && Size(batch) == batch.Length
        && BinaryPrimitives.ReadUInt32BigEndian(batch[17..]) == Crc32C.Compute(batch[CrcStart..]);
}
