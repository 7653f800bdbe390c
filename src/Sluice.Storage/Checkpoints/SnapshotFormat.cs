using System.Buffers.Binary;
using Sluice.Base.Binary;
using Sluice.Storage.Records;

namespace Sluice.Storage.Checkpoints;

/// <summary>
/// A snapshot file, little-endian:
/// <code>
/// header: 0 magic "SLUICESN"  8 version u32  12 crc u32 (of 16..64)  16 journal position i64  24 next log id i64  32 zeros up to 64
/// per log: 0 payload length u32  4 crc u32 of the payload  8 payload
/// end:     0 u32 all ones        4 crc u32 of 8..16        8 number of logs i64
/// payload: 0 log id i64  8 definition (24 bytes)  32 start i64  40 next i64  48 cursor floor i64
///          56 settled ranges i32  60 delivery counts i32  64 segments i32  68 tail bytes i32
///          ranges: from i64, to i64; counts: offset i64, count i64;
///          segments: base i64, end i64, bytes i64, max timestamp i64, generation i32, sealed i32; tail: record batches;
///          since version 2 extensions up to the end, each at most once: kind u32, length i32, bytes
/// </code>
/// </summary>
internal static class SnapshotFormat
{
    public const int HeaderBytes = 64;
    public const int SectionHeaderBytes = 8;
    public const int LogHeaderBytes = 72;
    public const int SegmentBytes = 40;
    public const int EndBytes = 16;
    public const uint EndMark = uint.MaxValue;
    public const string TemporaryName = "snapshot.tmp";
    public const int ExtensionHeaderBytes = 8;

    /// <summary>Extension: see <see cref="Producers.ProducerStatesFormat"/>.</summary>
    public const uint ProducersKind = 1;

    /// <summary>Extension: the compaction part of the definition (<see cref="Journaling.LogDefinition"/>), then the offset i64 below which the log is compacted.</summary>
    public const uint CompactionKind = 2;

    public const int CompactionBytes = Journaling.LogDefinition.CompactionBytes + 8;

    /// <summary>Written; older ones are read.</summary>
    public const uint Version = 2;

    private static ReadOnlySpan<byte> Magic => "SLUICESN"u8;

    public static string FileName(long journalPosition) => $"snapshot-{journalPosition:x16}";

    public static bool IsFileName(string name) => name.StartsWith("snapshot-", StringComparison.Ordinal);

    public static void WriteHeader(Span<byte> header, long journalPosition, long nextLogId)
    {
        header[..HeaderBytes].Clear();
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], journalPosition);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], nextLogId);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], Crc32C.Compute(header[16..HeaderBytes]));
    }

    /// <exception cref="StorageFormatException">The file is of a newer format.</exception>
    public static bool TryReadHeader(ReadOnlySpan<byte> header, string path, out long journalPosition, out long nextLogId)
    {
        journalPosition = 0;
        nextLogId = 0;
        if (header.Length < HeaderBytes || !header[..8].SequenceEqual(Magic)
            || BinaryPrimitives.ReadUInt32LittleEndian(header[12..]) != Crc32C.Compute(header[16..HeaderBytes]))
        {
            return false;
        }
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        if (version > Version)
        {
            throw new StorageFormatException($"{path} has format {version}; this program knows formats up to {Version}. Start the newer program that wrote it, or restore a backup.");
        }
        journalPosition = BinaryPrimitives.ReadInt64LittleEndian(header[16..]);
        nextLogId = BinaryPrimitives.ReadInt64LittleEndian(header[24..]);
        return true;
    }
}
