using Sluice.Storage.Checkpoints;
using Sluice.Storage.Compaction;
using Sluice.Storage.Journaling;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage;

/// <summary>
/// What a store does in the background, one thing at a time: moves tails to segments, drops segments that retention gives up, compacts,
/// has checkpoints taken. Failure policy: a segment that cannot be written or synced fails its log, and as long as such a log exists the journal
/// is not cut, because only it still holds that log's promised records.
/// </summary>
internal sealed class Maintenance : IDisposable
{
    private const long CompactionCheckPeriodMs = 15_000;
    private static readonly TimeSpan AgeCheckPeriodMin = TimeSpan.FromSeconds(1);

    // What is appended between two checks may be due before the next one known: no log waits longer than this past its time.
    private static readonly TimeSpan AgeCheckPeriodMax = TimeSpan.FromMinutes(5);

    private readonly Lock _sync = new();
    private readonly StoreContext _store;
    private readonly Func<IReadOnlyCollection<Log>> _logs;
    private readonly DoomedFiles _doomed;
    private readonly Checkpointer _checkpointer;
    private readonly SegmentCleaner _cleaner;
    private readonly LogCompactor _compactor;
    private ITimer? _ageTimer;
    private int _isAgeDue = 1;
    private bool _disposed;

    public Maintenance(StoreContext store, Func<IReadOnlyCollection<Log>> logs, Func<long> nextLogId, Action yield)
    {
        _store = store;
        _logs = logs;
        SegmentWriter writer = new(store);
        Flusher = new TailFlusher(store, writer);
        _cleaner = new SegmentCleaner(store, writer);
        _compactor = new LogCompactor(store, writer, Flusher);
        _doomed = new DoomedFiles(store, Flusher);
        _checkpointer = new Checkpointer(store, writer, Flusher, _doomed, logs, nextLogId, Relieve, yield);
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
                _doomed.AddReplaced(log, _cleaner.Clean(log));
                _compactor.Consider(log, Now());
            }
            FlushExcess();
            if (_store.Journal.Failure is null)
            {
                Compact();
                _doomed.Delete();
                if (_store.Journal.Bytes > _store.Options.JournalBytesMax || _doomed.ReplacedBytes > _store.Options.SegmentBytes || _store.IsWrittenThroughGrown)
                {
                    _checkpointer.TryTake();
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
                    long at = LogRetention.NextAgeDue(log, ageMax) ?? LogRetention.Later(Now(), ageMax);
                    due = Math.Min(due ?? at, at);
                }
                if (log.Retention.Compaction is not null)
                {
                    _compactor.Consider(log, Now());
                    due = Math.Min(due ?? long.MaxValue, Now() + CompactionCheckPeriodMs);
                }
            }
            _doomed.Delete();
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
            _doomed.AddDirectory(log);
            _store.RequestMaintenance();
        }
    }

    /// <summary>Writes a checkpoint and cuts the journal.</summary>
    /// <exception cref="IOException">It could not be written; the journal is kept whole.</exception>
    public void Checkpoint()
    {
        lock (_sync)
        {
            _checkpointer.Take();
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

    /// <summary>What cannot wait until a long step is over: that publishers find room.</summary>
    private void Relieve()
    {
        FlushExcess();
        _store.Journal.ReleaseRoom();
    }

    private void FlushExcess()
    {
        if (_store.Chunks.Bytes > _store.Options.TailBytesMax)
        {
            Flusher.FlushExcess(_logs());
        }
    }

    private long Now() => _store.Clock.GetUtcNow().ToUnixTimeMilliseconds();

    private void ApplyRetention(Log log)
    {
        List<Segment> dropped;
        lock (Flusher.Sync)
        {
            dropped = LogRetention.Apply(log, Now());
        }
        foreach (Segment segment in dropped)
        {
            _doomed.Add(segment);
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
            _doomed.AddReplaced(log, replaced);
        }
        if (_compactor.IsBusy)
        {
            _store.RequestMaintenance();
        }
    }
}
