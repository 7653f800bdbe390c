using Sluice.Storage.Records;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage;

/// <summary>Finds the first record of a log with a timestamp at or after a given one: in its segments, then in its tail. Batches are opened off the log's lock.</summary>
internal sealed class TimeSearch(Log log, long timestampMs) : IDisposable
{
    private const int WindowBytes = 64 << 10;

    private readonly BatchOpener _opener = new(log.Store.Buffers, log.Store.Options.DecompressedBatchBytesMax);

    /// <inheritdoc cref="Log.FindOffset"/>
    public static long FindOffset(Log log, long timestampMs)
    {
        using TimeSearch search = new(log, timestampMs);
        return search.Run();
    }

    /// <inheritdoc cref="Log.FindRecord"/>
    public static TimedOffset? FindRecord(Log log, long timestampMs)
    {
        using LogReader reader = log.OpenReader(FindOffset(log, timestampMs));
        while (true)
        {
            switch (reader.TryPeek(out RecordView record))
            {
                case PeekResult.Record:
                    return new TimedOffset(record.Offset, record.Timestamp);
                case PeekResult.NeedsLoad when log.LoadWindow(reader.NextOffset) is { } window:
                    reader.Attach(window);
                    break;
                case PeekResult.NeedsLoad:
                    break;
                default:
                    return null;
            }
        }
    }

    public void Dispose() => _opener.Dispose();

    private long Run()
    {
        List<(Segment Segment, long Written)> segments = [];
        lock (log.Sync)
        {
            foreach (Segment segment in log.Segments ?? [])
            {
                if (segment.MaxTimestamp >= timestampMs)
                {
                    segments.Add((segment, segment.WrittenBytes));
                }
            }
        }
        foreach ((Segment segment, long written) in segments)
        {
            long found = FindIn(segment, written);
            if (found >= 0)
            {
                return Math.Max(found, log.StartOffset);
            }
        }
        return FindInTail();
    }

    private long FindIn(Segment segment, long written)
    {
        long offset = SegmentReader.FirstOffsetForTime(log.Store.Files, segment, timestampMs);
        while (offset < segment.EndOffset && SegmentReader.Load(log.Store.Files, log.Store.Buffers, segment, written, offset, WindowBytes) is { } window)
        {
            using (window)
            {
                long found = FindIn(window.Buffer.AsSpan(window.Start, window.End - window.Start));
                if (found >= 0)
                {
                    return found;
                }
                offset = window.EndOffset;
            }
        }
        return -1;
    }

    private long FindInTail()
    {
        long from = 0;
        while (true)
        {
            Chunk? chunk;
            int length;
            lock (log.Sync)
            {
                for (chunk = log.Tail.First; chunk is not null && (chunk.EndOffset <= from || chunk.MaxTimestamp < timestampMs); chunk = chunk.Next)
                {
                }
                if (chunk is null)
                {
                    return log.NextOffset;
                }
                chunk.AddReference();
                length = chunk.Length;
                from = chunk.EndOffset;
            }
            try
            {
                long found = FindIn(chunk.Buffer.AsSpan(0, length));
                if (found >= 0)
                {
                    return Math.Max(found, log.StartOffset);
                }
            }
            finally
            {
                log.Store.Chunks.Drop(chunk);
            }
        }
    }

    private long FindIn(ReadOnlySpan<byte> batches)
    {
        while (batches.Length >= RecordBatch.HeaderBytes)
        {
            ReadOnlySpan<byte> batch = batches[..RecordBatch.Size(batches)];
            batches = batches[batch.Length..];
            if (RecordBatch.MaxTimestamp(batch) < timestampMs)
            {
                continue;
            }
            RecordContext context = new(batch);
            ReadOnlySpan<byte> records = _opener.Open(log.Id.Value, batch);
            int position = 0;
            for (int i = RecordBatch.RecordCount(batch); i > 0 && position >= 0; i--)
            {
                position = RecordParser.Parse(records, position, context, out RecordView view);
                if (position >= 0 && view.Timestamp >= timestampMs)
                {
                    return view.Offset;
                }
            }
        }
        return -1;
    }
}

/// <summary>A record's offset and time.</summary>
public readonly record struct TimedOffset(long Offset, long TimestampMs);
