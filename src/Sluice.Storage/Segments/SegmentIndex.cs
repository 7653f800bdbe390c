using System.Buffers.Binary;
using Sluice.Base.Binary;
using Sluice.Storage.Records;

namespace Sluice.Storage.Segments;

/// <summary>A batch's place: its base offset, its file position, and the largest timestamp of all batches before it.</summary>
internal readonly record struct IndexEntry(long Offset, long Position, long MaxTimestampBefore);

/// <summary>
/// Sparse index of a segment: the first batch and then one about every 16 KB. Thread-safe. Stored beside the log file when the segment
/// is complete, as two files, both rebuildable from it (little-endian):
/// <code>
/// 0 magic "SLUICEIX" or "SLUICETX"  8 version u32  12 crc u32 (of 16..end)  16 base offset i64  24 covered bytes i64  32 max timestamp i64
/// 40 count i32  44 zero  48 entries: offset index: offset i64, position i64; time index: max timestamp before i64, offset i64
/// </code>
/// </summary>
internal sealed class SegmentIndex
{
    public const int IntervalBytes = 16 << 10;
    private const int HeaderBytes = 48;
    private const int EntryBytes = 16;
    private const uint Version = 1;

    private readonly Lock _sync = new();
    private readonly List<IndexEntry> _entries = [];
    private long _maxTimestamp = long.MinValue;

    public static ReadOnlySpan<byte> OffsetMagic => "SLUICEIX"u8;

    public static ReadOnlySpan<byte> TimeMagic => "SLUICETX"u8;

    /// <summary>Notes a batch; call for every batch in file order.</summary>
    public void Add(ReadOnlySpan<byte> batch, long position)
    {
        lock (_sync)
        {
            if (_entries.Count == 0 || position - _entries[^1].Position >= IntervalBytes)
            {
                _entries.Add(new IndexEntry(RecordBatch.BaseOffset(batch), position, _maxTimestamp));
            }
            _maxTimestamp = Math.Max(_maxTimestamp, RecordBatch.MaxTimestamp(batch));
        }
    }

    /// <summary>File position of an indexed batch at or before the offset.</summary>
    public long PositionOf(long offset)
    {
        lock (_sync)
        {
            return Last(offset, static (entry, key) => entry.Offset <= key).Position;
        }
    }

    /// <summary>File position of an indexed batch at or before the first one with a timestamp at or after the given.</summary>
    public long PositionOfTime(long timestamp)
    {
        lock (_sync)
        {
            return Last(timestamp, static (entry, key) => entry.MaxTimestampBefore < key).Position;
        }
    }

    /// <summary>Offset of the first indexed batch after the file position, or the fallback if there is none.</summary>
    public long OffsetAfter(long position, long fallback)
    {
        lock (_sync)
        {
            foreach (IndexEntry entry in _entries)
            {
                if (entry.Position > position)
                {
                    return entry.Offset;
                }
            }
            return fallback;
        }
    }

    public byte[] Encode(bool time, long baseOffset, long coveredBytes)
    {
        lock (_sync)
        {
            byte[] file = new byte[HeaderBytes + (_entries.Count * EntryBytes)];
            (time ? TimeMagic : OffsetMagic).CopyTo(file);
            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(8), Version);
            BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(16), baseOffset);
            BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(24), coveredBytes);
            BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(32), _maxTimestamp);
            BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(40), _entries.Count);
            Span<byte> at = file.AsSpan(HeaderBytes);
            foreach (IndexEntry entry in _entries)
            {
                BinaryPrimitives.WriteInt64LittleEndian(at, time ? entry.MaxTimestampBefore : entry.Offset);
                BinaryPrimitives.WriteInt64LittleEndian(at[8..], time ? entry.Offset : entry.Position);
                at = at[EntryBytes..];
            }
            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(12), Crc32C.Compute(file.AsSpan(16)));
            return file;
        }
    }

    /// <summary>Null if the two files are not an intact pair for these bytes of the segment.</summary>
    public static SegmentIndex? TryDecode(ReadOnlySpan<byte> offsets, ReadOnlySpan<byte> times, long baseOffset, long coveredBytes)
    {
        if (!IsIntact(offsets, OffsetMagic, baseOffset, coveredBytes) || !IsIntact(times, TimeMagic, baseOffset, coveredBytes) || offsets.Length != times.Length)
        {
            return null;
        }
        SegmentIndex index = new() { _maxTimestamp = BinaryPrimitives.ReadInt64LittleEndian(offsets[32..]) };
        for (int at = HeaderBytes; at < offsets.Length; at += EntryBytes)
        {
            index._entries.Add(new IndexEntry(
                BinaryPrimitives.ReadInt64LittleEndian(offsets[at..]),
                BinaryPrimitives.ReadInt64LittleEndian(offsets[(at + 8)..]),
                BinaryPrimitives.ReadInt64LittleEndian(times[at..])));
        }
        return index;
    }

    public static bool IsIntact(ReadOnlySpan<byte> file, ReadOnlySpan<byte> magic, long baseOffset, long coveredBytes) =>
        file.Length >= HeaderBytes && file[..8].SequenceEqual(magic)
        && BinaryPrimitives.ReadUInt32LittleEndian(file[8..]) == Version
        && BinaryPrimitives.ReadUInt32LittleEndian(file[12..]) == Crc32C.Compute(file[16..])
        && BinaryPrimitives.ReadInt64LittleEndian(file[16..]) == baseOffset
        && BinaryPrimitives.ReadInt64LittleEndian(file[24..]) == coveredBytes
        && file.Length == HeaderBytes + (BinaryPrimitives.ReadInt32LittleEndian(file[40..]) * EntryBytes);

    private IndexEntry Last(long key, Func<IndexEntry, long, bool> isBefore)
    {
        int low = 0;
        int high = _entries.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (isBefore(_entries[middle], key))
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }
        return _entries.Count == 0 ? default : _entries[low];
    }
}
