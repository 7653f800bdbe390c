using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>OffsetCommit, OffsetFetch, OffsetDelete: where groups are. Topics by name, or by id from version 10 on (KIP-848).</summary>
internal sealed class OffsetsHandler(GroupCoordinator groups)
{
    private const short TopicIds = 10, ManyGroups = 8;

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, OffsetCommitRequest body)
    {
        var items = new List<CommitItem>();
        var topics = new OffsetCommitResponse.OffsetCommitResponseTopic[body.Topics.Length];
        for (int i = 0; i < topics.Length; i++)
        {
            OffsetCommitRequest.OffsetCommitRequestTopic wanted = body.Topics[i];
            (GroupTopic? topic, KafkaErrorCode error) = Find(request, wanted.Name, wanted.TopicId, known => request.AllowsTopic(AclOperation.Read, known));
            error = request.AllowsGroup(AclOperation.Read, body.GroupId) ? error : KafkaErrorCode.GroupAuthorizationFailed;
            topics[i] = new OffsetCommitResponse.OffsetCommitResponseTopic
            {
                Name = wanted.Name,
                TopicId = wanted.TopicId,
                Partitions = [.. wanted.Partitions.Select(partition => new OffsetCommitResponse.OffsetCommitResponsePartition { PartitionIndex = partition.PartitionIndex, ErrorCode = error })],
            };
            if (error != KafkaErrorCode.None)
            {
                continue;
            }

            foreach ((OffsetCommitRequest.OffsetCommitRequestPartition partition, OffsetCommitResponse.OffsetCommitResponsePartition result) in wanted.Partitions.Zip(topics[i].Partitions))
            {
                if ((uint)partition.PartitionIndex < (uint)topic!.Value.Partitions)
                {
                    items.Add(new CommitItem(topic.Value, partition, result));
                }
                else
                {
                    result.ErrorCode = KafkaErrorCode.UnknownTopicOrPartition;
                }
            }
        }

        if (items.Count > 0)
        {
            await groups.CommitAsync(body, request.Version, items).ConfigureAwait(false);
        }

        return new OffsetCommitResponse { Topics = topics };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, OffsetFetchRequest body)
    {
        if (request.Version >= ManyGroups)
        {
            var responses = new List<OffsetFetchResponse.OffsetFetchResponseGroup>(body.Groups.Length);
            foreach (OffsetFetchRequest.OffsetFetchRequestGroup group in body.Groups)
            {
                responses.Add(await FetchAsync(request, group, body.RequireStable).ConfigureAwait(false));
            }

            return new OffsetFetchResponse { Groups = [.. responses] };
        }

        OffsetFetchResponse.OffsetFetchResponseGroup fetched = await FetchAsync(request, new OffsetFetchRequest.OffsetFetchRequestGroup
        {
            GroupId = body.GroupId,
            Topics = body.Topics is null ? null : [.. body.Topics.Select(static topic => new OffsetFetchRequest.OffsetFetchRequestTopics { Name = topic.Name, PartitionIndexes = topic.PartitionIndexes })],
        }, body.RequireStable).ConfigureAwait(false);
        if (request.Version < 2 && fetched.ErrorCode != KafkaErrorCode.None)
        {
            // It has a place for errors at the partitions only.
            fetched.Topics = [.. (body.Topics ?? []).Select(topic => Refused(topic.Name, Guid.Empty, topic.PartitionIndexes, fetched.ErrorCode))];
        }

        return new OffsetFetchResponse
        {
            ErrorCode = fetched.ErrorCode,
            Topics = [.. fetched.Topics.Select(static topic => new OffsetFetchResponse.OffsetFetchResponseTopic
            {
                Name = topic.Name,
                Partitions = [.. topic.Partitions.Select(static partition => new OffsetFetchResponse.OffsetFetchResponsePartition
                {
                    PartitionIndex = partition.PartitionIndex,
                    CommittedOffset = partition.CommittedOffset,
                    CommittedLeaderEpoch = partition.CommittedLeaderEpoch,
                    Metadata = partition.Metadata,
                    ErrorCode = partition.ErrorCode,
                })],
            })],
        };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, OffsetDeleteRequest body)
    {
        if (!request.AllowsGroup(AclOperation.Delete, body.GroupId))
        {
            return new OffsetDeleteResponse { ErrorCode = KafkaErrorCode.GroupAuthorizationFailed };
        }

        KafkaErrorCode[] errors = [.. body.Topics.Select(topic => Find(request, topic.Name, Guid.Empty, known => request.AllowsTopic(AclOperation.Read, known)).Error)];
        OffsetDeleteResponse response = await groups.DeleteOffsetsAsync(new OffsetDeleteRequest
        {
            GroupId = body.GroupId,
            Topics = [.. body.Topics.Where((_, i) => errors[i] == KafkaErrorCode.None)],
        }).ConfigureAwait(false);
        if (response.ErrorCode == KafkaErrorCode.None)
        {
            response.Topics = [.. response.Topics, .. body.Topics.Zip(errors).Where(static pair => pair.Second != KafkaErrorCode.None).Select(static pair => new OffsetDeleteResponse.OffsetDeleteResponseTopic
            {
                Name = pair.First.Name,
                Partitions = [.. pair.First.Partitions.Select(partition => new OffsetDeleteResponse.OffsetDeleteResponsePartition { PartitionIndex = partition.PartitionIndex, ErrorCode = pair.Second })],
            })];
        }

        return response;
    }

    private static OffsetFetchResponse.OffsetFetchResponseTopics Refused(string name, Guid id, int[] partitions, KafkaErrorCode error) => new()
    {
        Name = name,
        TopicId = id,
        Partitions = [.. partitions.Select(partition => new OffsetFetchResponse.OffsetFetchResponsePartitions { PartitionIndex = partition, CommittedOffset = -1, Metadata = "", ErrorCode = error })],
    };

    private (GroupTopic? Topic, KafkaErrorCode Error) Find(KafkaRequest request, string name, Guid id, Func<string, bool> mayUse)
    {
        bool byId = request.Api.Key != KafkaApiKey.OffsetDelete && request.Version >= TopicIds;
        GroupTopic? topic = byId ? groups.Topics.Find(id) : groups.Topics.Find(name);
        return byId && topic is null ? (null, KafkaErrorCode.UnknownTopicId)
            : !mayUse(topic?.Name ?? name) ? (null, KafkaErrorCode.TopicAuthorizationFailed)
            : topic is null ? (null, KafkaErrorCode.UnknownTopicOrPartition)
            : (topic, KafkaErrorCode.None);
    }

    private async ValueTask<OffsetFetchResponse.OffsetFetchResponseGroup> FetchAsync(KafkaRequest request, OffsetFetchRequest.OffsetFetchRequestGroup group, bool requiresStable)
    {
        if (!request.AllowsGroup(AclOperation.Describe, group.GroupId))
        {
            return new OffsetFetchResponse.OffsetFetchResponseGroup { GroupId = group.GroupId, ErrorCode = KafkaErrorCode.GroupAuthorizationFailed };
        }

        var refused = new List<OffsetFetchResponse.OffsetFetchResponseTopics>();
        var wanted = new List<OffsetFetchRequest.OffsetFetchRequestTopics>();
        foreach (OffsetFetchRequest.OffsetFetchRequestTopics topic in group.Topics ?? [])
        {
            (GroupTopic? known, KafkaErrorCode error) = Find(request, topic.Name, topic.TopicId, known => request.AllowsTopic(AclOperation.Describe, known));
            if (error is KafkaErrorCode.None or KafkaErrorCode.UnknownTopicOrPartition)
            {
                // Of a topic that is gone offsets may be left; by its name they can be asked for.
                wanted.Add(new OffsetFetchRequest.OffsetFetchRequestTopics { Name = known?.Name ?? topic.Name, PartitionIndexes = topic.PartitionIndexes });
            }
            else
            {
                refused.Add(Refused(topic.Name, topic.TopicId, topic.PartitionIndexes, error));
            }
        }

        bool wantsAll = group.Topics is null;
        OffsetFetchResponse.OffsetFetchResponseGroup response = await groups.FetchAsync(new OffsetFetchRequest.OffsetFetchRequestGroup
        {
            GroupId = group.GroupId,
            MemberId = group.MemberId,
            MemberEpoch = group.MemberEpoch,
            Topics = wantsAll ? null : [.. wanted],
        }, requiresStable).ConfigureAwait(false);
        if (response.ErrorCode == KafkaErrorCode.None)
        {
            response.Topics = wantsAll
                ? [.. response.Topics.Where(topic => request.SeesTopic(topic.Name) && (request.Version < TopicIds || topic.TopicId != Guid.Empty))]
                : [.. response.Topics, .. refused];
        }

        return response;
    }
}
