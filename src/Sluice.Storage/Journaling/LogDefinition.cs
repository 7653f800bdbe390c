using System.Buffers.Binary;

namespace Sluice.Storage.Journaling;

/// <summary>
/// Kind and retention of a log as bytes:
/// <code>0 kind u8  1 flags u8 (1 behind cursor, 2 bytes limit, 4 age limit, 8 segment size)  2 zeros  4 segment bytes i32  8 bytes max i64  16 age ms max i64</code>
/// </summary>
internal static class LogDefinition
{
    public const int Bytes = 24;

    public static void Write(Span<byte> destination, LogKind kind, RetentionPolicy retention)
    {
        destination[..Bytes].Clear();
        destination[0] = (byte)kind;
        destination[1] = (byte)((retention.BehindCursor ? 1 : 0) | (retention.BytesMax.HasValue ? 2 : 0)
            | (retention.AgeMsMax.HasValue ? 4 : 0) | (retention.SegmentBytes.HasValue ? 8 : 0));
        BinaryPrimitives.WriteInt32LittleEndian(destination[4..], retention.SegmentBytes ?? 0);
        BinaryPrimitives.WriteInt64LittleEndian(destination[8..], retention.BytesMax ?? 0);
        BinaryPrimitives.WriteInt64LittleEndian(destination[16..], retention.AgeMsMax ?? 0);
    }

    public static (LogKind Kind, RetentionPolicy Retention) Read(ReadOnlySpan<byte> source)
    {
        byte flags = source[1];
        RetentionPolicy retention = flags == 1
            ? RetentionPolicy.Queue
            : new RetentionPolicy(
                (flags & 1) != 0,
                (flags & 2) != 0 ? BinaryPrimitives.ReadInt64LittleEndian(source[8..]) : null,
                (flags & 4) != 0 ? BinaryPrimitives.ReadInt64LittleEndian(source[16..]) : null,
                (flags & 8) != 0 ? BinaryPrimitives.ReadInt32LittleEndian(source[4..]) : null);
        return ((LogKind)source[0], retention);
    }
}
