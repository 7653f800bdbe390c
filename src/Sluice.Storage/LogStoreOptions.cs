namespace Sluice.Storage;

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
    public long TailBytesMax { get; init; } = 32L << 20;

    /// <summary>The same for one log.</summary>
    public int TailBytesPerLogMax { get; init; } = 4 << 20;

    /// <summary>Largest record batch a log takes, in bytes.</summary>
    public int BatchBytesMax { get; init; } = 256 << 20;

    /// <summary>What <see cref="DecompressedBatchBytesMax"/> is where nobody sets it; who takes compressed batches in takes none that become larger.</summary>
    public const int DecompressedBatchBytesDefault = 64 << 20;

    /// <summary>Largest that the records of a compressed batch may become when a reader opens it, in bytes.</summary>
    public int DecompressedBatchBytesMax { get; init; } = DecompressedBatchBytesDefault;

    /// <summary>Memory for the keys of one pass of compaction, in bytes, of which a key takes 32; what has more keys takes more passes.</summary>
    public long CompactionMapBytesMax { get; init; } = 32L << 20;

    /// <summary>Batches of at least this size that are promised to survive the process go straight to their segment where the appender allows it, and only a note of them to the journal.</summary>
    public int WriteThroughBytesMin { get; init; } = 8 << 10;

    /// <summary>Bytes written so after which a checkpoint is taken: what a recovery reads of them.</summary>
    public long WriteThroughBytesMax { get; init; } = 2L << 30;

    /// <summary>Bytes of a snapshot gathered before they are written. Made small by tests, so that each log is written before the next is captured.</summary>
    internal int SnapshotGatherBytesMax { get; init; } = 256 << 10;

    /// <summary>Unsynced bytes of all segments from which on they are synced before a checkpoint begins, while batches go on to them.</summary>
    internal long SyncAheadBytesMin { get; init; } = 16 << 20;

    /// <summary>Bytes of all tails from which on the larger ones are flushed and synced again before a snapshot takes them in.</summary>
    internal long LateTailBytesMin { get; init; } = 4 << 20;
}
