using System.Buffers.Binary;
using Sluice.Storage.Compaction;

namespace Sluice.Storage.Journaling;

/// <summary>
/// Kind and retention of a log as bytes:
/// <code>
/// 0 kind u8  1 flags u8 (1 behind cursor, 2 bytes limit, 4 age limit, 8 segment size, 16 compaction)  2 zeros  4 segment bytes i32  8 bytes max i64  16 age ms max i64
/// with compaction: 24 dirty ratio min f64  32 lag ms min i64  40 lag ms max i64 (-1: none)  48 delete retention ms i64  56 segment ms i64 (-1: none)
/// </code>
/// </summary>
internal static class LogDefinition
{
    /// <summary>What every definition has.</summary>
    public const int Bytes = 24;

    public const int CompactionBytes = 40;

    public const int BytesMax = Bytes + CompactionBytes;

    /// <summary>Returns the bytes written, at most <see cref="BytesMax"/>.</summary>
    public static int Write(Span<byte> destination, LogKind kind, RetentionPolicy retention)
    {
        destination[..Bytes].Clear();
        destination[0] = (byte)kind;
        destination[1] = (byte)((retention.BehindCursor ? 1 : 0) | (retention.BytesMax.HasValue ? 2 : 0)
            | (retention.AgeMsMax.HasValue ? 4 : 0) | (retention.SegmentBytes.HasValue ? 8 : 0) | (retention.Compaction is not null ? 16 : 0));
        BinaryPrimitives.WriteInt32LittleEndian(destination[4..], retention.SegmentBytes ?? 0);
        BinaryPrimitives.WriteInt64LittleEndian(destination[8..], retention.BytesMax ?? 0);
        BinaryPrimitives.WriteInt64LittleEndian(destination[16..], retention.AgeMsMax ?? 0);
        if (retention.Compaction is not { } compaction)
        {
            return Bytes;
        }
        BinaryPrimitives.WriteDoubleLittleEndian(destination[24..], compaction.DirtyRatioMin);
        BinaryPrimitives.WriteInt64LittleEndian(destination[32..], compaction.LagMsMin);
        BinaryPrimitives.WriteInt64LittleEndian(destination[40..], compaction.LagMsMax ?? -1);
        BinaryPrimitives.WriteInt64LittleEndian(destination[48..], compaction.DeleteRetentionMs);
        BinaryPrimitives.WriteInt64LittleEndian(destination[56..], compaction.SegmentMs ?? -1);
        return BytesMax;
    }

    public static (LogKind Kind, RetentionPolicy Retention) Read(ReadOnlySpan<byte> source) => Read(source, source[Bytes..]);

    /// <summary>Reads a definition whose compaction lies elsewhere.</summary>
    public static (LogKind Kind, RetentionPolicy Retention) Read(ReadOnlySpan<byte> source, ReadOnlySpan<byte> compaction)
    {
        byte flags = source[1];
        RetentionPolicy retention = flags == 1
            ? RetentionPolicy.Queue
            : new RetentionPolicy(
                (flags & 1) != 0,
                (flags & 2) != 0 ? BinaryPrimitives.ReadInt64LittleEndian(source[8..]) : null,
                (flags & 4) != 0 ? BinaryPrimitives.ReadInt64LittleEndian(source[16..]) : null,
                (flags & 8) != 0 ? BinaryPrimitives.ReadInt32LittleEndian(source[4..]) : null,
                (flags & 16) != 0 ? ReadCompaction(compaction) : null);
        return ((LogKind)source[0], retention);
    }

    private static CompactionPolicy ReadCompaction(ReadOnlySpan<byte> source)
    {
        long lagMsMax = BinaryPrimitives.ReadInt64LittleEndian(source[16..]);
        long segmentMs = BinaryPrimitives.ReadInt64LittleEndian(source[32..]);
        return new CompactionPolicy(
            BinaryPrimitives.ReadDoubleLittleEndian(source),
            BinaryPrimitives.ReadInt64LittleEndian(source[8..]),
            lagMsMax < 0 ? null : lagMsMax,
            BinaryPrimitives.ReadInt64LittleEndian(source[24..]),
            segmentMs < 0 ? null : segmentMs);
    }
}
