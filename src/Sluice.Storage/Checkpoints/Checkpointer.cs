using Microsoft.Extensions.Logging;
using Sluice.Base.Disk;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage.Checkpoints;

/// <summary>
/// Takes checkpoints: large tails go to segments, a snapshot says what all durable logs are, and the journal before it is cut. One at a time. Failure
/// policy: as long as a log is failed, or if anything cannot be written or synced, there is no checkpoint and the journal is kept whole.
/// </summary>
internal sealed class Checkpointer(
    StoreContext store, SegmentWriter writer, TailFlusher flusher, DoomedFiles doomed, Func<IReadOnlyCollection<Log>> logs, Func<long> nextLogId, Action relieve, Action yield)
{
    private const int InlineTailBytesMax = 64 << 10;
    private const int InlineTailBytesMin = 1 << 10;
    private const long InlineTotalBytesMax = 32 << 20;

    // Appenders go on while segments are synced, so each pass leaves something, but less.
    private const int PassesMax = 4;

    // A file of which so small a part is not synced is left to the checkpoint.
    private const int SyncAheadPartsMax = 256;

    /// <summary>The same as <see cref="Take"/> for who goes on without one.</summary>
    public void TryTake()
    {
        try
        {
            Take();
        }
        catch (IOException e)
        {
            store.Logger.LogError(e, "The checkpoint could not be written; the journal is kept and grows until one can.");
        }
    }

    /// <summary>Writes a checkpoint and cuts the journal.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    public void Take()
    {
        SyncAhead();
        store.IsCheckpointing = true;
        try
        {
            TakeMarked();
        }
        finally
        {
            store.IsCheckpointing = false;
        }
    }

    private void TakeMarked()
    {
        List<Log> durable = [.. logs().Where(static log => log.Kind == LogKind.Durable)];
        long writtenThrough = EndWritesThrough(durable);
        if (durable.Find(static log => log.Failure is not null) is { } failed)
        {
            throw new LogFailedException($"No checkpoint while log {failed.Id.Value} is failed: its records are only in the journal.", failed.Failure!);
        }
        long from = store.Journal.Rotate();
        FlushLargeTails(durable);
        string temporary = store.PathOf(SnapshotFormat.TemporaryName);
        if (store.Disk.FileExists(temporary))
        {
            store.Disk.DeleteFile(temporary);
        }
        using (IDiskFile file = store.Disk.Open(temporary, DiskOpenMode.CreateNew))
        {
            SnapshotWriter snapshot = new(file, store.Options.SnapshotGatherBytesMax);
            snapshot.Begin(from, nextLogId());
            List<Log> busy = durable;
            for (int attempt = 0; busy.Count > 0; attempt++)
            {
                busy = busy.FindAll(log => !snapshot.TryAdd(log));
                if (busy.Count > 0)
                {
                    if (attempt == 1000)
                    {
                        throw new IOException($"A journal group holds log {busy[0].Id.Value} open; no checkpoint can be taken.");
                    }
                    yield();
                }
            }
            snapshot.End();
        }
        // What the snapshot saw in memory must not be ahead of the journal, or a group could be kept in one log and lost in another.
        store.Journal.WriteNow(sync: true);
        string name = SnapshotFormat.FileName(from);
        store.Disk.Move(temporary, store.PathOf(name));
        store.Disk.SyncDirectory(store.Options.Directory);
        foreach (string old in store.Disk.List(store.Options.Directory))
        {
            if (SnapshotFormat.IsFileName(old) && old != name)
            {
                store.Disk.DeleteFile(store.PathOf(old));
            }
        }
        store.Journal.Retire(from);
        Interlocked.Add(ref store.WrittenThroughBytes, -writtenThrough);
        doomed.ReleaseReplaced();
        doomed.Delete();
    }

    /// <summary>
    /// Syncs segments of which much is not yet on disk before the checkpoint begins. From then on all goes to tails, which a long sync would let fill up until
    /// publishers had to wait and the snapshot had to hold them.
    /// </summary>
    private void SyncAhead()
    {
        for (int pass = 0; pass < PassesMax; pass++)
        {
            List<(Log Log, long Unsynced)> dirty = [.. logs().Where(static log => log.Kind == LogKind.Durable).Select(static log => (log, UnsyncedBytes(log)))];
            if (dirty.Sum(static one => one.Unsynced) < store.Options.SyncAheadBytesMin || dirty.Exists(static one => one.Log.Failure is not null))
            {
                return;
            }
            foreach ((Log log, _) in dirty.Where(one => one.Unsynced >= store.Options.SyncAheadBytesMin / SyncAheadPartsMax))
            {
                Sync(log, relieve);
            }
        }
    }

    private static long UnsyncedBytes(Log log)
    {
        lock (log.Sync)
        {
            return log.Segments?.Sum(static segment => segment.WrittenBytes - segment.SyncedBytes) ?? 0;
        }
    }

    /// <summary>All batches of which the journal has notes are in segments when this returns, and until the checkpoint is taken no more go there. Returns their bytes.</summary>
    private long EndWritesThrough(List<Log> durable)
    {
        foreach (Log log in durable)
        {
            // Who appends to it has seen that there is a checkpoint, or its note is queued.
            lock (log.Sync)
            {
            }
        }
        store.Journal.WriteNow(sync: false);
        return Interlocked.Read(ref store.WrittenThroughBytes);
    }

    private void FlushLargeTails(List<Log> durable)
    {
        int withTail = durable.Count(static log => log.Tail.First is not null);
        long inlineMax = Math.Clamp(InlineTotalBytesMax / Math.Max(1, withTail), InlineTailBytesMin, InlineTailBytesMax);
        FlushLargeTails(durable, inlineMax);
        for (int pass = 1; pass < PassesMax; pass++)
        {
            List<(Log Log, long Unflushed)> late = durable.ConvertAll(static log => (log, UnflushedBytes(log)));
            if (late.Sum(static one => one.Unflushed) < store.Options.LateTailBytesMin)
            {
                return;
            }
            FlushLargeTails(late.Where(one => one.Unflushed > inlineMax).Select(static one => one.Log), inlineMax);
        }
    }

    private static long UnflushedBytes(Log log)
    {
        lock (log.Sync)
        {
            return log.Tail.UnflushedBytes(log.Cursor?.Floor ?? 0);
        }
    }

    private void FlushLargeTails(IEnumerable<Log> durable, long inlineMax)
    {
        foreach (Log log in durable)
        {
            if (UnflushedBytes(log) > inlineMax)
            {
                flusher.FlushAll(log);
            }
            if (log.Segments is not null)
            {
                Sync(log);
            }
        }
    }

    private void Sync(Log log, Action? between = null)
    {
        try
        {
            writer.Sync(log, between);
        }
        catch (IOException e)
        {
            lock (log.Sync)
            {
                log.Fail(e);
            }
            store.Logger.LogCritical(e, "Log {Log} stopped: its segment could not be synced. The journal is kept, so a restart can recover it once the disk works.", log.Id.Value);
            throw;
        }
        if (log.Failure is { } failure)
        {
            throw new LogFailedException($"Log {log.Id.Value} failed while the checkpoint wrote its segment.", failure);
        }
    }
}
