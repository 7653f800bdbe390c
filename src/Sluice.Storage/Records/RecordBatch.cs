using System.Buffers.Binary;
using Sluice.Base.Binary;
using Sluice.Base.Compression;

namespace Sluice.Storage.Records;

/// <summary>
/// The header of a Kafka record batch, version 2 (https://kafka.apache.org/documentation/#recordbatch), big-endian:
/// <code>
///  0 base offset i64          21 attributes i16           43 producer id i64
///  8 length i32 (from 12 on)  23 last offset delta i32    51 producer epoch i16
/// 12 leader epoch i32         27 base timestamp i64       53 base sequence i32
/// 16 magic i8 = 2             35 max timestamp i64        57 record count i32
/// 17 crc u32 (from 21 on)                                 61 records
/// attributes: 0..2 compression type   3 log append time   4 transactional   5 control   6 delete horizon   8 broker message (Sluice's own)
/// </code>
/// Methods that take a batch want its whole header; the body may lie beyond the span unless said.
/// </summary>
public static class RecordBatch
{
    public const int HeaderBytes = 61;

    /// <summary>The producer id of a batch whose producer has none.</summary>
    public const long NoProducerId = -1;

    internal const int CrcStart = 21;
    internal const short LogAppendTimeBit = 1 << 3;
    internal const short TransactionalBit = 1 << 4;
    internal const short ControlBit = 1 << 5;
    internal const short DeleteHorizonBit = 1 << 6;
    internal const short BrokerMessageBit = 1 << 8;
    private const int LengthBase = 12;
    private const byte Magic = 2;
    private const short CompressionMask = 7;

    public static long BaseOffset(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch);

    /// <summary>Size of the whole batch, header included.</summary>
    public static int Size(ReadOnlySpan<byte> batch) => LengthBase + BinaryPrimitives.ReadInt32BigEndian(batch[8..]);

    public static int LastOffsetDelta(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt32BigEndian(batch[23..]);

    /// <summary>One past the last offset.</summary>
    public static long EndOffset(ReadOnlySpan<byte> batch) => BaseOffset(batch) + LastOffsetDelta(batch) + 1;

    /// <summary>What the records' timestamps are relative to; with <see cref="HasDeleteHorizon"/> also the time at which its tombstones may go.</summary>
    public static long BaseTimestamp(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch[27..]);

    public static long MaxTimestamp(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch[35..]);

    public static int RecordCount(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt32BigEndian(batch[57..]);

    public static short Attributes(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt16BigEndian(batch[21..]);

    /// <summary>How the records are compressed. May be a number that is no type.</summary>
    public static CompressionType CompressionType(ReadOnlySpan<byte> batch) => (CompressionType)(Attributes(batch) & CompressionMask);

    public static bool IsCompressed(ReadOnlySpan<byte> batch) => (Attributes(batch) & CompressionMask) != 0;

    /// <summary>All records have the batch's largest timestamp, the time at which a log took it; else each has its own.</summary>
    public static bool IsLogAppendTime(ReadOnlySpan<byte> batch) => (Attributes(batch) & LogAppendTimeBit) != 0;

    /// <summary>The records are part of their producer's transaction.</summary>
    public static bool IsTransactional(ReadOnlySpan<byte> batch) => (Attributes(batch) & TransactionalBit) != 0;

    /// <summary>The batch holds a marker, such as the end of a transaction, and nothing for consumers.</summary>
    public static bool IsControl(ReadOnlySpan<byte> batch) => (Attributes(batch) & ControlBit) != 0;

    /// <summary>Compaction has met the batch's tombstones (or its marker): they may go at <see cref="BaseTimestamp"/>.</summary>
    public static bool HasDeleteHorizon(ReadOnlySpan<byte> batch) => (Attributes(batch) & DeleteHorizonBit) != 0;

    /// <summary>The records are laid out by this broker, not by a Kafka client. Sluice's own; Kafka's clients ignore it.</summary>
    public static bool IsBrokerMessage(ReadOnlySpan<byte> batch) => (Attributes(batch) & BrokerMessageBit) != 0;

    /// <summary><see cref="NoProducerId"/> when it has none.</summary>
    public static long ProducerId(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch[43..]);

    public static short ProducerEpoch(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt16BigEndian(batch[51..]);

    /// <summary>Sequence number of the first record; -1 for none.</summary>
    public static int BaseSequence(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt32BigEndian(batch[53..]);

    /// <summary>Sequence number of the last record; after the largest comes 0. -1 for none.</summary>
    public static int LastSequence(ReadOnlySpan<byte> batch)
    {
        int first = BaseSequence(batch);
        return first < 0 ? -1 : (int)(((long)first + LastOffsetDelta(batch)) & int.MaxValue);
    }

    /// <summary>Base offset is outside the checksum, so placing a batch in a log needs no new one.</summary>
    public static void SetBaseOffset(Span<byte> batch, long offset) => BinaryPrimitives.WriteInt64BigEndian(batch, offset);

    /// <summary>The epoch of the leader that takes the batch; outside the checksum too.</summary>
    /// <summary>Says where in a log the batch is, and who was the log's leader: this broker, as for all logs that it ever had.</summary>
    public static void Place(Span<byte> batch, long baseOffset)
    {
        SetBaseOffset(batch, baseOffset);
        SetLeaderEpoch(batch, 0);
    }

    /// <summary>-1 for none; every batch of a log has one, but for those of early builds.</summary>
    internal static int LeaderEpoch(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt32BigEndian(batch[12..]);

    internal static void SetLeaderEpoch(Span<byte> batch, int epoch) => BinaryPrimitives.WriteInt32BigEndian(batch[12..], epoch);

    internal static void WriteHeader(Span<byte> batch, short attributes, int count, long baseTimestamp, long maxTimestamp, in BatchProducer producer)
    {
        BinaryPrimitives.WriteInt64BigEndian(batch, 0);
        BinaryPrimitives.WriteInt32BigEndian(batch[8..], batch.Length - LengthBase);
        BinaryPrimitives.WriteInt32BigEndian(batch[12..], -1);
        batch[16] = Magic;
        BinaryPrimitives.WriteInt16BigEndian(batch[21..], attributes);
        BinaryPrimitives.WriteInt32BigEndian(batch[23..], count - 1);
        BinaryPrimitives.WriteInt64BigEndian(batch[27..], baseTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(batch[35..], maxTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(batch[43..], producer.Id);
        BinaryPrimitives.WriteInt16BigEndian(batch[51..], producer.Epoch);
        BinaryPrimitives.WriteInt32BigEndian(batch[53..], producer.BaseSequence);
        BinaryPrimitives.WriteInt32BigEndian(batch[57..], count);
        SetCrc(batch);
    }

    /// <summary>Gives all records of a whole batch the time at which the log takes it, and sums the batch anew.</summary>
    public static void SetAppendTime(Span<byte> batch, long nowMs)
    {
        BinaryPrimitives.WriteInt16BigEndian(batch[21..], (short)(Attributes(batch) | LogAppendTimeBit));
        BinaryPrimitives.WriteInt64BigEndian(batch[35..], nowMs);
        SetCrc(batch);
    }

    /// <summary>Corrects the largest timestamp of a whole batch, and sums the batch anew.</summary>
    public static void SetMaxTimestamp(Span<byte> batch, long timestampMs)
    {
        BinaryPrimitives.WriteInt64BigEndian(batch[35..], timestampMs);
        SetCrc(batch);
    }

    /// <summary>Completes a whole batch whose records were compressed otherwise than its copied header says: size, compression type, checksum.</summary>
    public static void SetCompression(Span<byte> batch, CompressionType type)
    {
        BinaryPrimitives.WriteInt32BigEndian(batch[8..], batch.Length - LengthBase);
        BinaryPrimitives.WriteInt16BigEndian(batch[21..], (short)((Attributes(batch) & ~CompressionMask) | (ushort)type));
        SetCrc(batch);
    }

    /// <summary>After other records have taken the place of a whole batch's: its size, count and largest timestamp. The checksum is not set.</summary>
    internal static void SetContent(Span<byte> batch, int count, long maxTimestamp)
    {
        BinaryPrimitives.WriteInt32BigEndian(batch[8..], batch.Length - LengthBase);
        BinaryPrimitives.WriteInt64BigEndian(batch[35..], maxTimestamp);
        BinaryPrimitives.WriteInt32BigEndian(batch[57..], count);
    }

    /// <summary>Says when the tombstones may go; the records' timestamps are relative to that time now. The checksum is not set.</summary>
    internal static void SetDeleteHorizon(Span<byte> batch, long horizonMs)
    {
        BinaryPrimitives.WriteInt16BigEndian(batch[21..], (short)(Attributes(batch) | DeleteHorizonBit));
        BinaryPrimitives.WriteInt64BigEndian(batch[27..], horizonMs);
    }

    /// <summary>Makes a header alone a batch without records that keeps its offsets and sequence numbers.</summary>
    internal static void SetEmpty(Span<byte> header)
    {
        SetContent(header, 0, MaxTimestamp(header));
        BinaryPrimitives.WriteInt16BigEndian(header[21..], (short)(Attributes(header) & ~(CompressionMask | DeleteHorizonBit)));
        BinaryPrimitives.WriteInt64BigEndian(header[27..], -1);
        SetCrc(header);
    }

    /// <summary>The CRC-32C of all after itself, as the batch says.</summary>
    public static uint Checksum(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadUInt32BigEndian(batch[17..]);

    /// <summary>Sums a whole batch after a change.</summary>
    internal static void SetCrc(Span<byte> batch) => BinaryPrimitives.WriteUInt32BigEndian(batch[17..], Crc32C.Compute(batch[CrcStart..]));

    /// <summary>True if the bytes begin with a header whose fields make sense; the body may lie beyond the span.</summary>
    public static bool LooksLikeHeader(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= HeaderBytes && bytes[16] == Magic && Size(bytes) >= HeaderBytes
        && BaseOffset(bytes) >= 0 && LastOffsetDelta(bytes) >= 0 && RecordCount(bytes) >= 0;

    /// <summary>True if the span holds exactly one whole batch whose checksum is right.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> batch) =>
        LooksLikeHeader(batch) && Size(batch) == batch.Length && HasRightChecksum(batch);

    /// <summary>Whether the checksum of a whole batch, as long as its header says, is right.</summary>
    public static bool HasRightChecksum(ReadOnlySpan<byte> batch) => Checksum(batch) == Crc32C.Compute(batch[CrcStart..]);
}

/// <summary>Whose a batch is.</summary>
/// <param name="Id"><see cref="RecordBatch.NoProducerId"/>: nobody's.</param>
/// <param name="Epoch">Of the producer; -1 for nobody's.</param>
/// <param name="BaseSequence">Sequence number of the first record; -1 for none, as coordinators write.</param>
/// <param name="IsTransactional">It is part of the producer's transaction.</param>
public readonly record struct BatchProducer(long Id, short Epoch, int BaseSequence, bool IsTransactional)
{
    public static BatchProducer None => new(RecordBatch.NoProducerId, -1, -1, IsTransactional: false);
}
