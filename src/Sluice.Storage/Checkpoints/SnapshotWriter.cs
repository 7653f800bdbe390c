using System.Buffers;
using System.Buffers.Binary;
using Sluice.Base.Binary;
using Sluice.Base.Disk;
using Sluice.Storage.Journaling;
using Sluice.Storage.Producers;
using Sluice.Storage.Records;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage.Checkpoints;

/// <summary>Writes one snapshot file, log by log; each log is captured under its own lock while all others go on.</summary>
/// <param name="file">Empty.</param>
/// <param name="gatherBytesMax">Bytes at which what was captured is written, after the log under way.</param>
internal sealed class SnapshotWriter(IDiskFile file, int gatherBytesMax)
{
    private const int WriteBytesMax = 256 << 10;

    private readonly ArrayBufferWriter<byte> _buffer = new(WriteBytesMax);
    private long _position;
    private long _count;

    public void Begin(long journalPosition, long nextLogId)
    {
        Span<byte> header = _buffer.GetSpan(SnapshotFormat.HeaderBytes);
        SnapshotFormat.WriteHeader(header, journalPosition, nextLogId);
        _buffer.Advance(SnapshotFormat.HeaderBytes);
    }

    /// <summary>False if a group is half applied to the log: try again when it is committed.</summary>
    public bool TryAdd(Log log)
    {
        int start;
        lock (log.Sync)
        {
            if (log.IsDeleted)
            {
                return true;
            }
            if (log.IsInGroup)
            {
                return false;
            }
            start = _buffer.WrittenCount;
            Skip(SnapshotFormat.SectionHeaderBytes);
            Capture(log);
            log.MarkPersisted(log.NextOffset);
        }
        Span<byte> section = System.Runtime.InteropServices.MemoryMarshal.AsMemory(_buffer.WrittenMemory).Span[start..];
        BinaryPrimitives.WriteInt32LittleEndian(section, section.Length - SnapshotFormat.SectionHeaderBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(section[4..], Crc32C.Compute(section[SnapshotFormat.SectionHeaderBytes..]));
        _count++;
        if (_buffer.WrittenCount >= gatherBytesMax)
        {
            Drain();
        }
        return true;
    }

    public void End()
    {
        Span<byte> end = _buffer.GetSpan(SnapshotFormat.EndBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(end, SnapshotFormat.EndMark);
        BinaryPrimitives.WriteInt64LittleEndian(end[8..], _count);
        BinaryPrimitives.WriteUInt32LittleEndian(end[4..], Crc32C.Compute(end.Slice(8, 8)));
        _buffer.Advance(SnapshotFormat.EndBytes);
        Drain();
        file.Sync();
    }

    private void Drain()
    {
        ReadOnlySpan<byte> bytes = _buffer.WrittenSpan;
        for (int at = 0; at < bytes.Length; at += WriteBytesMax)
        {
            ReadOnlySpan<byte> part = bytes.Slice(at, Math.Min(WriteBytesMax, bytes.Length - at));
            file.Write(_position, part);
            _position += part.Length;
        }
        _buffer.ResetWrittenCount();
    }

    private void Capture(Log log)
    {
        int start = _buffer.WrittenCount;
        Skip(SnapshotFormat.LogHeaderBytes);
        int ranges = 0;
        int counts = 0;
        int segments = 0;
        if (log.Cursor is { } cursor)
        {
            foreach ((long from, long to) in cursor.RangesAbove())
            {
                Put(from);
                Put(to);
                ranges++;
            }
            foreach ((long offset, int count) in cursor.DeliveryCounts ?? new Dictionary<long, int>())
            {
                Put(offset);
                Put(count);
                counts++;
            }
        }
        foreach (Segment segment in log.Segments ?? [])
        {
            Put(segment.BaseOffset);
            Put(segment.EndOffset);
            Put(segment.SyncedBytes);
            Put(segment.MaxTimestamp);
            Put((uint)segment.Generation | (segment.IsSealed ? 1L << 32 : 0));
            segments++;
        }
        int tailStart = _buffer.WrittenCount;
        for (Chunk? chunk = log.Tail.First; chunk is not null; chunk = chunk.Next)
        {
            PutLive(chunk, log.StartOffset);
        }
        int tailBytes = _buffer.WrittenCount - tailStart;
        if (log.Producers is { } producers)
        {
            int extension = BeginExtension(SnapshotFormat.ProducersKind);
            ProducerStatesFormat.Write(producers, _buffer);
            EndExtension(extension);
        }
        Span<byte> definition = stackalloc byte[LogDefinition.BytesMax];
        if (LogDefinition.Write(definition, log.Kind, log.Retention) > LogDefinition.Bytes)
        {
            int extension = BeginExtension(SnapshotFormat.CompactionKind);
            _buffer.Write(definition[LogDefinition.Bytes..]);
            Put(log.Compaction.CleanedTo);
            EndExtension(extension);
        }

        Span<byte> header = System.Runtime.InteropServices.MemoryMarshal.AsMemory(_buffer.WrittenMemory).Span[start..];
        BinaryPrimitives.WriteInt64LittleEndian(header, log.Id.Value);
        definition[..LogDefinition.Bytes].CopyTo(header[8..]);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], log.PhysicalStart);
        BinaryPrimitives.WriteInt64LittleEndian(header[40..], log.NextOffset);
        BinaryPrimitives.WriteInt64LittleEndian(header[48..], log.Cursor?.Floor ?? 0);
        BinaryPrimitives.WriteInt32LittleEndian(header[56..], ranges);
        BinaryPrimitives.WriteInt32LittleEndian(header[60..], counts);
        BinaryPrimitives.WriteInt32LittleEndian(header[64..], segments);
        BinaryPrimitives.WriteInt32LittleEndian(header[68..], tailBytes);
    }

    private int BeginExtension(uint kind)
    {
        int start = _buffer.WrittenCount;
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.GetSpan(SnapshotFormat.ExtensionHeaderBytes), kind);
        _buffer.Advance(SnapshotFormat.ExtensionHeaderBytes);
        return start;
    }

    private void EndExtension(int start)
    {
        Span<byte> extension = System.Runtime.InteropServices.MemoryMarshal.AsMemory(_buffer.WrittenMemory).Span[start..];
        BinaryPrimitives.WriteInt32LittleEndian(extension[4..], extension.Length - SnapshotFormat.ExtensionHeaderBytes);
    }

    private void PutLive(Chunk chunk, long start)
    {
        for (int at = chunk.FlushedLength; at < chunk.Length;)
        {
            ReadOnlySpan<byte> batch = chunk.Buffer.AsSpan(at, RecordBatch.Size(chunk.Buffer.AsSpan(at)));
            if (RecordBatch.EndOffset(batch) > start)
            {
                _buffer.Write(batch);
            }
            at += batch.Length;
        }
    }

    private void Put(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_buffer.GetSpan(8), value);
        _buffer.Advance(8);
    }

    private void Skip(int bytes)
    {
        _buffer.GetSpan(bytes)[..bytes].Clear();
        _buffer.Advance(bytes);
    }
}
