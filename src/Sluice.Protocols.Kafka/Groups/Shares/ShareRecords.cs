using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Shares;

/// <summary>The records that a share group consists of.</summary>
internal static class ShareRecords
{
    public static GroupRecord Epoch(string group, int epoch, long metadataHash) =>
        new(new ShareGroupMetadataKey { GroupId = group }, new ShareGroupMetadataValue { Epoch = epoch, MetadataHash = metadataHash });

    public static GroupRecord NoEpoch(string group) => new(new ShareGroupMetadataKey { GroupId = group }, null);

    public static GroupRecord Metadata(string group, ShareMember member) => new(MetadataKey(group, member.Id), new ShareGroupMemberMetadataValue
    {
        RackId = member.RackId,
        ClientId = member.ClientId,
        ClientHost = member.ClientHost,
        SubscribedTopicNames = [.. member.TopicNames],
    });

    public static GroupRecord NoMetadata(string group, string member) => new(MetadataKey(group, member), null);

    public static GroupRecord TargetEpoch(string group, int epoch, long nowMs) =>
        new(new ShareGroupTargetAssignmentMetadataKey { GroupId = group }, new ShareGroupTargetAssignmentMetadataValue { AssignmentEpoch = epoch, AssignmentTimestamp = nowMs });

    public static GroupRecord NoTargetEpoch(string group) => new(new ShareGroupTargetAssignmentMetadataKey { GroupId = group }, null);

    public static GroupRecord Target(string group, string member, PartitionSet partitions) => new(TargetKey(group, member), new ShareGroupTargetAssignmentMemberValue
    {
        TopicPartitions = [.. partitions.ByTopic().Select(static topic => new ShareGroupTargetAssignmentMemberValue.TopicPartition { TopicId = topic.Topic, Partitions = topic.Indexes })],
    });

    public static GroupRecord NoTarget(string group, string member) => new(TargetKey(group, member), null);

    public static GroupRecord Current(string group, ShareMember member) => new(CurrentKey(group, member.Id), new ShareGroupCurrentMemberAssignmentValue
    {
        MemberEpoch = member.Epoch,
        PreviousMemberEpoch = member.PreviousEpoch,
        AssignedPartitions = [.. member.Assigned.ByTopic().Select(static topic => new ShareGroupCurrentMemberAssignmentValue.TopicPartitions { TopicId = topic.Topic, Partitions = topic.Indexes })],
    });

    public static GroupRecord NoCurrent(string group, string member) => new(CurrentKey(group, member), null);

    /// <summary>Where the group has, or may come to have, a position.</summary>
    public static GroupRecord Positions(string group, IEnumerable<GroupTopic> topics) => new(new ShareGroupStatePartitionMetadataKey { GroupId = group }, new ShareGroupStatePartitionMetadataValue
    {
        InitializedTopics = [.. topics.OrderBy(static topic => topic.Name, StringComparer.Ordinal).Select(static topic => new ShareGroupStatePartitionMetadataValue.TopicPartitionsInfo
        {
            TopicId = topic.Id,
            TopicName = topic.Name,
            Partitions = [.. Enumerable.Range(0, topic.Partitions)],
        })],
    });

    public static GroupRecord NoPositions(string group) => new(new ShareGroupStatePartitionMetadataKey { GroupId = group }, null);

    private static ShareGroupMemberMetadataKey MetadataKey(string group, string member) => new() { GroupId = group, MemberId = member };

    private static ShareGroupTargetAssignmentMemberKey TargetKey(string group, string member) => new() { GroupId = group, MemberId = member };

    private static ShareGroupCurrentMemberAssignmentKey CurrentKey(string group, string member) => new() { GroupId = group, MemberId = member };
}
