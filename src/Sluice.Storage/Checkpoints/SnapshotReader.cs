using System.Buffers.Binary;
using Sluice.Base.Binary;
using Sluice.Base.Disk;
using Sluice.Storage.Journaling;
using Sluice.Storage.Records;
using Sluice.Storage.Segments;

namespace Sluice.Storage.Checkpoints;

/// <summary>One log's state in a snapshot. Borrowed: valid inside the callback.</summary>
internal ref struct SnapshotLog
{
    public long Id;
    public LogKind Kind;
    public RetentionPolicy Retention;
    public long Start;
    public long Next;
    public long Floor;
    public ReadOnlySpan<byte> Ranges;
    public ReadOnlySpan<byte> DeliveryCounts;
    public ReadOnlySpan<byte> Segments;
    public ReadOnlySpan<byte> Tail;

    /// <summary>Empty if no producer is known.</summary>
    public ReadOnlySpan<byte> Producers;

    /// <summary>0 for a log without compaction.</summary>
    public long CompactedTo;
}

internal delegate void SnapshotLogHandler(in SnapshotLog log);

/// <summary>Reads a snapshot file.</summary>
internal static class SnapshotReader
{
    /// <summary>Verifies every checksum; null if all is right, else what is wrong.</summary>
    /// <exception cref="StorageFormatException">The file is of a newer format.</exception>
    public static string? Check(IDisk disk, string path, out long journalPosition, out long nextLogId)
    {
        using IDiskFile file = disk.Open(path, DiskOpenMode.Existing);
        Stream stream = new(file);
        journalPosition = 0;
        nextLogId = 0;
        if (!SnapshotFormat.TryReadHeader(stream.Read(SnapshotFormat.HeaderBytes), path, out journalPosition, out nextLogId))
        {
            return "the header is damaged";
        }
        long count = 0;
        while (true)
        {
            long at = stream.Position;
            ReadOnlySpan<byte> header = stream.Read(SnapshotFormat.SectionHeaderBytes);
            if (header.Length < SnapshotFormat.SectionHeaderBytes)
            {
                return $"it ends at byte {at} without its end mark";
            }
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(header);
            uint crc = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
            if (length == SnapshotFormat.EndMark)
            {
                ReadOnlySpan<byte> end = stream.Read(8);
                return end.Length == 8 && Crc32C.Compute(end) == crc && BinaryPrimitives.ReadInt64LittleEndian(end) == count
                    ? null
                    : $"the end mark at byte {at} is damaged";
            }
            if (length is < SnapshotFormat.LogHeaderBytes or > int.MaxValue || length > stream.Left)
            {
                return $"the section at byte {at} has an impossible length";
            }
            ReadOnlySpan<byte> payload = stream.Read((int)length);
            if (Crc32C.Compute(payload) != crc)
            {
                return $"the section at byte {at} fails its checksum";
            }
            count++;
        }
    }

    /// <summary>Hands out every log of a file that <see cref="Check"/> found whole.</summary>
    public static void Read(IDisk disk, string path, SnapshotLogHandler handler)
    {
        using IDiskFile file = disk.Open(path, DiskOpenMode.Existing);
        Stream stream = new(file);
        stream.Read(SnapshotFormat.HeaderBytes);
        while (true)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(stream.Read(SnapshotFormat.SectionHeaderBytes));
            if (length == SnapshotFormat.EndMark)
            {
                return;
            }
            handler(Parse(stream.Read((int)length)));
        }
    }

    private static SnapshotLog Parse(ReadOnlySpan<byte> payload)
    {
        SnapshotLog log = new()
        {
            Id = BinaryPrimitives.ReadInt64LittleEndian(payload),
            Start = BinaryPrimitives.ReadInt64LittleEndian(payload[32..]),
            Next = BinaryPrimitives.ReadInt64LittleEndian(payload[40..]),
            Floor = BinaryPrimitives.ReadInt64LittleEndian(payload[48..]),
        };
        int ranges = BinaryPrimitives.ReadInt32LittleEndian(payload[56..]) * 16;
        int counts = BinaryPrimitives.ReadInt32LittleEndian(payload[60..]) * 16;
        int segments = BinaryPrimitives.ReadInt32LittleEndian(payload[64..]) * SnapshotFormat.SegmentBytes;
        int tail = BinaryPrimitives.ReadInt32LittleEndian(payload[68..]);
        ReadOnlySpan<byte> rest = payload[SnapshotFormat.LogHeaderBytes..];
        log.Ranges = rest[..ranges];
        log.DeliveryCounts = rest.Slice(ranges, counts);
        log.Segments = rest.Slice(ranges + counts, segments);
        log.Tail = rest.Slice(ranges + counts + segments, tail);
        ReadOnlySpan<byte> compaction = default;
        for (rest = rest[(ranges + counts + segments + tail)..]; rest.Length > 0;)
        {
            uint extension = BinaryPrimitives.ReadUInt32LittleEndian(rest);
            ReadOnlySpan<byte> bytes = rest.Slice(SnapshotFormat.ExtensionHeaderBytes, BinaryPrimitives.ReadInt32LittleEndian(rest[4..]));
            switch (extension)
            {
                case SnapshotFormat.ProducersKind:
                    log.Producers = bytes;
                    break;
                case SnapshotFormat.CompactionKind:
                    compaction = bytes;
                    log.CompactedTo = BinaryPrimitives.ReadInt64LittleEndian(bytes[LogDefinition.CompactionBytes..]);
                    break;
                default:
                    throw new StorageFormatException($"The snapshot holds an extension of unknown kind {extension} for log {log.Id}. Start the newer program that wrote it.");
            }
            rest = rest[(SnapshotFormat.ExtensionHeaderBytes + bytes.Length)..];
        }
        (log.Kind, log.Retention) = LogDefinition.Read(payload.Slice(8, LogDefinition.Bytes), compaction);
        return log;
    }

    public static Segment ParseSegment(long logId, ReadOnlySpan<byte> entry)
    {
        long flags = BinaryPrimitives.ReadInt64LittleEndian(entry[32..]);
        long bytes = BinaryPrimitives.ReadInt64LittleEndian(entry[16..]);
        return new Segment(logId, BinaryPrimitives.ReadInt64LittleEndian(entry), (int)(flags & 0x7FFFFFFF))
        {
            EndOffset = BinaryPrimitives.ReadInt64LittleEndian(entry[8..]),
            WrittenBytes = bytes,
            SyncedBytes = bytes,
            MaxTimestamp = BinaryPrimitives.ReadInt64LittleEndian(entry[24..]),
            IsSealed = (flags & (1L << 32)) != 0,
        };
    }

    private sealed class Stream(IDiskFile file)
    {
        private readonly long _length = file.Length;
        private byte[] _buffer = new byte[256 << 10];
        private int _start;
        private int _end;

        public long Position { get; private set; }

        public long Left => _length - Position;

        /// <summary>The next bytes, fewer at the end of the file. Valid until the next call.</summary>
        public ReadOnlySpan<byte> Read(int length)
        {
            if (_end - _start < length)
            {
                Fill(length);
            }
            ReadOnlySpan<byte> bytes = _buffer.AsSpan(_start, Math.Min(length, _end - _start));
            _start += bytes.Length;
            Position += bytes.Length;
            return bytes;
        }

        private void Fill(int length)
        {
            int have = _end - _start;
            byte[] target = length > _buffer.Length ? new byte[length] : _buffer;
            _buffer.AsSpan(_start, have).CopyTo(target);
            _buffer = target;
            _start = 0;
            _end = have;
            while (_end < _buffer.Length)
            {
                int n = file.Read(Position + _end, _buffer.AsSpan(_end));
                if (n == 0)
                {
                    return;
                }
                _end += n;
            }
        }
    }
}
