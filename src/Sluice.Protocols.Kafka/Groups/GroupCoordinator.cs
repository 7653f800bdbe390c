using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Base.Scheduling;
using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Groups.Classic;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Groups.Shares;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>Serves the requests about groups: finds the shard of each and has it done there. Whoever calls has seen to permissions. Thread-safe.</summary>
internal sealed class GroupCoordinator : IDisposable
{
    private readonly GroupOptions _options;
    private readonly CoordinatorShards<GroupShard> _shards;

    public GroupCoordinator(GroupOptions options, MessageBroker broker, Func<VirtualHost?> host, BufferPool buffers, IScheduler scheduler, TimeProvider clock, ILogger logger, Func<Guid> newId)
    {
        _options = options;
        Topics = new HostGroupTopics(host);
        Configs = new GroupConfigs(broker.Store.Metadata);
        _shards = new CoordinatorShards<GroupShard>(host, new InternalTopic(InternalTopics.Offsets, options.OffsetsTopicPartitions), scheduler, logger, newId, partition =>
            new GroupShard(partition, broker.Store, broker.Options.DurablePromise, options, Topics, Configs, buffers, scheduler, clock, logger, newId));
    }

    public IGroupTopics Topics { get; }

    /// <summary>Where groups are kept.</summary>
    public InternalTopic Kept => _shards.Kept;

    /// <summary>What groups were configured to.</summary>
    public GroupConfigs Configs { get; }

    /// <summary>Starts to read the groups that there are, so that members of before the start are known, and missed if they don't come back.</summary>
    public void Start() => _ = _shards.All;

    /// <summary>Done when the groups that there were at the start are read.</summary>
    public Task WhenLoadedAsync() => _shards.WhenLoadedAsync();

    public async Task<JoinGroupResponse> JoinAsync(GroupClient client, JoinGroupRequest request, short version)
    {
        KafkaErrorCode error = request.GroupId.Length == 0 ? KafkaErrorCode.InvalidGroupId
            : request.SessionTimeoutMs < _options.SessionTimeoutMinMs || request.SessionTimeoutMs > _options.SessionTimeoutMaxMs ? KafkaErrorCode.InvalidSessionTimeout
            : KafkaErrorCode.None;
        if (error != KafkaErrorCode.None)
        {
            return Refused(error);
        }

        if (version == 0)
        {
            request.RebalanceTimeoutMs = request.SessionTimeoutMs;
        }

        if (await _shards.OpenAsync(request.GroupId).ConfigureAwait(false) is not { } shard)
        {
            return Refused(KafkaErrorCode.CoordinatorNotAvailable);
        }

        var answer = new GroupAnswer<JoinGroupResponse>(Refused);
        shard.Run(answer, turn => Join(shard, client, request, version, answer, turn));
        return await answer.Task.ConfigureAwait(false);

        JoinGroupResponse Refused(KafkaErrorCode code) => new() { ErrorCode = code, MemberId = request.MemberId };
    }

    public async Task<SyncGroupResponse> SyncAsync(SyncGroupRequest request, short version)
    {
        if (request.GroupId.Length == 0)
        {
            return Refused(KafkaErrorCode.InvalidGroupId);
        }

        if (await _shards.OpenAsync(request.GroupId).ConfigureAwait(false) is not { } shard)
        {
            return Refused(KafkaErrorCode.CoordinatorNotAvailable);
        }

        var answer = new GroupAnswer<SyncGroupResponse>(Refused);
        shard.Run(answer, turn =>
        {
            switch (shard.Find(request.GroupId))
            {
                case ClassicGroup group:
                    shard.Membership.Sync(group, request, version, answer, turn);
                    break;
                case ConsumerGroup group:
                    turn.Answer(answer, shard.ClassicInConsumers.Sync(group, request, turn));
                    break;
                default:
                    turn.Answer(answer, Refused(KafkaErrorCode.UnknownMemberId));
                    break;
            }
        });
        return await answer.Task.ConfigureAwait(false);

        static SyncGroupResponse Refused(KafkaErrorCode code) => new() { ErrorCode = code };
    }

    /// <param name="client">Who sends it.</param>
    /// <param name="request">The heartbeat.</param>
    /// <param name="version">Of the request.</param>
    /// <param name="mayDescribe">Whether the client may know of a topic.</param>
    public async Task<ConsumerGroupHeartbeatResponse> HeartbeatAsync(GroupClient client, ConsumerGroupHeartbeatRequest request, short version, Func<string, bool> mayDescribe) =>
        HeartbeatCheck.Refusal(request, version) ?? await RunAsync(
            request.GroupId,
            (shard, turn) =>
            {
                turn.TellsOfEarlier = true;
                return shard.Consumers.Heartbeat(client, request, mayDescribe, turn);
            },
            static code => new ConsumerGroupHeartbeatResponse { ErrorCode = code }).ConfigureAwait(false);

    public async Task<ShareGroupHeartbeatResponse> HeartbeatAsync(GroupClient client, ShareGroupHeartbeatRequest request) => ShareOperations.Refusal(request) ?? await RunAsync(
        request.GroupId,
        (shard, turn) =>
        {
            turn.TellsOfEarlier = true;
            return shard.Shares.Heartbeat(client, request, turn);
        },
        static code => new ShareGroupHeartbeatResponse { ErrorCode = code }).ConfigureAwait(false);

    public Task<ShareGroupDescribeResponse.DescribedGroup> DescribeSharesAsync(string groupId) => RunAsync(
        groupId,
        (shard, turn) =>
        {
            turn.TellsOfEarlier = true;
            return shard.Shares.Describe(groupId);
        },
        code => new ShareGroupDescribeResponse.DescribedGroup { GroupId = groupId, ErrorCode = code });

    /// <summary>Does something with a share group and what else there is in its shard, and answers with what it comes to.</summary>
    public Task<T> RunShareAsync<T>(string groupId, Func<ShareOperations, ShareGroup?, GroupTurn, T> operation, Func<KafkaErrorCode, T> refuse) => RunAsync(
        groupId,
        (shard, turn) =>
        {
            turn.TellsOfEarlier = true;
            return operation(shard.Shares, shard.Find(groupId) as ShareGroup, turn);
        },
        refuse);

    public Task<ConsumerGroupDescribeResponse.DescribedGroup> DescribeConsumersAsync(string groupId) => RunAsync(
        groupId,
        (shard, turn) =>
        {
            turn.TellsOfEarlier = true;
            return ConsumerDescription.Describe(shard.Find(groupId) as ConsumerGroup, groupId, Topics);
        },
        code => new ConsumerGroupDescribeResponse.DescribedGroup { GroupId = groupId, ErrorCode = code });

    public Task<HeartbeatResponse> HeartbeatAsync(HeartbeatRequest request) => RunAsync(
        request.GroupId,
        (shard, turn) => new HeartbeatResponse
        {
            ErrorCode = shard.Find(request.GroupId) switch
            {
                ClassicGroup group => shard.Membership.Heartbeat(group, request),
                ConsumerGroup group => shard.ClassicInConsumers.Heartbeat(group, request, turn),
                _ => KafkaErrorCode.UnknownMemberId,
            },
        },

        // While groups are read nothing can be said of the member, and no error would help it.
        static code => new HeartbeatResponse { ErrorCode = code == KafkaErrorCode.CoordinatorLoadInProgress ? KafkaErrorCode.None : code });

    public Task<LeaveGroupResponse> LeaveAsync(string groupId, LeaveGroupRequest.MemberIdentity[] leaving) => RunAsync(
        groupId,
        (shard, turn) => new LeaveGroupResponse
        {
            Members = shard.Find(groupId) switch
            {
                ClassicGroup group => shard.Membership.Leave(group, leaving, turn),
                ConsumerGroup group => shard.ClassicInConsumers.Leave(group, leaving, turn),
                _ => [.. leaving.Select(static member => new LeaveGroupResponse.MemberResponse
                {
                    MemberId = member.MemberId,
                    GroupInstanceId = member.GroupInstanceId,
                    ErrorCode = KafkaErrorCode.UnknownMemberId,
                })],
            },
        },
        static code => new LeaveGroupResponse { ErrorCode = code });

    /// <summary>Writes into each item's result what became of it; done when what was committed is kept.</summary>
    public async Task CommitAsync(OffsetCommitRequest request, short version, IReadOnlyList<CommitItem> items)
    {
        KafkaErrorCode error = await RunAsync(
            request.GroupId,
            (shard, turn) =>
            {
                shard.OffsetOperations.Commit(request, version, items, turn);
                return KafkaErrorCode.None;
            },
            static code => code,
            emptyIsGroup: true).ConfigureAwait(false);
        if (error != KafkaErrorCode.None)
        {
            foreach (CommitItem item in items)
            {
                item.Result.ErrorCode = error;
            }
        }
    }

    /// <param name="request">What is asked for.</param>
    /// <param name="requiresStable">An offset that a transaction is about to replace is refused instead of told (KIP-447).</param>
    public Task<OffsetFetchResponse.OffsetFetchResponseGroup> FetchAsync(OffsetFetchRequest.OffsetFetchRequestGroup request, bool requiresStable = false) => RunAsync(
        request.GroupId,
        (shard, turn) => shard.OffsetOperations.Fetch(request, requiresStable, turn),
        code => new OffsetFetchResponse.OffsetFetchResponseGroup { GroupId = request.GroupId, ErrorCode = code },
        emptyIsGroup: true);

    public Task<OffsetDeleteResponse> DeleteOffsetsAsync(OffsetDeleteRequest request) => RunAsync(
        request.GroupId,
        (shard, turn) => shard.OffsetOperations.Delete(request, turn),
        static code => new OffsetDeleteResponse { ErrorCode = code });

    /// <summary>The group in the state that it has.</summary>
    public Task<DescribeGroupsResponse.DescribedGroup> DescribeAsync(string groupId, short version) => RunAsync(
        groupId,
        (shard, turn) =>
        {
            turn.TellsOfEarlier = true;
            return ClassicDescription.Describe(shard.Find(groupId) as ClassicGroup, groupId, version);
        },
        code => new DescribeGroupsResponse.DescribedGroup { GroupId = groupId, ErrorCode = code });

    public Task<KafkaErrorCode> DeleteAsync(string groupId) => RunAsync(
        groupId,
        (shard, turn) =>
        {
            if (shard.Find(groupId) is not { } group)
            {
                return KafkaErrorCode.GroupIdNotFound;
            }

            if (!group.IsEmpty)
            {
                return KafkaErrorCode.NonEmptyGroup;
            }

            shard.OffsetOperations.DeleteAll(groupId, turn);
            shard.Remove(group, turn);
            return KafkaErrorCode.None;
        },
        static code => code,
        emptyIsGroup: true);

    /// <summary>All groups; an error if some can't be told of.</summary>
    public async Task<ListGroupsResponse> ListAsync()
    {
        var response = new ListGroupsResponse();
        var groups = new List<ListGroupsResponse.ListedGroup>();
        foreach (GroupShard shard in _shards.All)
        {
            KafkaErrorCode error = await shard.RunAsync(
                turn =>
                {
                    turn.TellsOfEarlier = true;
                    groups.AddRange(shard.Groups.Select(static group => new ListGroupsResponse.ListedGroup
                    {
                        GroupId = group.Id,
                        ProtocolType = group.ProtocolType,
                        GroupState = group.StateName,
                        GroupType = group.Type,
                    }));
                    return KafkaErrorCode.None;
                },
                static code => code).ConfigureAwait(false);
            response.ErrorCode = error == KafkaErrorCode.None ? response.ErrorCode : error;
        }

        response.Groups = response.ErrorCode == KafkaErrorCode.None ? [.. groups] : [];
        return response;
    }

    /// <summary>A topic is gone: its offsets are forgotten.</summary>
    public async Task OnTopicDeletedAsync(string topic)
    {
        foreach (GroupShard shard in _shards.All)
        {
            await shard.RunAsync(
                turn =>
                {
                    shard.OffsetOperations.DeleteTopic(topic, turn);
                    shard.Shares.DeleteTopic(topic, turn);
                    return true;
                },
                static _ => false).ConfigureAwait(false);
        }
    }

    /// <summary>Those there are; none before there was a group.</summary>
    public IReadOnlyList<GroupShard> Shards => _shards.All;

    /// <summary>The shard of a group; null before there was any group.</summary>
    public GroupShard? FindShard(string groupId) => _shards.Find(groupId);

    /// <summary>The shard of a group; null if there is no place for groups.</summary>
    public ValueTask<GroupShard?> OpenShardAsync(string groupId) => _shards.OpenAsync(groupId);

    /// <summary>The shard that a partition keeps; null if the partition is not one of the internal topic.</summary>
    public GroupShard? ShardOf(TopicPartition partition) =>
        partition.Topic.Name == InternalTopics.Offsets ? _shards.All.FirstOrDefault(shard => ReferenceEquals(shard.Partition, partition)) : null;

    public void Dispose() => _shards.Dispose();

    private static void Join(GroupShard shard, GroupClient client, JoinGroupRequest request, short version, GroupAnswer<JoinGroupResponse> answer, GroupTurn turn)
    {
        Group? found = shard.Find(request.GroupId);
        bool isNew = found is null;
        if (found is ShareGroup)
        {
            turn.Answer(answer, new JoinGroupResponse { ErrorCode = KafkaErrorCode.InconsistentGroupProtocol, MemberId = request.MemberId });
            return;
        }

        if (found is ConsumerGroup consumers)
        {
            if (!found.IsEmpty)
            {
                turn.Answer(answer, shard.ClassicInConsumers.Join(shard, consumers, client, request, version, turn));
                return;
            }

            // Nobody uses the new protocol here any more; the offsets stay.
            shard.Remove(found, turn);
            found = null;
            isNew = true;
        }

        if (isNew && request.MemberId.Length > 0)
        {
            turn.Answer(answer, new JoinGroupResponse { ErrorCode = KafkaErrorCode.UnknownMemberId, MemberId = request.MemberId });
            return;
        }

        ClassicGroup group = found as ClassicGroup ?? shard.AddClassic(request.GroupId);
        shard.Joins.Join(group, client, request, version, answer, turn);
        if (isNew && turn.Records.All(static record => record.Value is null))
        {
            // That the group is there is known from now on, although nobody may become a member.
            turn.Emit(ClassicGroup.EmptyRecord(group));
        }
    }

    private async Task<T> RunAsync<T>(string groupId, Func<GroupShard, GroupTurn, T> operation, Func<KafkaErrorCode, T> refuse, bool emptyIsGroup = false)
    {
        if (groupId.Length == 0 && !emptyIsGroup)
        {
            return refuse(KafkaErrorCode.InvalidGroupId);
        }

        return await _shards.OpenAsync(groupId).ConfigureAwait(false) is { } shard
            ? await shard.RunAsync(turn => operation(shard, turn), refuse).ConfigureAwait(false)
            : refuse(KafkaErrorCode.CoordinatorNotAvailable);
    }
}
