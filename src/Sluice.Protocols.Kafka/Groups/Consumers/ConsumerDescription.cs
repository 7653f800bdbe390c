using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>ConsumerGroupDescribe.</summary>
internal static class ConsumerDescription
{
    private const sbyte UsesClassicProtocol = 0, UsesConsumerProtocol = 1;

    /// <param name="group">Null: there is no such group.</param>
    /// <param name="groupId">Its name.</param>
    /// <param name="topics">For the names of topics.</param>
    public static ConsumerGroupDescribeResponse.DescribedGroup Describe(ConsumerGroup? group, string groupId, IGroupTopics topics) => group is null
        ? new ConsumerGroupDescribeResponse.DescribedGroup { GroupId = groupId, ErrorCode = KafkaErrorCode.GroupIdNotFound, ErrorMessage = $"Group {groupId} is not a consumer group or does not exist." }
        : new ConsumerGroupDescribeResponse.DescribedGroup
        {
            GroupId = groupId,
            GroupState = group.StateName,
            GroupEpoch = group.Epoch,
            AssignmentEpoch = group.TargetEpoch,
            AssignorName = group.Members.Values.Select(static member => member.Assignor).OfType<string>().FirstOrDefault(HeartbeatCheck.Assignors[0].Name),
            Members = [.. group.Members.Values.OrderBy(static member => member.Id, StringComparer.Ordinal).Select(member => new ConsumerGroupDescribeResponse.Member
            {
                MemberId = member.Id,
                InstanceId = member.InstanceId,
                RackId = member.RackId,
                MemberEpoch = member.Epoch,
                ClientId = member.ClientId,
                ClientHost = member.ClientHost,
                SubscribedTopicNames = [.. member.TopicNames],
                SubscribedTopicRegex = member.TopicRegex,
                Assignment = Describe(member.Assigned, topics),
                TargetAssignment = Describe(group.TargetOf(member.Id), topics),
                MemberType = member.Classic is null ? UsesConsumerProtocol : UsesClassicProtocol,
            })],
        };

    private static ConsumerGroupDescribeResponse.Assignment Describe(PartitionSet partitions, IGroupTopics topics) => new()
    {
        TopicPartitions = [.. partitions.ByTopic().Select(topic => (topic.Topic, topics.Find(topic.Topic)?.Name, topic.Indexes)).Where(static topic => topic.Name is not null)
            .Select(static topic => new ConsumerGroupDescribeResponse.TopicPartitionsData { TopicId = topic.Topic, TopicName = topic.Name!, Partitions = topic.Indexes })],
    };
}
