using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>ShareGroupHeartbeat, ShareGroupDescribe, and what operators do with the positions of share groups (KIP-932).</summary>
internal sealed class ShareGroupHandler(KafkaServer server)
{
    private const int MemberIdMax = 36;

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, ShareGroupHeartbeatRequest body)
    {
        KafkaErrorCode error = !request.AllowsGroup(AclOperation.Read, body.GroupId) ? KafkaErrorCode.GroupAuthorizationFailed
            : body.MemberId.Length is 0 or > MemberIdMax ? KafkaErrorCode.InvalidRequest
            : body.SubscribedTopicNames?.All(topic => request.AllowsTopic(AclOperation.Describe, topic)) == false ? KafkaErrorCode.TopicAuthorizationFailed
            : KafkaErrorCode.None;
        return error == KafkaErrorCode.None
            ? await server.Groups.HeartbeatAsync(GroupHandler.ClientOf(request), body).ConfigureAwait(false)
            : new ShareGroupHeartbeatResponse { ErrorCode = error };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, ShareGroupDescribeRequest body)
    {
        var described = new List<ShareGroupDescribeResponse.DescribedGroup>(body.GroupIds.Length);
        foreach (string groupId in body.GroupIds)
        {
            ShareGroupDescribeResponse.DescribedGroup group = request.AllowsGroup(AclOperation.Describe, groupId)
                ? await server.Groups.DescribeSharesAsync(groupId).ConfigureAwait(false)
                : new ShareGroupDescribeResponse.DescribedGroup { GroupId = groupId, ErrorCode = KafkaErrorCode.GroupAuthorizationFailed };
            if (!group.Members.All(member => member.SubscribedTopicNames.Concat(member.Assignment.TopicPartitions.Select(static topic => topic.TopicName)).All(topic => request.AllowsTopic(AclOperation.Describe, topic))))
            {
                group = new ShareGroupDescribeResponse.DescribedGroup
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

        return new ShareGroupDescribeResponse { Groups = [.. described] };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, DescribeShareGroupOffsetsRequest body)
    {
        var groups = new List<DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponseGroup>(body.Groups.Length);
        foreach (DescribeShareGroupOffsetsRequest.DescribeShareGroupOffsetsRequestGroup group in body.Groups)
        {
            var described = new DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponseGroup { GroupId = group.GroupId };
            if (!request.AllowsGroup(AclOperation.Describe, group.GroupId))
            {
                described.ErrorCode = KafkaErrorCode.GroupAuthorizationFailed;
            }
            else
            {
                described.Topics = [.. await DescribeAsync(request, group).ConfigureAwait(false)];
            }

            groups.Add(described);
        }

        return new DescribeShareGroupOffsetsResponse { Groups = [.. groups] };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, AlterShareGroupOffsetsRequest body)
    {
        KafkaErrorCode error = !request.AllowsGroup(AclOperation.Read, body.GroupId) ? KafkaErrorCode.GroupAuthorizationFailed : body.GroupId.Length == 0 ? KafkaErrorCode.InvalidGroupId : KafkaErrorCode.None;
        if (error != KafkaErrorCode.None || body.Topics.Length == 0)
        {
            return new AlterShareGroupOffsetsResponse { ErrorCode = error };
        }

        Topic[] allowed = [.. body.Topics.Where(topic => request.AllowsTopic(AclOperation.Read, topic.TopicName)).Select(topic => server.Host?.FindTopic(topic.TopicName)).OfType<Topic>()];
        (error, int epoch) = await server.Groups.RunShareAsync(
            body.GroupId,
            (shares, _, turn) =>
            {
                if (shares.FindOrCreate(body.GroupId, turn) is not { } group)
                {
                    return (KafkaErrorCode.GroupIdNotFound, 0);
                }

                if (!group.IsEmpty)
                {
                    return (KafkaErrorCode.NonEmptyGroup, 0);
                }

                shares.SetTopics(group, [.. group.Topics.Values.Where(known => allowed.All(topic => topic.Id != known.Id)), .. allowed.Select(static topic => new GroupTopic(topic.Name, topic.Id, topic.Partitions.Count))], turn);
                return (KafkaErrorCode.None, group.Epoch);
            },
            static code => (code, 0)).ConfigureAwait(false);
        if (error != KafkaErrorCode.None)
        {
            return new AlterShareGroupOffsetsResponse { ErrorCode = error };
        }

        var responses = new List<AlterShareGroupOffsetsResponse.AlterShareGroupOffsetsResponseTopic>(body.Topics.Length);
        foreach (AlterShareGroupOffsetsRequest.AlterShareGroupOffsetsRequestTopic topic in body.Topics)
        {
            responses.Add(await AlterAsync(request, body.GroupId, topic, epoch).ConfigureAwait(false));
        }

        return new AlterShareGroupOffsetsResponse { Responses = [.. responses] };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, DeleteShareGroupOffsetsRequest body)
    {
        KafkaErrorCode error = !request.AllowsGroup(AclOperation.Delete, body.GroupId) ? KafkaErrorCode.GroupAuthorizationFailed : body.GroupId.Length == 0 ? KafkaErrorCode.InvalidGroupId : KafkaErrorCode.None;
        if (error != KafkaErrorCode.None)
        {
            return new DeleteShareGroupOffsetsResponse { ErrorCode = error };
        }

        HashSet<Guid> deleted = [];
        var responses = new List<DeleteShareGroupOffsetsResponse.DeleteShareGroupOffsetsResponseTopic>(body.Topics.Length);
        error = await server.Groups.RunShareAsync(
            body.GroupId,
            (shares, group, turn) =>
            {
                if (group is not { IsEmpty: true })
                {
                    return group is null ? KafkaErrorCode.GroupIdNotFound : KafkaErrorCode.NonEmptyGroup;
                }

                foreach (DeleteShareGroupOffsetsRequest.DeleteShareGroupOffsetsRequestTopic wanted in body.Topics)
                {
                    Topic? topic = server.Host?.FindTopic(wanted.TopicName);
                    KafkaErrorCode outcome = !request.AllowsTopic(AclOperation.Read, wanted.TopicName) ? KafkaErrorCode.TopicAuthorizationFailed
                        : topic is null || !group.Topics.ContainsKey(topic.Id) ? KafkaErrorCode.UnknownTopicOrPartition
                        : KafkaErrorCode.None;
                    responses.Add(new DeleteShareGroupOffsetsResponse.DeleteShareGroupOffsetsResponseTopic { TopicName = wanted.TopicName, TopicId = outcome == KafkaErrorCode.None ? topic!.Id : Guid.Empty, ErrorCode = outcome });
                    if (outcome == KafkaErrorCode.None)
                    {
                        deleted.Add(topic!.Id);
                    }
                }

                if (deleted.Count > 0)
                {
                    shares.SetTopics(group, [.. group.Topics.Values.Where(known => !deleted.Contains(known.Id))], turn);
                }

                return KafkaErrorCode.None;
            },
            static code => code).ConfigureAwait(false);
        if (error == KafkaErrorCode.None && deleted.Count > 0)
        {
            error = await server.Shares.RemoveAsync(key => key.GroupId == body.GroupId && deleted.Contains(key.TopicId)).ConfigureAwait(false);
        }

        return error == KafkaErrorCode.None ? new DeleteShareGroupOffsetsResponse { Responses = [.. responses] } : new DeleteShareGroupOffsetsResponse { ErrorCode = error };
    }

    private async Task<List<DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponseTopic>> DescribeAsync(KafkaRequest request, DescribeShareGroupOffsetsRequest.DescribeShareGroupOffsetsRequestGroup group)
    {
        IEnumerable<(string Name, int[] Partitions)> wanted = group.Topics?.Select(static topic => (topic.TopicName, topic.Partitions))
            ?? (await server.Groups.RunShareAsync(group.GroupId, static (_, known, _) => known?.Topics.Values.ToArray() ?? [], static _ => []).ConfigureAwait(false))
                .Where(topic => request.SeesTopic(topic.Name)).OrderBy(static topic => topic.Name, StringComparer.Ordinal).Select(static topic => (topic.Name, Enumerable.Range(0, topic.Partitions).ToArray()));
        var topics = new List<DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponseTopic>();
        foreach ((string name, int[] partitions) in wanted)
        {
            Topic? topic = request.SeesTopic(name) ? server.Host?.FindTopic(name) : null;
            var described = new List<DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponsePartition>(partitions.Length);
            foreach (int index in partitions)
            {
                var partition = new DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponsePartition { PartitionIndex = index, StartOffset = -1, Lag = -1 };
                if (!request.AllowsTopic(AclOperation.Describe, name))
                {
                    partition.ErrorCode = KafkaErrorCode.TopicAuthorizationFailed;
                }
                else if (topic?.FindPartition(index) is { } log)
                {
                    (partition.ErrorCode, (long StartOffset, long DoneCount)? position) = await server.Shares.DescribeAsync(new SharePartitionKey(group.GroupId, topic.Id, index)).ConfigureAwait(false);
                    partition.StartOffset = position?.StartOffset ?? -1;
                    partition.Lag = position is { } known ? log.EndOffset - known.StartOffset - known.DoneCount : -1;
                }

                described.Add(partition);
            }

            topics.Add(new DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponseTopic { TopicName = name, TopicId = topic?.Id ?? Guid.Empty, Partitions = [.. described] });
        }

        return topics;
    }

    private async Task<AlterShareGroupOffsetsResponse.AlterShareGroupOffsetsResponseTopic> AlterAsync(KafkaRequest request, string groupId, AlterShareGroupOffsetsRequest.AlterShareGroupOffsetsRequestTopic wanted, int epoch)
    {
        Topic? topic = server.Host?.FindTopic(wanted.TopicName);
        bool isAllowed = request.AllowsTopic(AclOperation.Read, wanted.TopicName);
        var partitions = new List<AlterShareGroupOffsetsResponse.AlterShareGroupOffsetsResponsePartition>(wanted.Partitions.Length);
        foreach (AlterShareGroupOffsetsRequest.AlterShareGroupOffsetsRequestPartition partition in wanted.Partitions)
        {
            partitions.Add(new AlterShareGroupOffsetsResponse.AlterShareGroupOffsetsResponsePartition
            {
                PartitionIndex = partition.PartitionIndex,
                ErrorCode = !isAllowed ? KafkaErrorCode.TopicAuthorizationFailed
                    : topic?.FindPartition(partition.PartitionIndex) is null ? KafkaErrorCode.UnknownTopicOrPartition
                    : partition.StartOffset < 0 ? KafkaErrorCode.InvalidRequest
                    : await server.Shares.ResetAsync(new SharePartitionKey(groupId, topic.Id, partition.PartitionIndex), partition.StartOffset, epoch).ConfigureAwait(false),
            });
        }

        return new AlterShareGroupOffsetsResponse.AlterShareGroupOffsetsResponseTopic { TopicName = wanted.TopicName, TopicId = isAllowed ? topic?.Id ?? Guid.Empty : Guid.Empty, Partitions = [.. partitions] };
    }
}
