using Microsoft.Extensions.Logging;
using Sluice.Storage.Records;

namespace Sluice.Storage.Segments;

/// <summary>
/// Writes a segment that takes the place of neighbouring ones, and swaps it in. The log switches at once; the old files have to stay until a
/// checkpoint names the new one, so that a crash before simply finds the old. Used under the store's maintenance lock.
/// </summary>
internal sealed class SegmentReplacer(StoreContext store, SegmentWriter writer)
{
    private const int WriteBytesMax = 256 << 10;

    /// <summary>Begins the file for a run of segments; the log does not know it yet.</summary>
    public Segment Create(Log log, List<Segment> run, long baseOffset)
    {
        Segment target = new(log.Id.Value, baseOffset, run.Max(static s => s.Generation) + 1) { Index = new SegmentIndex() };
        using SegmentFiles.Lease lease = store.Files.Open(target, create: true);
        lease.File.SetLength(0);
        return target;
    }

    public void Append(Segment target, ReadOnlySpan<byte> batch)
    {
        using SegmentFiles.Lease lease = store.Files.Open(target);
        for (int at = 0; at < batch.Length; at += WriteBytesMax)
        {
            lease.File.Write(target.WrittenBytes + at, batch.Slice(at, Math.Min(WriteBytesMax, batch.Length - at)));
        }
        target.Index!.Add(batch, target.WrittenBytes);
        target.WrittenBytes += batch.Length;
        target.EndOffset = RecordBatch.EndOffset(batch);
        target.MaxTimestamp = Math.Max(target.MaxTimestamp, RecordBatch.MaxTimestamp(batch));
    }

    public void Seal(Segment target) => writer.Seal(target);

    /// <summary>Puts the target (null: nothing) in the place of the run; false if the log is gone.</summary>
    public bool Swap(Log log, List<Segment> run, Segment? target)
    {
        lock (log.Sync)
        {
            if (log.IsDeleted || log.Segments is not { } segments)
            {
                return false;
            }
            int at = segments.IndexOf(run[0]);
            segments.RemoveRange(at, run.Count);
            if (target is not null)
            {
                segments.Insert(at, target);
            }
            log.AddBytes((target?.WrittenBytes ?? 0) - run.Sum(static s => s.WrittenBytes));
        }
        return true;
    }

    /// <summary>Deletes a target that is not wanted after all.</summary>
    public void Discard(Segment? target)
    {
        if (target is null)
        {
            return;
        }
        store.Files.Forget(target);
        try
        {
            store.Disk.DeleteFile(store.PathOf(target.Path));
        }
        catch (IOException e)
        {
            store.Logger.LogWarning(e, "{Path} is not needed but could not be deleted; the next start deletes it.", store.PathOf(target.Path));
        }
    }
}
