using Microsoft.Extensions.Logging;
using Sluice.Base.Disk;
using Sluice.Storage.Records;

namespace Sluice.Storage.Segments;

/// <summary>
/// Keeps a few old unsettled records from holding whole segments: rewrites neighbouring segments that are mostly settled into one that has
/// only the batches with an unsettled record, at the same offsets. The log switches at once; the old files stay until a checkpoint names
/// the new one, so a crash before simply finds the old. Used under the store's maintenance lock.
/// Failure policy: if reading or writing fails, the old segments stay and the run is not tried again.
/// </summary>
internal sealed class SegmentCleaner(StoreContext store, SegmentWriter writer)
{
    private const int WindowBytes = 256 << 10;

    private readonly SegmentReplacer _replacer = new(store, writer);

    /// <summary>Cleans what is worth it and returns the segments replaced.</summary>
    public List<Segment> Clean(Log log)
    {
        List<Segment> replaced = [];
        if (log.Cursor is null)
        {
            return replaced;
        }
        foreach (List<Segment> run in FindRuns(log))
        {
            if (Rewrite(log, run))
            {
                replaced.AddRange(run);
            }
        }
        return replaced;
    }

    /// <summary>Neighbours that together become at most one full segment, at least one of them mostly settled.</summary>
    private List<List<Segment>> FindRuns(Log log)
    {
        long segmentBytes = log.Retention.SegmentBytes ?? store.Options.SegmentBytes;
        List<List<Segment>> runs = [];
        List<Segment> run = [];
        bool worthIt = false;
        long liveBytes = 0;
        Segment[] segments;
        lock (log.Sync)
        {
            segments = log.IsDeleted || log.Failure is not null || log.Segments is null ? [] : [.. log.Segments];
        }
        foreach (Segment segment in segments)
        {
            long records = segment.EndOffset - segment.BaseOffset;
            long unsettled;
            lock (log.Sync)
            {
                unsettled = log.Cursor!.UnsettledIn(segment.BaseOffset, segment.EndOffset);
            }
            bool isSparse = unsettled * 2 < records && unsettled <= segment.UnsettledWhenKept / 2;
            bool isSmall = segment.WrittenBytes <= segmentBytes / 4;
            long live = isSparse ? segment.WrittenBytes * unsettled / Math.Max(1, records) : segment.WrittenBytes;
            if (!segment.IsSealed || !(isSparse || isSmall) || liveBytes + live > segmentBytes)
            {
                EndRun();
            }
            if (segment.IsSealed && (isSparse || isSmall))
            {
                run.Add(segment);
                worthIt |= isSparse;
                liveBytes += live;
            }
        }
        EndRun();
        return runs;

        void EndRun()
        {
            if (worthIt)
            {
                runs.Add(run);
            }
            run = [];
            worthIt = false;
            liveBytes = 0;
        }
    }

    private bool Rewrite(Log log, List<Segment> run)
    {
        long before = run.Sum(static s => s.WrittenBytes);
        Segment? target = null;
        try
        {
            foreach (Segment source in run)
            {
                if (!CopyLive(log, source, run, before / 2, ref target))
                {
                    GiveUp(log, run, target);
                    return false;
                }
            }
            if (target is not null)
            {
                _replacer.Seal(target);
            }
        }
        catch (IOException e)
        {
            store.Logger.LogWarning(e, "Segments {First} to {Last} of log {Log} could not be rewritten without their settled records; they are kept as they are.", run[0].BaseOffset, run[^1].EndOffset, log.Id.Value);
            foreach (Segment segment in run)
            {
                segment.UnsettledWhenKept = 0;
            }
            _replacer.Discard(target);
            return false;
        }
        return _replacer.Swap(log, run, target);
    }

    /// <summary>Appends the live batches; false once that would not save half.</summary>
    private bool CopyLive(Log log, Segment source, List<Segment> run, long bytesMax, ref Segment? target)
    {
        long offset = source.BaseOffset;
        while (offset < source.EndOffset && SegmentReader.Load(store.Files, store.Buffers, source, source.WrittenBytes, offset, WindowBytes) is { } window)
        {
            using (window)
            {
                for (int at = window.Start; at < window.End;)
                {
                    ReadOnlySpan<byte> batch = window.Buffer.AsSpan(at, RecordBatch.Size(window.Buffer.AsSpan(at)));
                    at += batch.Length;
                    bool isLive;
                    lock (log.Sync)
                    {
                        isLive = log.Cursor!.UnsettledIn(RecordBatch.BaseOffset(batch), RecordBatch.EndOffset(batch)) > 0;
                    }
                    if (!isLive)
                    {
                        continue;
                    }
                    target ??= _replacer.Create(log, run, RecordBatch.BaseOffset(batch));
                    if (target.WrittenBytes + batch.Length > bytesMax)
                    {
                        return false;
                    }
                    _replacer.Append(target, batch);
                }
                offset = window.EndOffset;
            }
        }
        return true;
    }

    private void GiveUp(Log log, List<Segment> run, Segment? target)
    {
        foreach (Segment segment in run)
        {
            lock (log.Sync)
            {
                segment.UnsettledWhenKept = log.Cursor!.UnsettledIn(segment.BaseOffset, segment.EndOffset);
            }
        }
        _replacer.Discard(target);
    }
}
