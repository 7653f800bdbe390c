namespace Sluice.Client.Producing;

/// <summary>Where a record went.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Offset">Its place there; -1 if nobody told (acks 0, or a repetition that the broker had already).</param>
/// <param name="TimestampMs">Unix time in milliseconds: the record's own, or the broker's where the topic says so.</param>
public readonly record struct RecordMetadata(TopicPartition Partition, long Offset, long TimestampMs);
