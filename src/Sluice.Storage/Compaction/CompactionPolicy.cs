namespace Sluice.Storage.Compaction;

/// <summary>How a log keeps only the newest record of each key; see Kafka's topic settings of the like names. Records without a key are kept.</summary>
/// <param name="DirtyRatioMin">min.cleanable.dirty.ratio: compact when more than this part of the bytes has not been compacted, 0 to 1.</param>
/// <param name="LagMsMin">min.compaction.lag.ms: records younger than this stay as they are.</param>
/// <param name="LagMsMax">max.compaction.lag.ms: compact whatever the ratio when a record not compacted is older; null: never for its age.</param>
/// <param name="DeleteRetentionMs">delete.retention.ms: how long tombstones and markers of transactions stay once compaction has met them.</param>
/// <param name="SegmentMs">segment.ms: a segment is completed, and may be compacted then, when its first record is older; null: only when it is full.</param>
public sealed record CompactionPolicy(double DirtyRatioMin = 0.5, long LagMsMin = 0, long? LagMsMax = null, long DeleteRetentionMs = 24 * 3_600_000, long? SegmentMs = null);
