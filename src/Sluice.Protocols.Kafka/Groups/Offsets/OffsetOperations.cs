using Sluice.Protocols.Kafka.Groups.Classic;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Offsets;

/// <summary>OffsetCommit, OffsetFetch, OffsetDelete, and the end of offsets that nobody has moved for long. Under the shard's lock.</summary>
internal sealed class OffsetOperations(GroupShard shard, GroupContext context, ClassicRebalance rebalance)
{
    private const short SaysGroupNotFound = 9;
    private const long DefaultRetention = -1;

    /// <summary>Commits what is allowed and says of each partition what became of it.</summary>
    public void Commit(OffsetCommitRequest request, short version, IReadOnlyList<CommitItem> items, GroupTurn turn)
    {
        KafkaErrorCode error = Check(request, version);
        long now = context.NowMs;
        foreach (CommitItem item in items)
        {
            string metadata = item.Request.CommittedMetadata ?? "";
            item.Result.ErrorCode = error != KafkaErrorCode.None ? error
                : metadata.Length > context.Options.OffsetMetadataMax ? KafkaErrorCode.OffsetMetadataTooLarge
                : KafkaErrorCode.None;
            if (item.Result.ErrorCode == KafkaErrorCode.None)
            {
                long expireMs = request.RetentionTimeMs == DefaultRetention ? -1 : now + request.RetentionTimeMs;
                var offset = new CommittedOffset(item.Request.CommittedOffset, item.Request.CommittedLeaderEpoch, metadata, now, expireMs, item.Topic.Id);
                shard.EmitAndApply(turn, offset.ToRecord(request.GroupId, item.Topic.Name, item.Request.PartitionIndex));
            }
        }
    }

    /// <summary>What the group has committed for the partitions asked for; for all it has if none are named. Names and ids are both in the answer.</summary>
    public OffsetFetchResponse.OffsetFetchResponseGroup Fetch(OffsetFetchRequest.OffsetFetchRequestGroup request, bool requiresStable, GroupTurn turn)
    {
        turn.TellsOfEarlier = true;
        var response = new OffsetFetchResponse.OffsetFetchResponseGroup { GroupId = request.GroupId };
        Group? group = shard.Find(request.GroupId);
        response.ErrorCode = group?.CheckFetch(request.MemberId, request.MemberEpoch) ?? (request is { MemberEpoch: >= 0, MemberId: not null } ? KafkaErrorCode.UnknownMemberId : KafkaErrorCode.None);
        if (response.ErrorCode != KafkaErrorCode.None)
        {
            return response;
        }

        IEnumerable<(string Topic, IEnumerable<int> Partitions)> wanted = request.Topics is { } topics
            ? topics.Select(static topic => (topic.Name, topic.PartitionIndexes.AsEnumerable()))
            : shard.Offsets.Of(request.GroupId).Keys.GroupBy(static key => key.Topic, static key => key.Partition, StringComparer.Ordinal)
                .OrderBy(static topic => topic.Key, StringComparer.Ordinal).Select(static topic => (topic.Key, topic.Order().AsEnumerable()));
        response.Topics = [.. wanted.Select(topic => Fetch(request.GroupId, topic.Topic, topic.Partitions, requiresStable))];
        return response;
    }

    /// <summary>Forgets offsets of topics that no member reads.</summary>
    public OffsetDeleteResponse Delete(OffsetDeleteRequest request, GroupTurn turn)
    {
        Group? group = shard.Find(request.GroupId);
        KafkaErrorCode error = group?.CheckOffsetDelete() ?? KafkaErrorCode.GroupIdNotFound;
        if (error != KafkaErrorCode.None)
        {
            return new OffsetDeleteResponse { ErrorCode = error };
        }

        return new OffsetDeleteResponse
        {
            Topics = [.. request.Topics.Select(topic => new OffsetDeleteResponse.OffsetDeleteResponseTopic
            {
                Name = topic.Name,
                Partitions = [.. topic.Partitions.Select(partition => new OffsetDeleteResponse.OffsetDeleteResponsePartition
                {
                    PartitionIndex = partition.PartitionIndex,
                    ErrorCode = Delete(group!, topic.Name, partition.PartitionIndex, turn),
                })],
            })],
        };
    }

    /// <summary>Forgets all of the group's offsets.</summary>
    public void DeleteAll(string group, GroupTurn turn)
    {
        foreach (TopicIndex key in shard.Offsets.Of(group).Keys.Union(shard.Pending.Of(group)).ToArray())
        {
            Remove(group, key, turn);
        }
    }

    /// <summary>A topic is gone: forgets what groups have committed for it.</summary>
    public void DeleteTopic(string topic, GroupTurn turn)
    {
        foreach (string group in shard.Offsets.Groups.Union(shard.Pending.Groups, StringComparer.Ordinal).ToArray())
        {
            foreach (TopicIndex key in shard.Offsets.Of(group).Keys.Union(shard.Pending.Of(group)).Where(key => key.Topic == topic).ToArray())
            {
                Remove(group, key, turn);
            }
        }
    }

    /// <summary>Forgets offsets whose time is over (KIP-211, KIP-496), and groups that have neither members nor offsets.</summary>
    public void Expire(GroupTurn turn)
    {
        long now = context.NowMs;
        foreach (Group group in shard.Groups.ToArray())
        {
            foreach ((TopicIndex key, CommittedOffset offset) in shard.Offsets.Of(group.Id).ToArray())
            {
                if (!group.IsSubscribedTo(key.Topic) && !shard.Pending.Has(group.Id, key) && group.RetentionStart(offset.CommitMs) is { } start
                    && (offset.ExpireMs >= 0 ? now >= offset.ExpireMs : now - start >= context.Options.OffsetsRetentionMs))
                {
                    Remove(group.Id, key, turn);
                }
            }

            if (group.ExpiresWithoutOffsets && group.IsEmpty && shard.Offsets.Of(group.Id).Count == 0 && !shard.Pending.Of(group.Id).Any())
            {
                shard.Remove(group, turn);
            }
        }
    }

    private KafkaErrorCode Check(OffsetCommitRequest request, short version)
    {
        if (shard.Find(request.GroupId) is not { } group)
        {
            if (request.GenerationIdOrMemberEpoch >= 0)
            {
                return version >= SaysGroupNotFound ? KafkaErrorCode.GroupIdNotFound : KafkaErrorCode.IllegalGeneration;
            }

            // Whoever assigns partitions by itself needs no more of a group than its offsets.
            group = shard.AddClassic(request.GroupId);
        }

        KafkaErrorCode error = group.CheckCommit(request.MemberId, request.GroupInstanceId, request.GenerationIdOrMemberEpoch, version);
        if (error == KafkaErrorCode.None && group is ClassicGroup { State: ClassicGroupState.Stable or ClassicGroupState.PreparingRebalance } classic
            && classic.Find(request.MemberId) is { } member)
        {
            rebalance.ExtendSession(classic, member);
        }

        return error;
    }

    private OffsetFetchResponse.OffsetFetchResponseTopics Fetch(string group, string topic, IEnumerable<int> partitions, bool requiresStable)
    {
        Guid id = context.Topics.Find(topic)?.Id ?? Guid.Empty;
        return new OffsetFetchResponse.OffsetFetchResponseTopics
        {
            Name = topic,
            TopicId = id,
            Partitions = [.. partitions.Select(partition =>
            {
                if (requiresStable && shard.Pending.Has(group, new TopicIndex(topic, partition)))
                {
                    return new OffsetFetchResponse.OffsetFetchResponsePartitions { PartitionIndex = partition, CommittedOffset = -1, Metadata = "", ErrorCode = KafkaErrorCode.UnstableOffsetCommit };
                }

                // An offset of an earlier topic of that name says nothing of this one.
                CommittedOffset? offset = shard.Offsets.Find(group, topic, partition) is { } found && (found.TopicId == Guid.Empty || id == Guid.Empty || found.TopicId == id) ? found : null;
                return new OffsetFetchResponse.OffsetFetchResponsePartitions
                {
                    PartitionIndex = partition,
                    CommittedOffset = offset?.Offset ?? -1,
                    CommittedLeaderEpoch = offset?.LeaderEpoch ?? -1,
                    Metadata = offset?.Metadata ?? "",
                };
            })],
        };
    }

    private KafkaErrorCode Delete(Group group, string topic, int partition, GroupTurn turn)
    {
        if (group.IsSubscribedTo(topic))
        {
            return KafkaErrorCode.GroupSubscribedToTopic;
        }

        if (shard.Offsets.Find(group.Id, topic, partition) is not null)
        {
            Remove(group.Id, new TopicIndex(topic, partition), turn);
        }

        return KafkaErrorCode.None;
    }

    private void Remove(string group, TopicIndex key, GroupTurn turn) =>
        shard.EmitAndApply(turn, new GroupRecord(new OffsetCommitKey { Group = group, Topic = key.Topic, Partition = key.Partition }, null));
}

/// <summary>One partition of an OffsetCommit that the client may commit.</summary>
/// <param name="Topic">There is such a topic.</param>
/// <param name="Request">What is to be committed.</param>
/// <param name="Result">Where to say what became of it.</param>
internal readonly record struct CommitItem(GroupTopic Topic, OffsetCommitRequest.OffsetCommitRequestPartition Request, OffsetCommitResponse.OffsetCommitResponsePartition Result);
