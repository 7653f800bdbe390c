using Sluice.Base.Buffers;
using Sluice.Storage.Records;

namespace Sluice.Storage.Tails;

/// <summary>
/// What a log has in memory: chunks in offset order, to the last of which new batches go. Lies within the log and is never copied; its methods are
/// given the log, whose count of bytes they keep. All under the log's lock, but for a look at the capacity.
/// </summary>
internal struct LogTail
{
    private const int ChunkBytesMin = 1 << 10;
    private const int ChunkBytesMax = 256 << 10;

    public Chunk? First { get; private set; }

    public Chunk? Last { get; private set; }

    /// <summary>Capacity of the chunks, in bytes.</summary>
    public int Bytes { get; private set; }

    /// <summary>Largest timestamp of a record in memory; <see cref="long.MinValue"/> if there is none.</summary>
    public readonly long MaxTimestamp
    {
        get
        {
            long max = long.MinValue;
            for (Chunk? chunk = First; chunk is not null; chunk = chunk.Next)
            {
                max = Math.Max(max, chunk.MaxTimestamp);
            }
            return max;
        }
    }

    /// <summary>Offset at which the last batch begins; null if none is in memory.</summary>
    public readonly long? LastBatchOffset
    {
        get
        {
            if (Last is not { Length: > 0 } chunk)
            {
                return null;
            }
            long last = chunk.FirstOffset;
            for (int at = 0; at < chunk.Length; at += RecordBatch.Size(chunk.Buffer.AsSpan(at)))
            {
                last = RecordBatch.BaseOffset(chunk.Buffer.AsSpan(at));
            }
            return last;
        }
    }

    /// <summary>The chunk that holds the offset or the first one after it.</summary>
    public readonly Chunk? AtOrAfter(long offset)
    {
        Chunk? chunk = First;
        while (chunk is not null && chunk.EndOffset <= offset)
        {
            chunk = chunk.Next;
        }
        return chunk;
    }

    /// <summary>Bytes that are in no segment, of chunks that are not settled as a whole.</summary>
    /// <param name="floor">All below is settled.</param>
    public readonly long UnflushedBytes(long floor)
    {
        long bytes = 0;
        for (Chunk? chunk = First; chunk is not null; chunk = chunk.Next)
        {
            bytes += chunk.EndOffset > floor ? chunk.Length - chunk.FlushedLength : 0;
        }
        return bytes;
    }

    /// <summary>Copies a batch to the end; returns the copy.</summary>
    public Span<byte> Add(Log log, ReadOnlySpan<byte> batch, long baseOffset)
    {
        Chunk chunk = RoomFor(log, batch.Length, baseOffset);
        int at = chunk.Length;
        if (at == 0)
        {
            chunk.BegunAtMs = log.Retention.AgeMsMax is null ? 0 : log.Store.Clock.GetUtcNow().ToUnixTimeMilliseconds();
        }
        Span<byte> placed = chunk.Buffer.AsSpan(at, batch.Length);
        batch.CopyTo(placed);
        RecordBatch.Place(placed, baseOffset);
        chunk.EndOffset = baseOffset + RecordBatch.LastOffsetDelta(batch) + 1;
        chunk.MaxTimestamp = Math.Max(chunk.MaxTimestamp, RecordBatch.MaxTimestamp(batch));
        chunk.Length = at + batch.Length;
        log.AddBytes(batch.Length);
        return placed;
    }

    /// <summary>Takes the first chunk out of memory.</summary>
    public void RemoveFirst(Log log)
    {
        Chunk first = First!;
        First = first.Next;
        if (First is null)
        {
            Last = null;
        }
        log.AddBytes(first.FlushedLength - first.Length);
        Bytes -= first.Buffer.Length;
        first.Owner = null;
        first.Next = null;
        log.Store.Chunks.Drop(first);
    }

    /// <summary>Takes out the chunks that end at or below the offset.</summary>
    public void RemoveBelow(Log log, long offset)
    {
        while (First is { } first && first.EndOffset <= offset)
        {
            RemoveFirst(log);
        }
    }

    /// <summary>The same, but for the last, whose memory is used again.</summary>
    public void RemoveSettled(Log log, long floor)
    {
        while (First is { } first && first != Last && first.EndOffset <= floor)
        {
            RemoveFirst(log);
        }
    }

    public void Clear(Log log)
    {
        while (First is not null)
        {
            RemoveFirst(log);
        }
    }

    /// <summary>Notes that everything below the offset is in files: what of it is in memory goes.</summary>
    public void MarkWritten(Log log, long offset)
    {
        for (Chunk? chunk = First; chunk is not null && chunk.FirstOffset < offset; chunk = chunk.Next)
        {
            int flushed = chunk.FlushedLength;
            while (flushed < chunk.Length && RecordBatch.EndOffset(chunk.Buffer.AsSpan(flushed)) <= offset)
            {
                flushed += RecordBatch.Size(chunk.Buffer.AsSpan(flushed));
            }
            log.AddBytes(chunk.FlushedLength - flushed);
            chunk.FlushedLength = flushed;
        }
        while (First is { } first && first.FlushedLength == first.Length)
        {
            RemoveFirst(log);
        }
    }

    private Chunk RoomFor(Log log, int bytes, long firstOffset)
    {
        Chunk? last = Last;
        if (last is not null)
        {
            if (last.Buffer.Length - last.Length >= bytes)
            {
                return last;
            }
            if (log.Cursor is { } cursor && last == First && last.Buffer.Length >= bytes && cursor.Floor >= last.EndOffset && !last.IsShared)
            {
                // All consumed and nobody reads it: the same warm memory again.
                log.AddBytes(last.FlushedLength - last.Length);
                last.Reset(log.Store.Chunks.NextSerial(), firstOffset);
                return last;
            }
        }
        LogStoreOptions options = log.Store.Options;
        int size = last is null ? BufferPool.BlockBytesMin : Math.Min(last.Buffer.Length * 4, Math.Clamp(options.TailBytesPerLogMax / 4, ChunkBytesMin, ChunkBytesMax));
        Chunk chunk = log.Store.Chunks.Take(log, Math.Max(size, bytes), firstOffset);
        if (last is null)
        {
            First = chunk;
        }
        else
        {
            last.Next = chunk;
        }
        Last = chunk;
        Bytes += chunk.Buffer.Length;
        log.ReleaseSettled();
        if (Bytes > options.TailBytesPerLogMax)
        {
            log.QueueForMaintenance();
        }
        else if (log.Store.Chunks.Bytes > options.TailBytesMax)
        {
            log.Store.RequestMaintenance();
        }
        return chunk;
    }
}
