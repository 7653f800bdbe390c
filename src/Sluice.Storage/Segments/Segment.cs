namespace Sluice.Storage.Segments;

/// <summary>One segment file of a log: offsets [BaseOffset, EndOffset). Changed by the maintenance worker under the log's lock.</summary>
internal sealed class Segment(long logId, long baseOffset, int generation)
{
    public long LogId => logId;

    public long BaseOffset { get; } = baseOffset;

    /// <summary>How often the file's range was rewritten by the cleaner; part of its name, so that old and new file can both be there.</summary>
    public int Generation => generation;

    /// <summary>One past the last offset in the file.</summary>
    public long EndOffset { get; set; } = baseOffset;

    /// <summary>Bytes handed to the operating system that belong to the log.</summary>
    public long WrittenBytes { get; set; }

    /// <summary>Leading bytes that survive a power loss.</summary>
    public long SyncedBytes { get; set; }

    public long MaxTimestamp { get; set; } = long.MinValue;

    /// <summary>When it was begun, in milliseconds; 0: before the broker's start.</summary>
    public long BegunAtMs { get; init; }

    /// <summary>Nothing more is appended; its index files are written.</summary>
    public bool IsSealed { get; set; }

    /// <summary>Set while in memory: always for the segment being appended to since its creation, else while its file is open.</summary>
    public SegmentIndex? Index { get; set; }

    /// <summary>Unsettled records when the cleaner last found the file not worth rewriting; it looks again when half of them are gone.</summary>
    public long UnsettledWhenKept { get; set; } = long.MaxValue;

    public string DirectoryPath => $"logs/{logId:x16}";

    public string Path => PathWith(".log");

    public string IndexPath => PathWith(".index");

    public string TimeIndexPath => PathWith(".timeindex");

    private string PathWith(string extension) =>
        generation == 0 ? $"{DirectoryPath}/{BaseOffset:d20}{extension}" : $"{DirectoryPath}/{BaseOffset:d20}.{generation}{extension}";
}
