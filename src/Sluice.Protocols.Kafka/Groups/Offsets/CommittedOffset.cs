using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Offsets;

/// <summary>Where a group is in a partition.</summary>
/// <param name="Offset">Of the record to read next.</param>
/// <param name="LeaderEpoch">Of the record before; -1: the client did not say.</param>
/// <param name="Metadata">What the client wants to be kept with it.</param>
/// <param name="CommitMs">When it was committed, Unix time.</param>
/// <param name="ExpireMs">When it expires whatever the group does, Unix time; -1: as the broker's retention says.</param>
/// <param name="TopicId">Of the topic it is about; empty: not known.</param>
internal sealed record CommittedOffset(long Offset, int LeaderEpoch, string Metadata, long CommitMs, long ExpireMs, Guid TopicId)
{
    public static CommittedOffset Restore(OffsetCommitValue value) =>
        new(value.Offset, value.LeaderEpoch, value.Metadata, value.CommitTimestamp, value.ExpireTimestamp, value.TopicId);

    /// <summary>The record that <see cref="Restore"/> reads.</summary>
    public GroupRecord ToRecord(string group, string topic, int partition) => new(
        new OffsetCommitKey { Group = group, Topic = topic, Partition = partition },
        new OffsetCommitValue { Offset = Offset, LeaderEpoch = LeaderEpoch, Metadata = Metadata, CommitTimestamp = CommitMs, ExpireTimestamp = ExpireMs, TopicId = TopicId });
}
