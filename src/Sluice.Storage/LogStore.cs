using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Base.Disk;
using Sluice.Base.Scheduling;
using Sluice.Storage.Checkpoints;
using Sluice.Storage.Compaction;
using Sluice.Storage.Journaling;
using Sluice.Storage.Metadata;
using Sluice.Storage.Segments;

namespace Sluice.Storage;

/// <summary>All logs of a broker, their shared journal and checkpoints, and the embedded metadata store, in one data directory.</summary>
public sealed class LogStore : IDisposable
{
    private const int JournalSparesMax = 5;
    private const int KeptGroupsMax = 16;
    private const long VolatileIdBit = 1L << 62;
    private static readonly LogId MetadataLogId = new(1);

    private readonly Lock _sync = new();
    private readonly Dictionary<long, Log> _logs;
    private readonly Stack<JournalGroup> _groups = new();
    private readonly Maintenance _maintenance;
    private readonly IDisposable _directoryLock;
    private readonly ILogger _logger;
    private IWorker? _worker;
    private EmbeddedMetadataStore? _metadata;
    private long _nextLogId;
    private long _nextVolatileId;
    private bool _disposed;

    private LogStore(StoreContext context, IDisposable directoryLock, IScheduler scheduler)
    {
        Context = context;
        _logger = context.Logger;
        _directoryLock = directoryLock;
        _maintenance = new Maintenance(context, SnapshotLogs, () => Volatile.Read(ref _nextLogId), scheduler.Yield);
        context.Disk.CreateDirectory(context.PathOf("journal"));
        context.Disk.CreateDirectory(context.PathOf("logs"));
        context.Disk.SyncDirectory(context.Options.Directory);

        Recovery recovery = new(context, _maintenance.Flusher, new SegmentWriter(context));
        JournalReplay replay = recovery.Run();
        _logs = new Dictionary<long, Log>(recovery.Logs);
        _nextLogId = Math.Max(recovery.NextLogId, MetadataLogId.Value + 1);
        // Volatile logs leave no trace, so their ids come from a range that each start of the store has for itself.
        _nextVolatileId = VolatileIdBit | ((replay.Epoch + 1) << 32);

        JournalFiles files = new(context.Disk, context.PathOf("journal"), JournalSparesMax);
        files.Adopt(replay.Files, replay.Spares);
        context.Journal = new Journal(context.Options, context.Buffers, scheduler, context.Clock, context.Logger, files, replay.Position, replay.Epoch, () => context.RequestMaintenance(), context.HasTailRoom, _maintenance.Flusher);
        _worker = scheduler.StartWorker("sluice-maintenance", RunMaintenance, OnMaintenanceFault);
        context.RequestMaintenance = () => _worker?.Wake();
        context.RetentionChanged = _maintenance.OnRetentionChanged;
        _worker.Wake();
    }

    /// <summary>The embedded metadata store, kept in a log of its own.</summary>
    public IMetadataStore Metadata => _metadata!;

    /// <summary>Everything up to here is written and synced.</summary>
    public JournalPosition DurablePosition => Context.Journal.Durable;

    /// <summary>Where the next journal entry goes: once all before it is kept, so is everything that has been appended.</summary>
    public JournalPosition EndPosition => Context.Journal.End;

    /// <summary>Bytes queued for the journal and not yet written; publishers pause above <see cref="LogStoreOptions.JournalBacklogBytesMax"/>.</summary>
    public long JournalBacklogBytes => Context.Journal.BacklogBytes;

    /// <summary>Bytes of log tails held in memory.</summary>
    public long TailBytes => Context.Chunks.Bytes;

    /// <summary>The error that stopped the journal, after which no promise above <see cref="Durability.Memory"/> is given; null while healthy.</summary>
    public Exception? Failure => Context.Journal.Failure;

    /// <summary>Largest record batch a log takes, in bytes.</summary>
    public int BatchBytesMax => Context.Options.BatchBytesMax;

    /// <summary>Where buffers that are handed to the store come from.</summary>
    public BufferPool Buffers => Context.Buffers;

    /// <summary>Free bytes on the data directory's volume.</summary>
    public long FreeDiskBytes => Context.Disk.FreeBytes(Context.Options.Directory);

    internal StoreContext Context { get; }

    /// <summary>Opens or creates the data directory and recovers: newest valid checkpoint, then the journal.</summary>
    /// <exception cref="DiskLockedException">Another process uses the directory.</exception>
    /// <exception cref="StorageFormatException">The directory is of a newer format, or damaged beyond isolation; the message says what to do.</exception>
    public static LogStore Open(LogStoreOptions options, IDisk disk, IScheduler scheduler, TimeProvider clock, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(disk);
        ArgumentNullException.ThrowIfNull(scheduler);
        StoreContext context = new(options, disk, clock, loggers.CreateLogger<LogStore>());
        disk.CreateDirectory(options.Directory);
        IDisposable directoryLock = disk.AcquireLock(context.PathOf("lock"));
        try
        {
            LogStore store = new(context, directoryLock, scheduler);
            store.OpenMetadata();
            return store;
        }
        catch
        {
            directoryLock.Dispose();
            throw;
        }
    }

    /// <summary>Creates a log. A <see cref="LogKind.Volatile"/> log is never journaled and is gone after a restart.</summary>
    /// <exception cref="ArgumentException">The retention asks for both a cursor and a limit by age or bytes or compaction.</exception>
    public Log CreateLog(LogKind kind, RetentionPolicy retention)
    {
        ArgumentNullException.ThrowIfNull(retention);
        if (retention is { BehindCursor: true } and not { BytesMax: null, AgeMsMax: null, Compaction: null })
        {
            throw new ArgumentException("A log reclaimed behind its cursor keeps every unsettled record; limits by age or bytes and compaction are for logs without a cursor.", nameof(retention));
        }
        lock (_sync)
        {
            long id = kind == LogKind.Durable ? _nextLogId++ : _nextVolatileId++;
            return CreateLog(id, kind, retention);
        }
    }

    /// <summary>Null if there is no such log (any more).</summary>
    public Log? FindLog(LogId id)
    {
        lock (_sync)
        {
            return _logs.GetValueOrDefault(id.Value);
        }
    }

    /// <summary>Forgets the log at once and deletes its files in the background. Readers still open see the end of the log.</summary>
    public void DeleteLog(LogId id)
    {
        Log? log;
        lock (_sync)
        {
            if (id == MetadataLogId || !_logs.Remove(id.Value, out log))
            {
                return;
            }
        }
        _maintenance.Delete(log);
    }

    /// <summary>Deletes every log (but the store's own) for which <paramref name="isWanted"/> says no: leftovers of a crash between creating a log and naming it.</summary>
    public void DeleteOrphans(Func<LogId, bool> isWanted)
    {
        ArgumentNullException.ThrowIfNull(isWanted);
        foreach (Log log in SnapshotLogs())
        {
            if (log.Id != MetadataLogId && !isWanted(log.Id))
            {
                DeleteLog(log.Id);
            }
        }
    }

    /// <summary>Begins an all-or-nothing write over several logs; see <see cref="JournalGroup"/>.</summary>
    public JournalGroup BeginGroup()
    {
        lock (_sync)
        {
            return _groups.TryPop(out JournalGroup? group) ? group : new JournalGroup(this);
        }
    }

    /// <summary>
    /// Calls <paramref name="listener"/> once, on the journal's worker or inline if already reached, when <paramref name="position"/>
    /// has the promise it was written with (synced, or for <see cref="Durability.OperatingSystem"/> written). Never blocks; no allocation in the steady state.
    /// </summary>
    public void NotifyWhenKept(JournalPosition position, Durability promise, IDurabilityListener listener) =>
        Context.Journal.NotifyWhenKept(position, position == JournalPosition.None ? Durability.Memory : promise, listener);

    /// <summary>Task form of <see cref="NotifyWhenKept"/> for rare operations. Throws <see cref="IOException"/> if the journal failed.</summary>
    public Task WhenKeptAsync(JournalPosition position, Durability promise)
    {
        if (position == JournalPosition.None || promise == Durability.Memory)
        {
            return Task.CompletedTask;
        }
        TaskListener listener = new();
        Context.Journal.NotifyWhenKept(position, promise, listener);
        return listener.Task;
    }

    /// <summary>
    /// Completes once the journal backlog is below its maximum, and log tails are below twice <see cref="LogStoreOptions.TailBytesMax"/> or cannot be
    /// made smaller (at once if so).
    /// </summary>
    public ValueTask WaitForRoomAsync(CancellationToken cancellation) => Context.Journal.WaitForRoomAsync(cancellation);

    /// <summary>Writes a checkpoint now and cuts the journal. Normally done by the store itself.</summary>
    /// <exception cref="IOException">It could not be written; the journal is kept whole.</exception>
    public void Checkpoint() => _maintenance.Checkpoint();

    /// <summary>Flushes everything (tails of volatile promise in durable logs included), checkpoints, releases the directory.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }
        _disposed = true;
        _worker?.Dispose();
        try
        {
            if (Failure is null)
            {
                Checkpoint();
            }
        }
        catch (IOException e)
        {
            _logger.LogError(e, "The last checkpoint could not be written; the next start replays the journal.");
        }
        Close();
    }

    /// <summary>Lets go of everything without writing, as a kill of the process would.</summary>
    internal void Abandon()
    {
        if (!_disposed)
        {
            _disposed = true;
            _worker?.Dispose();
            Close();
        }
    }

    internal void Return(JournalGroup group)
    {
        lock (_sync)
        {
            if (_groups.Count < KeptGroupsMax)
            {
                _groups.Push(group);
            }
        }
    }

    private void Close()
    {
        _metadata?.Dispose();
        _maintenance.Dispose();
        Context.Journal.Dispose();
        foreach (Log log in SnapshotLogs())
        {
            lock (log.Sync)
            {
                log.MarkDeleted();
            }
        }
        Context.Files.Dispose();
        _directoryLock.Dispose();
    }

    private void OpenMetadata()
    {
        Log log;
        lock (_sync)
        {
            log = _logs.GetValueOrDefault(MetadataLogId.Value) ?? CreateLog(MetadataLogId.Value, LogKind.Durable, RetentionPolicy.Queue);
        }
        _metadata = new EmbeddedMetadataStore(this, log);
    }

    private Log CreateLog(long id, LogKind kind, RetentionPolicy retention)
    {
        Log log = new(Context, new LogId(id), kind, retention, 0);
        _logs.Add(id, log);
        if (retention.NeedsTimer)
        {
            Context.RetentionChanged();
        }
        if (kind == LogKind.Durable)
        {
            Span<byte> definition = stackalloc byte[LogDefinition.BytesMax];
            int length = LogDefinition.Write(definition, kind, retention);
            Context.Journal.Add(JournalEntryType.CreateLog, Durability.Memory, id, definition[..length]);
        }
        return log;
    }

    private List<Log> SnapshotLogs()
    {
        lock (_sync)
        {
            return [.. _logs.Values];
        }
    }

    private void RunMaintenance()
    {
        _maintenance.Step();
        if (_maintenance.TakeAgeDue())
        {
            _maintenance.ApplyAge();
        }
    }

    private void OnMaintenanceFault(Exception error)
    {
        _logger.LogCritical(error, "The maintenance worker stopped: tails are no longer written to segments and no checkpoints are taken. Restart.");
    }

    private sealed class TaskListener : IDurabilityListener
    {
        private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Task => _completion.Task;

        public void OnKept(JournalPosition through) => _completion.TrySetResult();

        public void OnFailed(Exception error) =>
            _completion.TrySetException(new LogFailedException("The journal stopped after a failed write; what was waiting is not kept.", error));
    }
}

/// <summary>Told when a journal position is kept. Called on the journal's worker: must be short and must not block.</summary>
public interface IDurabilityListener
{
    /// <summary>All up to and including <paramref name="through"/> is kept. May cover more than was asked for.</summary>
    void OnKept(JournalPosition through);

    /// <summary>The journal stopped: nothing waiting will ever be kept. Refuse it (nack), never acknowledge.</summary>
    void OnFailed(Exception error);
}

/// <summary>Whether a log outlives the process.</summary>
public enum LogKind : byte
{
    Durable = 1,
    Volatile = 2,
}

/// <summary>When records go although nobody settled them, and how settled ones go.</summary>
/// <param name="BehindCursor">Reclaim what the log's cursor has settled (queues). False for topics and streams.</param>
/// <param name="BytesMax">Delete oldest segments while the log is larger; null: no limit. Whole segments only.</param>
/// <param name="AgeMsMax">Delete segments whose newest record is older; null: no limit.</param>
/// <param name="SegmentBytes">Roll to a new segment at this size; null: the store's default.</param>
/// <param name="Compaction">Keep only the newest record of each key; null: all. With limits as well, both are done.</param>
public sealed record RetentionPolicy(bool BehindCursor, long? BytesMax = null, long? AgeMsMax = null, int? SegmentBytes = null, CompactionPolicy? Compaction = null)
{
    /// <summary>Something is to be done when time has passed, without anything being appended.</summary>
    internal bool NeedsTimer => AgeMsMax is not null || Compaction is not null;

    public static RetentionPolicy Queue { get; } = new(BehindCursor: true);
}

/// <summary>The data directory cannot be used as it is; the message says why and what to do.</summary>
public sealed class StorageFormatException : IOException
{
    public StorageFormatException()
    {
    }

    public StorageFormatException(string message)
        : base(message)
    {
    }

    public StorageFormatException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
