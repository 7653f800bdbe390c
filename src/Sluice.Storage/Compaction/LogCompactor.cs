using Microsoft.Extensions.Logging;
using Sluice.Storage.Records;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage.Compaction;

/// <summary>
/// Decides which logs are to be compacted, and compacts one after another, a part at a time. Used under the store's maintenance lock.
/// Failure policy: if reading or writing fails, the segments not yet replaced stay, and the log is tried again when it has more to compact.
/// </summary>
internal sealed class LogCompactor(StoreContext store, SegmentWriter writer, TailFlusher flusher) : IDisposable
{
    private readonly SegmentReplacer _replacer = new(store, writer);
    private readonly Queue<Log> _pending = new();
    private CompactionRun? _run;

    /// <summary>There is more to do.</summary>
    public bool IsBusy => _run is not null || _pending.Count > 0;

    /// <summary>Completes its last segment if that is open for too long, and notes the log if it is to be compacted by now.</summary>
    public void Consider(Log log, long nowMs)
    {
        if (log.Retention.Compaction is not { } policy || log.Compaction.IsPending || log.IsDeleted || log.Failure is not null)
        {
            return;
        }
        Extent extent = ExtentOf(log, policy, nowMs);
        if (policy.SegmentMs is { } segmentMs && IsOlder(log, Math.Max(extent.DirtyFrom, extent.SealedEnd), nowMs - segmentMs) && TrySealAll(log))
        {
            extent = ExtentOf(log, policy, nowMs);
        }
        bool isOverdue = policy.LagMsMax is { } lagMax && IsOlder(log, extent.DirtyFrom, nowMs - lagMax);
        bool isDirty = extent.DirtyBytes > policy.DirtyRatioMin * (extent.CleanBytes + extent.DirtyBytes);
        if ((isOverdue || isDirty) && extent.End != log.Compaction.FailedAt)
        {
            log.Compaction.IsPending = true;
            _pending.Enqueue(log);
        }
    }

    /// <summary>Does a part of the work and returns the segments that were replaced by it.</summary>
    public (Log? Log, List<Segment> Replaced) Step(long nowMs)
    {
        List<Segment> replaced = [];
        Log? log = _run?.Log;
        if (_run is null)
        {
            if (_pending.TryDequeue(out log))
            {
                Begin(log, nowMs);
            }
            return (log, replaced);
        }
        try
        {
            if (_run.Step(replaced))
            {
                Finish(_run, nowMs);
            }
        }
        catch (IOException e)
        {
            store.Logger.LogWarning(e, "Log {Log} could not be compacted; it is kept as it is and tried again when it has grown.", log!.Id.Value);
            log.Compaction.FailedAt = _run.End;
            End(log);
        }
        return (log, replaced);
    }

    public void Dispose()
    {
        _run?.Dispose();
        _run = null;
    }

    private void Begin(Log log, long nowMs)
    {
        if (log.Retention.Compaction is not { } policy || log.IsDeleted)
        {
            End(log);
            return;
        }
        Extent extent = ExtentOf(log, policy, nowMs);
        if (policy.LagMsMax is { } lagMax && IsOlder(log, Math.Max(extent.DirtyFrom, extent.SealedEnd), nowMs - lagMax) && TrySealAll(log))
        {
            extent = ExtentOf(log, policy, nowMs);
        }
        if (extent.End <= extent.DirtyFrom)
        {
            End(log);
            return;
        }
        _run = new CompactionRun(store, _replacer, log, extent.DirtyFrom, extent.End, policy, nowMs);
    }

    private void Finish(CompactionRun run, long nowMs)
    {
        Log log = run.Log;
        lock (log.Sync)
        {
            log.Compaction.CleanedTo = Math.Max(log.Compaction.CleanedTo, run.MapEnd);
            log.Compaction.FailedAt = -1;
        }
        End(log);
        if (run.MapEnd < run.End)
        {
            // The keys did not all find room: another pass from there.
            log.Compaction.IsPending = true;
            Begin(log, nowMs);
        }
    }

    private void End(Log log)
    {
        log.Compaction.IsPending = false;
        _run?.Dispose();
        _run = null;
    }

    /// <summary>What is compacted and what may be: complete segments, decided and old enough.</summary>
    private static Extent ExtentOf(Log log, CompactionPolicy policy, long nowMs)
    {
        long stable = log.LastStableOffset;
        lock (log.Sync)
        {
            Extent extent = new() { DirtyFrom = Math.Max(log.Compaction.CleanedTo, log.StartOffset) };
            bool isReachable = true;
            foreach (Segment segment in log.Segments ?? [])
            {
                if (segment.IsSealed)
                {
                    extent.SealedEnd = segment.EndOffset;
                }
                if (segment.EndOffset <= extent.DirtyFrom)
                {
                    extent.CleanBytes += segment.WrittenBytes;
                    continue;
                }
                isReachable &= segment.IsSealed && segment.EndOffset <= stable && (policy.LagMsMin == 0 || segment.MaxTimestamp <= nowMs - policy.LagMsMin);
                if (isReachable)
                {
                    extent.DirtyBytes += segment.WrittenBytes;
                    extent.End = segment.EndOffset;
                }
            }
            return extent;
        }
    }

    /// <summary>Whether the first batch at or after the offset is older than the time.</summary>
    private bool IsOlder(Log log, long offset, long timeMs)
    {
        Segment? segment;
        lock (log.Sync)
        {
            segment = log.Segments.AtOrAfter(offset);
            if (segment is null)
            {
                return IsOlderInTail(log, offset, timeMs);
            }
        }
        try
        {
            using LogWindow? window = SegmentReader.Load(store.Files, store.Buffers, segment, segment.WrittenBytes, offset, SegmentIndex.IntervalBytes);
            return window is not null && RecordBatch.MaxTimestamp(window.Buffer.AsSpan(window.Start)) < timeMs;
        }
        catch (IOException e)
        {
            store.Logger.LogWarning(e, "The age of log {Log} could not be seen; it is not compacted for its age.", log.Id.Value);
            return false;
        }
    }

    /// <summary>Under the log's lock.</summary>
    private static bool IsOlderInTail(Log log, long offset, long timeMs)
    {
        if (log.Tail.AtOrAfter(offset) is not { } chunk)
        {
            return false;
        }
        ReadOnlySpan<byte> batches = chunk.Buffer.AsSpan(0, chunk.Length);
        while (RecordBatch.EndOffset(batches) <= offset)
        {
            batches = batches[RecordBatch.Size(batches)..];
        }
        return RecordBatch.MaxTimestamp(batches) < timeMs;
    }

    /// <summary>Makes complete segments of all there is, which records that wait for too long want.</summary>
    private bool TrySealAll(Log log)
    {
        lock (flusher.Sync)
        {
            flusher.FlushAll(log);
            return TrySealLast(log);
        }
    }

    private bool TrySealLast(Log log)
    {
        Segment? last;
        lock (log.Sync)
        {
            last = log.Failure is null && log.Segments is { Count: > 0 } segments ? segments[^1] : null;
        }
        if (last is not { IsSealed: false })
        {
            return last is not null;
        }
        try
        {
            writer.Seal(last);
            return true;
        }
        catch (IOException e)
        {
            store.Logger.LogWarning(e, "{Path} could not be completed for compaction.", store.PathOf(last.Path));
            return false;
        }
    }

    private struct Extent
    {
        public long DirtyFrom;

        /// <summary>End of the last segment that may be compacted; 0 if there is none.</summary>
        public long End;

        /// <summary>End of the last complete segment.</summary>
        public long SealedEnd;
        public long CleanBytes;
        public long DirtyBytes;
    }
}
