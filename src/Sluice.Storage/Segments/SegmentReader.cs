using Sluice.Base.Buffers;
using Sluice.Storage.Records;

namespace Sluice.Storage.Segments;

/// <summary>Reads whole, verified batches of a segment.</summary>
internal static class SegmentReader
{
    /// <summary>
    /// Loads batches from the one that holds <paramref name="offset"/> (or the first after it) on. Null if the segment holds none.
    /// </summary>
    /// <exception cref="LogFailedException">The bytes there are damaged.</exception>
    public static LogWindow? Load(SegmentFiles files, BufferPool buffers, Segment segment, long written, long offset, int bytesMax)
    {
        using SegmentFiles.Lease lease = files.Open(segment);
        SegmentIndex index = files.IndexOf(lease);
        long position = index.PositionOf(offset);
        byte[] buffer = buffers.Take(Math.Max(bytesMax, SegmentIndex.IntervalBytes));
        try
        {
            while (position < written)
            {
                int length = lease.File.ReadFully(position, buffer.AsSpan(0, (int)Math.Min(buffer.Length, written - position)));
                if (length == 0)
                {
                    // Shorter than what was written to it: cut from outside.
                    throw Damaged(files, index, segment, position, offset);
                }
                int at = 0;
                while (length - at >= RecordBatch.HeaderBytes && RecordBatch.LooksLikeHeader(buffer.AsSpan(at, length - at)) && RecordBatch.EndOffset(buffer.AsSpan(at)) <= offset)
                {
                    at = (int)Math.Min((long)at + RecordBatch.Size(buffer.AsSpan(at)), int.MaxValue);
                    if (at > length)
                    {
                        break;
                    }
                }
                if (at >= length)
                {
                    position += at;
                    continue;
                }
                Span<byte> rest = buffer.AsSpan(at, length - at);
                if (at > 0 && (rest.Length < RecordBatch.HeaderBytes || (RecordBatch.LooksLikeHeader(rest) && RecordBatch.Size(rest) > rest.Length)))
                {
                    position += at;
                    continue;
                }
                if (!RecordBatch.LooksLikeHeader(rest))
                {
                    throw Damaged(files, index, segment, position + at, offset);
                }
                int size = RecordBatch.Size(rest);
                if (size > rest.Length)
                {
                    if (position + size > written || size <= buffer.Length)
                    {
                        throw Damaged(files, index, segment, position, offset);
                    }
                    buffers.Return(buffer);
                    buffer = [];
                    buffer = buffers.Take(size);
                    continue;
                }
                int end = at;
                long endOffset = 0;
                while (length - end >= RecordBatch.HeaderBytes && RecordBatch.LooksLikeHeader(buffer.AsSpan(end, length - end)))
                {
                    int next = RecordBatch.Size(buffer.AsSpan(end));
                    if (next > length - end || !RecordBatch.IsIntact(buffer.AsSpan(end, next)))
                    {
                        break;
                    }
                    endOffset = RecordBatch.EndOffset(buffer.AsSpan(end));
                    end += next;
                }
                if (end == at)
                {
                    throw Damaged(files, index, segment, position + at, offset);
                }
                LogWindow window = new(buffers, buffer, at, end, offset, RecordBatch.BaseOffset(buffer.AsSpan(at)), endOffset);
                buffer = [];
                return window;
            }
            return null;
        }
        finally
        {
            if (buffer.Length != 0)
            {
                buffers.Return(buffer);
            }
        }
    }

    /// <summary>File offset from which on a search for a timestamp must look: every batch before it is older.</summary>
    public static long FirstOffsetForTime(SegmentFiles files, Segment segment, long timestamp)
    {
        using SegmentFiles.Lease lease = files.Open(segment);
        SegmentIndex index = files.IndexOf(lease);
        return Math.Max(segment.BaseOffset, index.OffsetAfter(index.PositionOfTime(timestamp) - 1, segment.BaseOffset));
    }

    private static LogFailedException Damaged(SegmentFiles files, SegmentIndex index, Segment segment, long position, long offset)
    {
        long resume = Math.Max(offset + 1, index.OffsetAfter(position, segment.EndOffset));
        return new LogFailedException($"{files.PathOf(segment.Path)} is damaged at byte {position}: offsets from {offset} up to {resume} of log {segment.LogId} cannot be read. The rest of the log can; run 'sluice verify' and restore the file from a backup.")
        {
            ResumeOffset = resume,
        };
    }
}
