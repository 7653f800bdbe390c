using Sluice.Storage;
using Sluice.Storage.Compaction;

namespace Sluice.Broker.Topics;

/// <summary>What is in force for a topic. Times in ms; -1: no limit.</summary>
public sealed record TopicSettings
{
    /// <summary>Records go when they are too old or too many.</summary>
    public bool IsDeleted { get; init; } = true;

    /// <summary>Records go when a later one has their key; all need one.</summary>
    public bool IsCompacted { get; init; }

    /// <summary>See <see cref="CompactionPolicy"/>, as for the next four.</summary>
    public double DirtyRatioMin { get; init; }

    public long CompactionLagMsMin { get; init; }

    public long CompactionLagMsMax { get; init; }

    public long DeleteRetentionMs { get; init; }

    public long SegmentMs { get; init; }

    public long RetentionMs { get; init; }

    /// <summary>Of each partition.</summary>
    public long RetentionBytes { get; init; }

    public int SegmentBytes { get; init; }

    /// <summary>Largest record batch, header included.</summary>
    public int MaxMessageBytes { get; init; }

    /// <summary>Replicas that an append with all acknowledgements needs.</summary>
    public int MinInSyncReplicas { get; init; }

    /// <summary>Every append is synced before it is acknowledged, whatever its producer asked for.</summary>
    public bool SyncsEachAppend { get; init; }

    /// <summary>Records carry the time at which the broker took them instead of their producer's.</summary>
    public bool UsesAppendTime { get; init; }

    /// <summary>How far a producer's timestamp may lie before the broker's time.</summary>
    public long TimestampBeforeMaxMs { get; init; }

    /// <summary>How far a producer's timestamp may lie after the broker's time.</summary>
    public long TimestampAfterMaxMs { get; init; }

    /// <summary>"producer" keeps batches as they came; "uncompressed", "gzip", "snappy", "lz4" and "zstd" bring them into that form.</summary>
    public string Compression { get; init; } = "producer";

    internal RetentionPolicy Retention => new(
        BehindCursor: false,
        BytesMax: RetentionBytes < 0 || !IsDeleted ? null : RetentionBytes,
        AgeMsMax: RetentionMs < 0 || !IsDeleted ? null : RetentionMs,
        SegmentBytes: SegmentBytes,
        Compaction: IsCompacted ? new CompactionPolicy(DirtyRatioMin, CompactionLagMsMin, CompactionLagMsMax == long.MaxValue ? null : CompactionLagMsMax, DeleteRetentionMs, SegmentMs == long.MaxValue ? null : SegmentMs) : null);
}
