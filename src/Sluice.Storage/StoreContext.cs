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
internal sealed class StoreContext(LogStoreOptions options, IDisk disk, TimeProvider clock, ILogger logger)
{
    public LogStoreOptions Options => options;

    public IDisk Disk => disk;

    public TimeProvider Clock => clock;

    public ILogger Logger => logger;

    public BufferPool Buffers { get; } = new();

    public BitBlockPool BitBlocks { get; } = new();

    public ChunkPool Chunks { get => field ??= new ChunkPool(Buffers); }

    public SegmentFiles Files { get => field ??= new SegmentFiles(disk, options.Directory, Buffers); }

    /// <summary>Set once recovery ended; logs are not appended to before.</summary>
    public Journal Journal { get; set; } = null!;

    /// <summary>Asks the maintenance worker for a turn.</summary>
    public Action RequestMaintenance { get; set; } = static () => { };

    /// <summary>Logs that asked for maintenance. Bounded by the number of logs: each is in it once.</summary>
    public ConcurrentQueue<Log> MaintenanceQueue { get; } = new();

    public void Queue(Log log)
    {
        MaintenanceQueue.Enqueue(log);
        RequestMaintenance();
    }

    public string PathOf(string path) => Files.PathOf(path);
}
