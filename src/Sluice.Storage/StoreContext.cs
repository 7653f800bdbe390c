using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Base.Disk;
using Sluice.Storage.Cursors;
using Sluice.Storage.Journaling;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage;

/// <summary>What every log of a store shares.</summary>
internal sealed class StoreContext
{
    public StoreContext(LogStoreOptions options, IDisk disk, TimeProvider clock, ILogger logger)
    {
        Options = options;
        Disk = disk;
        Clock = clock;
        Logger = logger;
        Chunks = new ChunkPool(Buffers);
        Files = new SegmentFiles(disk, options.Directory, Buffers);
    }

    public LogStoreOptions Options { get; }

    public IDisk Disk { get; }

    public TimeProvider Clock { get; }

    public ILogger Logger { get; }

    public BufferPool Buffers { get; } = new();

    public BitBlockPool BitBlocks { get; } = new();

    public ChunkPool Chunks { get; }

    public SegmentFiles Files { get; }

    /// <summary>Set once recovery ended; logs are not appended to before.</summary>
    public Journal Journal { get; set; } = null!;

    /// <summary>Asks the maintenance worker for a turn.</summary>
    public Action RequestMaintenance { get; set; } = static () => { };

    /// <summary>A log's retention by age, or its compaction, was set or changed: the maintenance worker looks at all again.</summary>
    public Action RetentionChanged { get; set; } = static () => { };

    /// <summary>Tails are over their limit and no disk takes them: waiting would not help.</summary>
    public bool IsFlushStuck { get; set; }

    /// <summary>Whether publishers may add to the tails.</summary>
    public bool HasTailRoom() => Chunks.Bytes < 2 * Options.TailBytesMax || IsFlushStuck;

    /// <summary>Logs that asked for maintenance. Bounded by the number of logs: each is in it once.</summary>
    public ConcurrentQueue<Log> MaintenanceQueue { get; } = new();

    /// <summary>Logs with batches that the journal only mentions: what is in their memory goes to their segments before the journal is written. Each is in it once.</summary>
    public ConcurrentQueue<Log> WriteThroughQueue { get; } = new();

    /// <summary>Bytes that went straight to segments since the last checkpoint, those that a recovery has taken over included: all of them the next would read.</summary>
    public long WrittenThroughBytes;

    /// <summary>A checkpoint is due because of them.</summary>
    public bool IsWrittenThroughGrown => Interlocked.Read(ref WrittenThroughBytes) > Options.WriteThroughBytesMax;

    /// <summary>A checkpoint is being taken: until it is, nothing goes straight to a segment.</summary>
    public volatile bool IsCheckpointing;

    public void Queue(Log log)
    {
        MaintenanceQueue.Enqueue(log);
        RequestMaintenance();
    }

    public string PathOf(string path) => Files.PathOf(path);
}
