namespace Sluice.Storage.Compaction;

/// <summary>How far a log is compacted. Guarded by the log's lock; changed by the maintenance worker.</summary>
internal sealed class CompactionState
{
    /// <summary>Below this each key has one record, but for what was appended above. Kept in checkpoints; an older one only means work done again.</summary>
    public long CleanedTo { get; set; }

    /// <summary>The log waits for the compactor or is being compacted.</summary>
    public bool IsPending { get; set; }

    /// <summary>Compaction failed with this as the end of what it could reach; it is tried again when there is more.</summary>
    public long FailedAt { get; set; } = -1;
}
