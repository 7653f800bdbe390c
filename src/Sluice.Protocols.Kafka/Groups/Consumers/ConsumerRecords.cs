using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>The records that a consumer group consists of.</summary>
internal static class ConsumerRecords
{
    public static GroupRecord Epoch(string group, int epoch, long metadataHash) =>
        new(new ConsumerGroupMetadataKey { GroupId = group }, new ConsumerGroupMetadataValue { Epoch = epoch, MetadataHash = metadataHash });

    public static GroupRecord NoEpoch(string group) => new(new ConsumerGroupMetadataKey { GroupId = group }, null);

    public static GroupRecord Metadata(string group, ConsumerMember member) => new(MetadataKey(group, member.Id), new ConsumerGroupMemberMetadataValue
    {
        InstanceId = member.InstanceId,
        RackId = member.RackId,
        ClientId = member.ClientId,
        ClientHost = member.ClientHost,
        SubscribedTopicNames = [.. member.TopicNames],
        SubscribedTopicRegex = member.TopicRegex,
        RebalanceTimeoutMs = member.RebalanceTimeoutMs,
        ServerAssignor = member.Assignor,
        ClassicMemberMetadata = member.Classic?.ToValue(),
    });

    public static GroupRecord NoMetadata(string group, string member) => new(MetadataKey(group, member), null);

    public static GroupRecord TargetEpoch(string group, int epoch, long nowMs) =>
        new(new ConsumerGroupTargetAssignmentMetadataKey { GroupId = group }, new ConsumerGroupTargetAssignmentMetadataValue { AssignmentEpoch = epoch, AssignmentTimestamp = nowMs });

    public static GroupRecord NoTargetEpoch(string group) => new(new ConsumerGroupTargetAssignmentMetadataKey { GroupId = group }, null);

    public static GroupRecord Target(string group, string member, PartitionSet partitions) => new(TargetKey(group, member), new ConsumerGroupTargetAssignmentMemberValue
    {
        TopicPartitions = [.. partitions.ByTopic().Select(static topic => new ConsumerGroupTargetAssignmentMemberValue.TopicPartition { TopicId = topic.Topic, Partitions = topic.Indexes })],
    });

    public static GroupRecord NoTarget(string group, string member) => new(TargetKey(group, member), null);

    public static GroupRecord Current(string group, ConsumerMember member) => new(CurrentKey(group, member.Id), new ConsumerGroupCurrentMemberAssignmentValue
    {
        MemberEpoch = member.Epoch,
        PreviousMemberEpoch = member.PreviousEpoch,
        State = (sbyte)member.State,
        AssignedPartitions = Current(member.Assigned),
        PartitionsPendingRevocation = Current(member.Revoking),
    });

    public static GroupRecord NoCurrent(string group, string member) => new(CurrentKey(group, member), null);

    public static GroupRecord Regex(string group, string regex, IEnumerable<string> topics, long nowMs) => new(
        new ConsumerGroupRegularExpressionKey { GroupId = group, RegularExpression = regex },
        new ConsumerGroupRegularExpressionValue { Topics = [.. topics], Timestamp = nowMs });

    public static GroupRecord NoRegex(string group, string regex) => new(new ConsumerGroupRegularExpressionKey { GroupId = group, RegularExpression = regex }, null);

    private static ConsumerGroupMemberMetadataKey MetadataKey(string group, string member) => new() { GroupId = group, MemberId = member };

    private static ConsumerGroupTargetAssignmentMemberKey TargetKey(string group, string member) => new() { GroupId = group, MemberId = member };

    private static ConsumerGroupCurrentMemberAssignmentKey CurrentKey(string group, string member) => new() { GroupId = group, MemberId = member };

    private static ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions[] Current(PartitionSet partitions) =>
        [.. partitions.ByTopic().Select(static topic => new ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions { TopicId = topic.Topic, Partitions = topic.Indexes })];
}
