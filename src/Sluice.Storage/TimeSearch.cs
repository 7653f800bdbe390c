using Sluice.Storage.Records;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage;

/// <summary>
/// Finds the first record of a log with a timestamp at or after a given one: in its segments, then in its tail, both as they were at one moment, so that nothing is missed that
/// moves from memory to a file meanwhile. Batches are opened off the log's lock.
/// </summary>
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
        long found;
        while (!TryRun(out found))
        {
        }
        return Math.Max(found, log.StartOffset);
    }

    /// <summary>False if retention or compaction has taken a file away that was to be searched: the log is looked at again.</summary>
    private bool TryRun(out long found)
    {
        List<(Segment Segment, long Written)> segments = [];
        List<(Chunk Chunk, int Length)> chunks = [];
        lock (log.Sync)
        {
            found = log.NextOffset;
            foreach (Segment segment in log.Segments ?? [])
            {
                if (segment.MaxTimestamp >= timestampMs)
                {
                    segments.Add((segment, segment.WrittenBytes));
                }
            }
            for (Chunk? chunk = log.Tail.First; chunk is not null; chunk = chunk.Next)
            {
                if (chunk.MaxTimestamp >= timestampMs)
                {
                    chunk.AddReference();
                    chunks.Add((chunk, chunk.Length));
                }
            }
        }
        try
        {
            long first = -1;
            foreach ((Segment segment, long written) in segments)
            {
                if (first < 0 && !TryFindIn(segment, written, out first))
                {
                    return false;
                }
            }
            foreach ((Chunk chunk, int length) in chunks)
            {
                first = first < 0 ? FindIn(chunk.Buffer.AsSpan(0, length)) : first;
            }
            found = first < 0 ? found : first;
            return true;
        }
        finally
        {
            foreach ((Chunk chunk, _) in chunks)
            {
                log.Store.Chunks.Drop(chunk);
            }
        }
    }

    /// <summary>False if the segment's file is gone by now.</summary>
    private bool TryFindIn(Segment segment, long written, out long found)
    {
        found = -1;
        try
        {
            found = FindIn(segment, written);
            return true;
        }
        catch (IOException e)
        {
            if (!Windows.Holds(log, segment))
            {
                return false;
            }
            throw e as LogFailedException ?? Windows.Unreadable(log, segment, segment.BaseOffset, e);
        }
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
