using Microsoft.Extensions.Logging;
using Sluice.Base.Disk;
using Sluice.Base.Scheduling;
using Sluice.Storage.Metadata;

namespace Sluice.Storage;

/// <summary>All logs of a broker, their shared journal and checkpoints, and the embedded metadata store, in one data directory.</summary>
public sealed class LogStore : IDisposable
{
    /// <summary>Opens or creates the data directory and recovers: newest valid checkpoint, then the journal.</summary>
    /// <exception cref="DiskLockedException">Another process uses the directory.</exception>
    /// <exception cref="StorageFormatException">The directory is of a newer format, or damaged beyond isolation; the message says what to do.</exception>
    public static LogStore Open(LogStoreOptions options, IDisk disk, IScheduler scheduler, TimeProvider clock, ILoggerFactory loggers) => throw new NotImplementedException();

    /// <summary>The embedded metadata store, kept in a log of its own.</summary>
    public IMetadataStore Metadata => throw new NotImplementedException();

    /// <summary>Creates a log. A <see cref="LogKind.Volatile"/> log is never journaled and is gone after a restart.</summary>
    public Log CreateLog(LogKind kind, RetentionPolicy retention) => throw new NotImplementedException();

    /// <summary>Null if there is no such log (any more).</summary>
    public Log? FindLog(LogId id) => throw new NotImplementedException();

    /// <summary>Forgets the log at once and deletes its files in the background. Readers still open see the end of the log.</summary>
    public void DeleteLog(LogId id) => throw new NotImplementedException();

    /// <summary>Deletes every log (but the store's own) for which <paramref name="isWanted"/> says no: leftovers of a crash between creating a log and naming it.</summary>
    public void DeleteOrphans(Func<LogId, bool> isWanted) => throw new NotImplementedException();

    /// <summary>Begins an all-or-nothing write over several logs; see <see cref="JournalGroup"/>.</summary>
    public JournalGroup BeginGroup() => throw new NotImplementedException();

    /// <summary>Everything up to here is written and synced.</summary>
    public JournalPosition DurablePosition => throw new NotImplementedException();

    /// <summary>
    /// Calls <paramref name="listener"/> once, on the journal's worker or inline if already reached, when <paramref name="position"/>
    /// has the promise it was written with (synced, or for <see cref="Durability.OperatingSystem"/> written). Never blocks; no allocation in the steady state.
    /// </summary>
    public void NotifyWhenKept(JournalPosition position, Durability promise, IDurabilityListener listener) => throw new NotImplementedException();

    /// <summary>Task form of <see cref="NotifyWhenKept"/> for rare operations. Throws <see cref="IOException"/> if the journal failed.</summary>
    public Task WhenKeptAsync(JournalPosition position, Durability promise) => throw new NotImplementedException();

    /// <summary>Bytes queued for the journal and not yet written; publishers pause above <see cref="LogStoreOptions.JournalBacklogBytesMax"/>.</summary>
    public long JournalBacklogBytes => throw new NotImplementedException();

    /// <summary>Completes once the journal backlog is below its maximum (at once if it is).</summary>
    public ValueTask WaitForRoomAsync(CancellationToken cancellation) => throw new NotImplementedException();

    /// <summary>Bytes of log tails held in memory.</summary>
    public long TailBytes => throw new NotImplementedException();

    /// <summary>The error that stopped the journal, after which no promise above <see cref="Durability.Memory"/> is given; null while healthy.</summary>
    public Exception? Failure => throw new NotImplementedException();

    /// <summary>Free bytes on the data directory's volume.</summary>
    public long FreeDiskBytes => throw new NotImplementedException();

    /// <summary>Writes a checkpoint now and cuts the journal. Normally done by the store itself.</summary>
    public void Checkpoint() => throw new NotImplementedException();

    /// <summary>Flushes everything (tails of volatile promise in durable logs included), checkpoints, releases the directory.</summary>
    public void Dispose() => throw new NotImplementedException();
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
public sealed record RetentionPolicy(bool BehindCursor, long? BytesMax = null, long? AgeMsMax = null, int? SegmentBytes = null)
{
    public static RetentionPolicy Queue { get; } = new(BehindCursor: true);
}

/// <summary>Settings of a <see cref="LogStore"/>.</summary>
public sealed record LogStoreOptions
{
    /// <summary>Directory on the disk. Default: its root.</summary>
    public string Directory { get; init; } = "";

    /// <summary>A segment file's size at which the next begins, in bytes.</summary>
    public int SegmentBytes { get; init; } = 64 << 20;

    /// <summary>Journal bytes after which a checkpoint cuts it.</summary>
    public long JournalBytesMax { get; init; } = 256L << 20;

    /// <summary>Queued journal bytes above which publishers wait.</summary>
    public long JournalBacklogBytesMax { get; init; } = 16L << 20;

    /// <summary>Log tail bytes in memory, all logs together, above which tails are written to segments and released.</summary>
    public long TailBytesMax { get; init; } = 64L << 20;

    /// <summary>The same for one log.</summary>
    public int TailBytesPerLogMax { get; init; } = 4 << 20;

    /// <summary>Largest record batch a log takes, in bytes.</summary>
    public int BatchBytesMax { get; init; } = 256 << 20;
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
