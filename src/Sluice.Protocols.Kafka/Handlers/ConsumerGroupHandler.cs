using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>ConsumerGroupHeartbeat, ConsumerGroupDescribe: membership by the protocol of KIP-848.</summary>
internal sealed class ConsumerGroupHandler(GroupCoordinator groups)
{
    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, ConsumerGroupHeartbeatRequest body)
    {
        if (!request.AllowsGroup(AclOperation.Read, body.GroupId))
        {
            return new ConsumerGroupHeartbeatResponse { ErrorCode = KafkaErrorCode.GroupAuthorizationFailed };
        }

        return body.SubscribedTopicNames?.All(topic => request.AllowsTopic(AclOperation.Describe, topic)) == false
            ? new ConsumerGroupHeartbeatResponse { ErrorCode = KafkaErrorCode.TopicAuthorizationFailed }
            : await groups.HeartbeatAsync(GroupHandler.ClientOf(request), body, request.Version, request.SeesTopic).ConfigureAwait(false);
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, ConsumerGroupDescribeRequest body)
    {
        var described = new List<ConsumerGroupDescribeResponse.DescribedGroup>(body.GroupIds.Length);
        foreach (string groupId in body.GroupIds)
        {
            ConsumerGroupDescribeResponse.DescribedGroup group = request.AllowsGroup(AclOperation.Describe, groupId)
                ? await groups.DescribeConsumersAsync(groupId).ConfigureAwait(false)
                : new ConsumerGroupDescribeResponse.DescribedGroup { GroupId = groupId, ErrorCode = KafkaErrorCode.GroupAuthorizationFailed };
            if (!group.Members.All(member => TopicsOf(member).All(topic => request.AllowsTopic(AclOperation.Describe, topic))))
            {
                group = new ConsumerGroupDescribeResponse.DescribedGroup
                {
                    GroupId = groupId,
                    ErrorCode = KafkaErrorCode.TopicAuthorizationFailed,
                    ErrorMessage = "The group has described topic(s) that the client is not authorized to describe.",
                };
            }
            else if (body.IncludeAuthorizedOperations && group.ErrorCode == KafkaErrorCode.None)
            {
                group.AuthorizedOperations = request.GroupOperations(groupId);
            }

            described.Add(group);
        }

        return new ConsumerGroupDescribeResponse { Groups = [.. described] };
    }

    private static IEnumerable<string> TopicsOf(ConsumerGroupDescribeResponse.Member member) =>
        member.Assignment.TopicPartitions.Concat(member.TargetAssignment.TopicPartitions).Select(static topic => topic.TopicName).Concat(member.SubscribedTopicNames);
}
