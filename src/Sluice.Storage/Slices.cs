using Sluice.Storage.Records;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage;

/// <summary>Finds <see cref="LogSlice"/>s: in the tail by walking batch headers, in a segment by its index and the headers behind the indexed batch.</summary>
internal static class Slices
{
    public static LogSlice? Read(Log log, long offset, int bytesMax, long endOffset)
    {
        while (true)
        {
            Segment? segment;
            long written;
            long segmentEnd;
            lock (log.Sync)
            {
                offset = Math.Max(offset, log.PhysicalStart);
                Chunk? chunk = log.Tail.AtOrAfter(offset);
                segment = chunk is not null && chunk.FirstOffset <= offset ? null : log.Segments.AtOrAfter(offset);
                if (segment is null || (chunk is not null && chunk.FirstOffset <= segment.BaseOffset))
                {
                    return chunk is null ? null : FromTail(log, chunk, offset, bytesMax, endOffset);
                }

                written = segment.WrittenBytes;
                segmentEnd = segment.EndOffset;
            }

            if (segment.BaseOffset >= endOffset)
            {
                return null;
            }

            try
            {
                LogSlice? slice = FromFile(log.Store, segment, written, segmentEnd, offset, bytesMax, endOffset, out bool isBehindLast);
                if (!isBehindLast)
                {
                    return slice;
                }

                // Compaction took the segment's last batches: what comes next is in the next segment.
                offset = segmentEnd;
            }
            catch (IOException e)
            {
                if (!Windows.Holds(log, segment))
                {
                    // Retention or the cleaner took the file away meanwhile.
                    continue;
                }

                throw e as LogFailedException ?? Windows.Unreadable(log, segment, offset, e);
            }
        }
    }

    /// <summary>Under the log's lock.</summary>
    private static LogSlice? FromTail(Log log, Chunk chunk, long offset, int bytesMax, long endOffset)
    {
        ReadOnlySpan<byte> bytes = chunk.Buffer.AsSpan(0, chunk.Length);
        int start = 0;
        while (start < bytes.Length && RecordBatch.EndOffset(bytes[start..]) <= offset)
        {
            start += RecordBatch.Size(bytes[start..]);
        }

        if (start == bytes.Length || RecordBatch.BaseOffset(bytes[start..]) >= endOffset)
        {
            return null;
        }

        int end = start + RecordBatch.Size(bytes[start..]);
        if (chunk.EndOffset <= endOffset && bytes.Length - start <= bytesMax)
        {
            end = bytes.Length;
        }

        long last = start;
        while (end < bytes.Length && RecordBatch.BaseOffset(bytes[end..]) < endOffset)
        {
            int size = RecordBatch.Size(bytes[end..]);
            if (end - start + size > bytesMax)
            {
                break;
            }

            last = end;
            end += size;
        }

        long sliceEnd = end == bytes.Length ? chunk.EndOffset : RecordBatch.EndOffset(bytes[(int)last..]);
        chunk.AddReference();
        return new LogSlice(log.Store, chunk, start, end - start, RecordBatch.BaseOffset(bytes[start..]), sliceEnd);
    }

    private static LogSlice? FromFile(StoreContext store, Segment segment, long written, long segmentEnd, long offset, int bytesMax, long endOffset, out bool isBehindLast)
    {
        isBehindLast = false;
        SegmentFiles.Lease lease = store.Files.Open(segment);
        bool isTaken = false;
        try
        {
            SegmentIndex index = store.Files.IndexOf(lease);
            BatchPlace first = Find(store, lease, index, written, offset);
            if (first.Position >= written)
            {
                isBehindLast = true;
                return null;
            }

            if (first.BaseOffset >= endOffset)
            {
                return null;
            }

            long limit = segmentEnd <= endOffset ? written : Find(store, lease, index, written, endOffset).Position;
            long length = Math.Min(limit - first.Position, Math.Max(bytesMax, first.Size));
            bool isWhole = length == limit - first.Position;
            isTaken = true;
            return new LogSlice(store, lease, first.Position, length, first.BaseOffset, isWhole ? Math.Min(segmentEnd, endOffset) : -1);
        }
        finally
        {
            if (!isTaken)
            {
                lease.Dispose();
            }
        }
    }

    /// <summary>The batch that holds the offset or the first after it; at the end of the segment one of no size.</summary>
    private static BatchPlace Find(StoreContext store, in SegmentFiles.Lease lease, SegmentIndex index, long written, long offset)
    {
        long position = index.PositionOf(offset);
        byte[] buffer = store.Buffers.Take(SegmentIndex.IntervalBytes);
        try
        {
            int length = 0;
            long bufferAt = position;
            while (position < written)
            {
                int at = (int)(position - bufferAt);
                if (length - at < RecordBatch.HeaderBytes)
                {
                    bufferAt = position;
                    at = 0;
                    // Headers of large batches are far apart: a small read finds one as well.
                    length = lease.File.ReadFully(position, buffer.AsSpan(0, (int)Math.Min(length == 0 ? 4 << 10 : buffer.Length, written - position)));
                    if (length < RecordBatch.HeaderBytes)
                    {
                        throw Damaged(store, lease.Segment, index, position, offset);
                    }
                }

                ReadOnlySpan<byte> header = buffer.AsSpan(at, RecordBatch.HeaderBytes);
                if (!RecordBatch.LooksLikeHeader(header) || position + RecordBatch.Size(header) > written)
                {
                    throw Damaged(store, lease.Segment, index, position, offset);
                }

                if (RecordBatch.EndOffset(header) > offset)
                {
                    return new BatchPlace(position, RecordBatch.Size(header), RecordBatch.BaseOffset(header));
                }

                position += RecordBatch.Size(header);
                if (position - bufferAt > length)
                {
                    length = 0;
                    bufferAt = position;
                }
            }

            return new BatchPlace(written, 0, long.MaxValue);
        }
        finally
        {
            store.Buffers.Return(buffer);
        }
    }

    private static LogFailedException Damaged(StoreContext store, Segment segment, SegmentIndex index, long position, long offset)
    {
        long resume = Math.Max(offset + 1, index.OffsetAfter(position, segment.EndOffset));
        return new LogFailedException($"{store.PathOf(segment.Path)} is damaged at byte {position}: offsets from {offset} up to {resume} of log {segment.LogId} cannot be read. The rest of the log can; run 'sluice verify' and restore the file from a backup.")
        {
            ResumeOffset = resume,
        };
    }

    private readonly record struct BatchPlace(long Position, int Size, long BaseOffset);
}
