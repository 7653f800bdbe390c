using Microsoft.Extensions.Logging;
using Sluice.Storage.Journaling;
using Sluice.Storage.Records;
using Sluice.Storage.Segments;

namespace Sluice.Storage.Tails;

/// <summary>
/// Moves tails from memory to segments: of the maintenance worker's own accord, and for whoever writes the journal what the journal has only notes of.
/// One at a time, so all else that changes a log's newest segment holds <see cref="Sync"/> as well. Taken before a log's lock, after the journal's I/O lock.
/// Failure policy: a failed write fails the log; its tail stays in memory and nothing is tried again.
/// </summary>
internal sealed class TailFlusher(StoreContext store, SegmentWriter writer) : IWriteThrough
{
    /// <summary>Held over writes to segments.</summary>
    public Lock Sync { get; } = new();

    bool IWriteThrough.IsHeldByCurrentThread => Sync.IsHeldByCurrentThread;

    bool IWriteThrough.IsGrown => store.IsWrittenThroughGrown && !store.IsCheckpointing;

    void IWriteThrough.WriteAll()
    {
        while (store.WriteThroughQueue.TryDequeue(out Log? log))
        {
            lock (log.Sync)
            {
                log.IsQueuedForWriting = false;
            }
            FlushAll(log);
            ReleaseFlushed(log);
        }
    }

    /// <summary>Brings one log below its own limit.</summary>
    public void FlushOversize(Log log)
    {
        if (log.Tail.Bytes > store.Options.TailBytesPerLogMax)
        {
            Flush(log, store.Options.TailBytesPerLogMax / 2, includeLast: false, release: true);
        }
    }

    /// <summary>Brings all logs together below the store's limit, largest tails first.</summary>
    public void FlushExcess(IReadOnlyCollection<Log> logs)
    {
        long target = store.Options.TailBytesMax / 4 * 3;
        if (store.Chunks.Bytes <= store.Options.TailBytesMax)
        {
            return;
        }
        List<Log> byTail = [.. logs.Where(static log => log.Tail.Bytes > 0)];
        byTail.Sort(static (a, b) => b.Tail.Bytes.CompareTo(a.Tail.Bytes));
        foreach (bool includeLast in (ReadOnlySpan<bool>)[false, true])
        {
            foreach (Log log in byTail)
            {
                if (store.Chunks.Bytes <= target)
                {
                    store.IsFlushStuck = false;
                    return;
                }
                Flush(log, 0, includeLast, release: true);
            }
        }
        store.IsFlushStuck = store.Chunks.Bytes > store.Options.TailBytesMax;
    }

    /// <summary>Writes everything in memory, but keeps it there for readers.</summary>
    public void FlushAll(Log log) => Flush(log, 0, includeLast: true, release: false);

    /// <summary>Lets go of what is in files, but for what consumers at the tail read next.</summary>
    private void ReleaseFlushed(Log log)
    {
        int keepBytes = store.Options.TailBytesPerLogMax / (store.Chunks.Bytes > store.Options.TailBytesMax / 2 ? 16 : 2);
        lock (log.Sync)
        {
            while (log.Tail.First is { } first && first != log.Tail.Last && log.Tail.Bytes > keepBytes && first.FlushedLength == first.Length)
            {
                log.Tail.RemoveFirst(log);
            }
        }
    }

    private void Flush(Log log, int keepBytes, bool includeLast, bool release)
    {
        lock (Sync)
        {
            FlushLocked(log, keepBytes, includeLast, release);
        }
    }

    private void FlushLocked(Log log, int keepBytes, bool includeLast, bool release)
    {
        while (true)
        {
            Chunk? chunk;
            int from;
            int to;
            long floor;
            lock (log.Sync)
            {
                if (log.Failure is not null || log.IsDeleted)
                {
                    return;
                }
                while (release && log.Tail.First is { } first && log.Tail.Bytes > keepBytes && first.FlushedLength == first.Length && (includeLast || first != log.Tail.Last))
                {
                    log.Tail.RemoveFirst(log);
                }
                if (log.Tail.Bytes <= keepBytes)
                {
                    return;
                }
                for (chunk = log.Tail.First; chunk is not null && chunk.FlushedLength == chunk.Length; chunk = chunk.Next)
                {
                }
                if (chunk is null || (chunk == log.Tail.Last && !includeLast))
                {
                    return;
                }
                if (log.Cursor is { } cursor && cursor.UnsettledIn(chunk.FirstOffset, chunk.EndOffset) == 0)
                {
                    log.AddBytes(chunk.FlushedLength - chunk.Length);
                    chunk.FlushedLength = chunk.Length;
                    continue;
                }
                chunk.AddReference();
                from = chunk.FlushedLength;
                to = chunk.Length;
                floor = log.Cursor?.Floor ?? 0;
            }
            try
            {
                int live = SkipSettled(chunk.Buffer, from, to, floor);
                if (live < to)
                {
                    writer.Append(log, chunk.Buffer.AsSpan(live, to - live));
                }
                lock (log.Sync)
                {
                    if (chunk.Owner == log)
                    {
                        chunk.FlushedLength = to;
                        log.AddBytes(from - to);
                    }
                }
            }
            catch (IOException e)
            {
                lock (log.Sync)
                {
                    log.Fail(e);
                }
                store.Logger.LogCritical(e, "Log {Log} stopped: its segment could not be written. What it holds stays readable; nothing more is promised for it. Free or replace the disk, then restart.", log.Id.Value);
                return;
            }
            finally
            {
                store.Chunks.Drop(chunk);
            }
        }
    }

    private static int SkipSettled(byte[] buffer, int from, int to, long floor)
    {
        while (from < to && RecordBatch.EndOffset(buffer.AsSpan(from)) <= floor)
        {
            from += RecordBatch.Size(buffer.AsSpan(from));
        }
        return from;
    }
}
