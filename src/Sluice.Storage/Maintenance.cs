using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Sluice.Base.Disk;
using Sluice.Storage.Checkpoints;
using Sluice.Storage.Compaction;
using Sluice.Storage.Journaling;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage;

/// <summary>
/// What a store does in the background, one thing at a time: moves tails to segments, drops segments that retention gives up, compacts,
/// writes checkpoints. Failure policy: a segment that cannot be written or synced fails its log, and as long as such a log exists the journal
/// is not cut, because only it still holds that log's promised records.
/// </summary>
internal sealed class Maintenance : IDisposable
{
    private const int InlineTailBytesMax = 64 << 10;
    private const int InlineTailBytesMin = 1 << 10;
    private const long InlineTotalBytesMax = 32 << 20;
    private const long CompactionCheckPeriodMs = 15_000;
    private static readonly TimeSpan AgeCheckPeriodMin = TimeSpan.FromSeconds(1);

    // What is appended between two checks may be due before the next one known: no log waits longer than this past its time.
    private static readonly TimeSpan AgeCheckPeriodMax = TimeSpan.FromMinutes(5);

    private readonly Lock _sync = new();
    private readonly ConcurrentQueue<(string Path, bool IsDirectory)> _doomed = new();
    private readonly List<Segment> _replaced = [];
    private readonly StoreContext _store;
    private readonly Func<IReadOnlyCollection<Log>> _logs;
    private readonly Func<long> _nextLogId;
    private readonly Action _yield;
    private readonly SegmentWriter _writer;
    private readonly SegmentCleaner _cleaner;
    private readonly LogCompactor _compactor;
    private ITimer? _ageTimer;
    private int _isAgeDue = 1;
    private long _replacedBytes;
    private bool _disposed;

    public Maintenance(StoreContext store, Func<IReadOnlyCollection<Log>> logs, Func<long> nextLogId, Action yield)
    {
        _store = store;
        _logs = logs;
        _nextLogId = nextLogId;
        _yield = yield;
        _writer = new SegmentWriter(store);
        _cleaner = new SegmentCleaner(store, _writer);
        Flusher = new TailFlusher(store, _writer);
        _compactor = new LogCompactor(store, _writer, Flusher);
    }

    public TailFlusher Flusher { get; }

    /// <summary>One turn of the worker.</summary>
    public void Step()
    {
        lock (_sync)
        {
            if (_disposed)
            {
                return;
            }
            while (_store.MaintenanceQueue.TryDequeue(out Log? log))
            {
                lock (log.Sync)
                {
                    log.IsQueuedForMaintenance = false;
                }
                Flusher.FlushOversize(log);
                ApplyRetention(log);
                Replace(log, _cleaner.Clean(log));
                _compactor.Consider(log, Now());
            }
            if (_store.Chunks.Bytes > _store.Options.TailBytesMax)
            {
                Flusher.FlushExcess(_logs());
            }
            if (_store.Journal.Failure is null)
            {
                Compact();
                DeleteDoomed();
                if (_store.Journal.Bytes > _store.Options.JournalBytesMax || _replacedBytes > _store.Options.SegmentBytes || _store.IsWrittenThroughGrown)
                {
                    TryCheckpoint();
                }
            }
            _store.Journal.ReleaseRoom();
        }
    }

    /// <summary>Applies retention to all logs, looks which to compact, and arms the timer for the next that comes of age.</summary>
    public void ApplyAge()
    {
        lock (_sync)
        {
            if (_disposed)
            {
                return;
            }
            long? due = null;
            foreach (Log log in _logs())
            {
                if (log.Retention.AgeMsMax is { } ageMax)
                {
                    ApplyRetention(log);
                    // What is appended from now on can come of age no earlier than this.
                    long at = (LogRetention.OldestUnitTimestamp(log) ?? Now()) + ageMax;
                    due = Math.Min(due ?? at, at);
                }
                if (log.Retention.Compaction is not null)
                {
                    _compactor.Consider(log, Now());
                    due = Math.Min(due ?? long.MaxValue, Now() + CompactionCheckPeriodMs);
                }
            }
            DeleteDoomed();
            if (_compactor.IsBusy)
            {
                _store.RequestMaintenance();
            }
            if (due is { } next)
            {
                TimeSpan delay = TimeSpan.FromMilliseconds(Math.Clamp(next - Now() + 1, (long)AgeCheckPeriodMin.TotalMilliseconds, (long)AgeCheckPeriodMax.TotalMilliseconds));
                _ageTimer ??= _store.Clock.CreateTimer(static state => ((Maintenance)state!).OnRetentionChanged(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                _ageTimer.Change(delay, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>Whether the worker is to call <see cref="ApplyAge"/>; asking for it ends the question.</summary>
    public bool TakeAgeDue() => Interlocked.Exchange(ref _isAgeDue, 0) == 1;

    /// <summary>A log's retention was set or changed: looks at all ages again, soon.</summary>
    public void OnRetentionChanged()
    {
        Interlocked.Exchange(ref _isAgeDue, 1);
        _store.RequestMaintenance();
    }

    /// <summary>The log is gone from the list: drops its memory now and its files once that is in the journal. Never waits for the disk.</summary>
    public void Delete(Log log)
    {
        Segment[] segments;
        bool mayHaveFiles;
        lock (log.Sync)
        {
            if (log.IsDeleted)
            {
                return;
            }
            // A flush going on may be creating the first file, so a tail counts too.
            mayHaveFiles = log.Segments is not null || log.Tail.First is not null;
            log.MarkDeleted();
            segments = log.Segments is { } list ? [.. list] : [];
            log.Segments = null;
            if (log.Kind == LogKind.Durable)
            {
                _store.Journal.Add(JournalEntryType.DeleteLog, Durability.Memory, log.Id.Value, default);
            }
        }
        foreach (Segment segment in segments)
        {
            _store.Files.Forget(segment);
        }
        if (mayHaveFiles)
        {
            _doomed.Enqueue((_store.PathOf($"logs/{log.Id.Value:x16}"), true));
            _store.RequestMaintenance();
        }
    }

    /// <summary>Writes a checkpoint and cuts the journal.</summary>
    /// <exception cref="IOException">It could not be written; the journal is kept whole.</exception>
    public void Checkpoint()
    {
        lock (_sync)
        {
            CheckpointLocked();
        }
    }

    public void Dispose()
    {
        lock (_sync)
        {
            _disposed = true;
            _ageTimer?.Dispose();
            _compactor.Dispose();
        }
    }

    private long Now() => _store.Clock.GetUtcNow().ToUnixTimeMilliseconds();

    private void TryCheckpoint()
    {
        try
        {
            CheckpointLocked();
        }
        catch (IOException e)
        {
            _store.Logger.LogError(e, "The checkpoint could not be written; the journal is kept and grows until one can.");
        }
    }

    private void CheckpointLocked()
    {
        _store.IsCheckpointing = true;
        try
        {
            TakeCheckpoint();
        }
        finally
        {
            _store.IsCheckpointing = false;
        }
    }

    private void TakeCheckpoint()
    {
        List<Log> durable = [.. _logs().Where(static log => log.Kind == LogKind.Durable)];
        long writtenThrough = EndWritesThrough(durable);
        if (durable.Find(static log => log.Failure is not null) is { } failed)
        {
            throw new LogFailedException($"No checkpoint while log {failed.Id.Value} is failed: its records are only in the journal.", failed.Failure!);
        }
        long from = _store.Journal.Rotate();
        FlushLargeTails(durable);
        string temporary = _store.PathOf(SnapshotFormat.TemporaryName);
        if (_store.Disk.FileExists(temporary))
        {
            _store.Disk.DeleteFile(temporary);
        }
        using (IDiskFile file = _store.Disk.Open(temporary, DiskOpenMode.CreateNew))
        {
            SnapshotWriter writer = new(file, _store.Options.SnapshotGatherBytesMax);
            writer.Begin(from, _nextLogId());
            List<Log> busy = durable;
            for (int attempt = 0; busy.Count > 0; attempt++)
            {
                busy = busy.FindAll(log => !writer.TryAdd(log));
                if (busy.Count > 0)
                {
                    if (attempt == 1000)
                    {
                        throw new IOException($"A journal group holds log {busy[0].Id.Value} open; no checkpoint can be taken.");
                    }
                    _yield();
                }
            }
            writer.End();
        }
        // What the snapshot saw in memory must not be ahead of the journal, or a group could be kept in one log and lost in another.
        _store.Journal.WriteNow(sync: true);
        string name = SnapshotFormat.FileName(from);
        _store.Disk.Move(temporary, _store.PathOf(name));
        _store.Disk.SyncDirectory(_store.Options.Directory);
        foreach (string old in _store.Disk.List(_store.Options.Directory))
        {
            if (SnapshotFormat.IsFileName(old) && old != name)
            {
                _store.Disk.DeleteFile(_store.PathOf(old));
            }
        }
        _store.Journal.Retire(from);
        Interlocked.Add(ref _store.WrittenThroughBytes, -writtenThrough);
        foreach (Segment segment in _replaced)
        {
            Doom(segment);
        }
        _replaced.Clear();
        _replacedBytes = 0;
        DeleteDoomed();
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
        _store.Journal.WriteNow(sync: false);
        return Interlocked.Read(ref _store.WrittenThroughBytes);
    }

    private void FlushLargeTails(List<Log> durable)
    {
        int withTail = durable.Count(static log => log.Tail.First is not null);
        long inlineMax = Math.Clamp(InlineTotalBytesMax / Math.Max(1, withTail), InlineTailBytesMin, InlineTailBytesMax);
        foreach (Log log in durable)
        {
            long unflushed;
            lock (log.Sync)
            {
                unflushed = log.Tail.UnflushedBytes(log.Cursor?.Floor ?? 0);
            }
            if (unflushed > inlineMax)
            {
                Flusher.FlushAll(log);
            }
            if (log.Segments is null)
            {
                continue;
            }
            try
            {
                _writer.Sync(log);
            }
            catch (IOException e)
            {
                lock (log.Sync)
                {
                    log.Fail(e);
                }
                _store.Logger.LogCritical(e, "Log {Log} stopped: its segment could not be synced. The journal is kept, so a restart can recover it once the disk works.", log.Id.Value);
                throw;
            }
            if (log.Failure is { } failure)
            {
                throw new LogFailedException($"Log {log.Id.Value} failed while the checkpoint wrote its segment.", failure);
            }
        }
    }

    private void ApplyRetention(Log log)
    {
        List<Segment> dropped;
        lock (Flusher.Sync)
        {
            dropped = LogRetention.Apply(log, Now());
        }
        foreach (Segment segment in dropped)
        {
            Doom(segment);
        }
    }

    /// <summary>One part of what is to be compacted; the rest waits for the next turn.</summary>
    private void Compact()
    {
        if (!_compactor.IsBusy)
        {
            return;
        }
        (Log? log, List<Segment> replaced) = _compactor.Step(Now());
        if (log is not null)
        {
            Replace(log, replaced);
        }
        if (_compactor.IsBusy)
        {
            _store.RequestMaintenance();
        }
    }

    /// <summary>Lets go of segments that others have taken the place of.</summary>
    private void Replace(Log log, List<Segment> replaced)
    {
        foreach (Segment segment in replaced)
        {
            if (log.Kind == LogKind.Volatile)
            {
                Doom(segment);
                continue;
            }
            // The newest snapshot still names the file.
            _replaced.Add(segment);
            _replacedBytes += segment.WrittenBytes;
        }
    }

    private void Doom(Segment segment)
    {
        _store.Files.Forget(segment);
        _doomed.Enqueue((_store.PathOf(segment.Path), false));
        if (segment.IsSealed)
        {
            _doomed.Enqueue((_store.PathOf(segment.IndexPath), false));
            _doomed.Enqueue((_store.PathOf(segment.TimeIndexPath), false));
        }
    }

    /// <summary>Deletes files that nothing needs once the journal durably says so.</summary>
    private void DeleteDoomed()
    {
        if (_doomed.IsEmpty)
        {
            return;
        }
        try
        {
            int count = _doomed.Count;
            _store.Journal.WriteNow(sync: true);
            for (; count > 0 && _doomed.TryPeek(out (string Path, bool IsDirectory) doomed); count--)
            {
                if (doomed.IsDirectory)
                {
                    // Who is at a write to a file in it ends first; no other begins, as the log is marked.
                    lock (Flusher.Sync)
                    {
                    }
                    _store.Disk.DeleteDirectory(doomed.Path);
                }
                else if (_store.Disk.FileExists(doomed.Path))
                {
                    _store.Disk.DeleteFile(doomed.Path);
                }
                _doomed.TryDequeue(out _);
            }
        }
        catch (IOException e)
        {
            _store.Logger.LogError(e, "Files that are no longer needed could not be deleted; they are tried again later.");
        }
    }
}
