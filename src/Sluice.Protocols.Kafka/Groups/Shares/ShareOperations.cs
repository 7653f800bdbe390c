using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Shares;

/// <summary>ShareGroupHeartbeat: members come, say what they read, are told what to read, and go (KIP-932). Under the shard's lock.</summary>
internal sealed class ShareOperations(GroupShard shard, GroupContext context)
{
    private readonly ShareTargets _targets = new(shard, context);

    /// <summary>What can be said of a heartbeat without looking at its group. The refusal; null: it may go on.</summary>
    public static ShareGroupHeartbeatResponse? Refusal(ShareGroupHeartbeatRequest request) => request switch
    {
        { MemberId: "" } => Refused(KafkaErrorCode.InvalidRequest, "MemberId can't be empty."),
        { GroupId: "" } => Refused(KafkaErrorCode.InvalidRequest, "GroupId can't be empty."),
        { RackId: "" } => Refused(KafkaErrorCode.InvalidRequest, "RackId can't be empty."),
        { MemberEpoch: 0, SubscribedTopicNames: null or { Length: 0 } } => Refused(KafkaErrorCode.InvalidRequest, "SubscribedTopicNames must be set in first request."),
        { MemberEpoch: < ShareMember.Leaves } => Refused(KafkaErrorCode.InvalidRequest, "MemberEpoch is invalid."),
        _ => null,
    };

    /// <summary>Handles a heartbeat that <see cref="Refusal"/> lets pass.</summary>
    public ShareGroupHeartbeatResponse Heartbeat(GroupClient client, ShareGroupHeartbeatRequest request, GroupTurn turn)
    {
        Group? found = shard.Find(request.GroupId);
        bool joins = request.MemberEpoch == 0;
        if (found is not (null or ShareGroup) || (found is null && !joins))
        {
            return Refused(KafkaErrorCode.GroupIdNotFound, found is null ? $"Share group {request.GroupId} not found." : $"Group {request.GroupId} is not a share group.");
        }

        var group = found as ShareGroup;
        ShareMember? known = group?.Find(request.MemberId);
        if (request.MemberEpoch == ShareMember.Leaves)
        {
            return Leave(group!, known, request, turn);
        }

        if (Check(group, known, request) is { } refusal)
        {
            return refusal;
        }

        group ??= Create(request.GroupId, turn);
        ShareMember before = known ?? new ShareMember(request.MemberId);
        ShareMember updated = before with
        {
            RackId = request.RackId ?? before.RackId,
            TopicNames = request.SubscribedTopicNames?.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray() ?? before.TopicNames,
            ClientId = client.Id,
            ClientHost = client.Host,
        };
        if (known is null || !updated.HasSameMetadata(before))
        {
            shard.EmitAndApply(turn, ShareRecords.Metadata(group.Id, updated));
        }

        if (known is null)
        {
            context.Logger.LogInformation("Share group {Group}: member {Member} joins", group.Id, updated.Id);
        }

        _targets.Refresh(group, known is null || !updated.HasSameSubscription(before), turn);
        ShareMember member = Reconcile(group, group.Find(updated.Id)!, turn);
        ExtendSession(group, member.Id);
        return new ShareGroupHeartbeatResponse
        {
            MemberId = member.Id,
            MemberEpoch = member.Epoch,
            HeartbeatIntervalMs = Settings(group).HeartbeatIntervalMs,
            Assignment = joins || request.SubscribedTopicNames is not null || !member.Assigned.Equals(before.Assigned) ? AssignmentOf(member) : null,
        };
    }

    /// <summary>ShareGroupDescribe.</summary>
    public ShareGroupDescribeResponse.DescribedGroup Describe(string groupId) => shard.Find(groupId) is not ShareGroup group
        ? new ShareGroupDescribeResponse.DescribedGroup { GroupId = groupId, ErrorCode = KafkaErrorCode.GroupIdNotFound, ErrorMessage = $"Group {groupId} is not a share group." }
        : new ShareGroupDescribeResponse.DescribedGroup
        {
            GroupId = groupId,
            GroupState = group.StateName,
            GroupEpoch = group.Epoch,
            AssignmentEpoch = group.TargetEpoch,
            AssignorName = ShareTargets.Assignor.Name,
            Members = [.. group.Members.Values.OrderBy(static member => member.Id, StringComparer.Ordinal).Select(member => new ShareGroupDescribeResponse.Member
            {
                MemberId = member.Id,
                RackId = member.RackId,
                MemberEpoch = member.Epoch,
                ClientId = member.ClientId,
                ClientHost = member.ClientHost,
                SubscribedTopicNames = [.. member.TopicNames],
                Assignment = new ShareGroupDescribeResponse.Assignment
                {
                    TopicPartitions = [.. member.Assigned.ByTopic().Select(topic => (topic.Topic, context.Topics.Find(topic.Topic)?.Name, topic.Indexes)).Where(static topic => topic.Name is not null)
                        .Select(static topic => new ShareGroupDescribeResponse.TopicPartitionsData { TopicId = topic.Topic, TopicName = topic.Name!, Partitions = topic.Indexes })],
                },
            })],
        };

    /// <summary>The group, without members if it is new; null: there is one of another kind.</summary>
    public ShareGroup? FindOrCreate(string groupId, GroupTurn turn) => shard.Find(groupId) is { } found ? found as ShareGroup : Create(groupId, turn);

    /// <summary>Says in which topics the group has, or may come to have, a position.</summary>
    public void SetTopics(ShareGroup group, IEnumerable<GroupTopic> topics, GroupTurn turn) => shard.EmitAndApply(turn, ShareRecords.Positions(group.Id, topics));

    /// <summary>A topic is gone, and with it all positions in it.</summary>
    public void DeleteTopic(string topic, GroupTurn turn)
    {
        foreach (ShareGroup group in shard.Groups.OfType<ShareGroup>().Where(group => group.Topics.Values.Any(known => known.Name == topic)))
        {
            SetTopics(group, [.. group.Topics.Values.Where(known => known.Name != topic)], turn);
        }
    }

    /// <summary>The group was read from its records: its members must be heard of again.</summary>
    public void OnLoaded(ShareGroup group)
    {
        foreach (ShareMember member in group.Members.Values)
        {
            ExtendSession(group, member.Id);
        }
    }

    private static ShareGroupHeartbeatResponse Refused(KafkaErrorCode error, string message) => new() { ErrorCode = error, ErrorMessage = message };

    private static ShareGroupHeartbeatResponse.AssignmentData AssignmentOf(ShareMember member) => new()
    {
        TopicPartitions = [.. member.Assigned.ByTopic().Select(static topic => new ShareGroupHeartbeatResponse.TopicPartitionsData { TopicId = topic.Topic, Partitions = topic.Indexes })],
    };

    private ShareSettings Settings(ShareGroup group) => context.Configs.SharesOf(group.Id);

    private ShareGroupHeartbeatResponse? Check(ShareGroup? group, ShareMember? known, ShareGroupHeartbeatRequest request)
    {
        if (known is null)
        {
            return request.MemberEpoch != 0 ? Refused(KafkaErrorCode.UnknownMemberId, $"Member {request.MemberId} is not a member of group {request.GroupId}.")
                : group?.Members.Count >= context.Options.ShareMembersMax ? Refused(KafkaErrorCode.GroupMaxSizeReached, $"The share group has reached its maximum capacity of {context.Options.ShareMembersMax} members.")
                : null;
        }

        // A member that has lost its epoch begins anew, and one that has not had the last answer still says the epoch before.
        return request.MemberEpoch == 0 || request.MemberEpoch == known.Epoch || (request.MemberEpoch < known.Epoch && request.MemberEpoch == known.PreviousEpoch) ? null : Refused(
            KafkaErrorCode.FencedMemberEpoch,
            $"The share group member has a {(request.MemberEpoch > known.Epoch ? "greater" : "smaller")} member epoch ({request.MemberEpoch}) than the one known by the group coordinator ({known.Epoch}). The member must abandon all its partitions and rejoin.");
    }

    private ShareGroup Create(string groupId, GroupTurn turn)
    {
        shard.EmitAndApply(turn, ShareRecords.Epoch(groupId, epoch: 0, metadataHash: 0));
        return (ShareGroup)shard.Find(groupId)!;
    }

    private ShareMember Reconcile(ShareGroup group, ShareMember member, GroupTurn turn)
    {
        PartitionSet target = group.TargetOf(member.Id);
        if (member.Epoch != group.TargetEpoch || !member.Assigned.Equals(target))
        {
            // Others may read the same, so nobody has to be waited for.
            shard.EmitAndApply(turn, ShareRecords.Current(group.Id, member with { Epoch = group.TargetEpoch, PreviousEpoch = member.Epoch, Assigned = target }));
        }

        return group.Find(member.Id)!;
    }

    private ShareGroupHeartbeatResponse Leave(ShareGroup group, ShareMember? member, ShareGroupHeartbeatRequest request, GroupTurn turn)
    {
        if (member is null)
        {
            return Refused(KafkaErrorCode.UnknownMemberId, $"Member {request.MemberId} is not a member of group {group.Id}.");
        }

        context.Logger.LogInformation("Share group {Group}: member {Member} leaves", group.Id, member.Id);
        Remove(group, member.Id, turn);
        return new ShareGroupHeartbeatResponse { MemberId = member.Id, MemberEpoch = request.MemberEpoch };
    }

    private void Remove(ShareGroup group, string memberId, GroupTurn turn)
    {
        shard.EmitAndApply(turn, ShareRecords.NoCurrent(group.Id, memberId));
        shard.EmitAndApply(turn, ShareRecords.NoTarget(group.Id, memberId));
        shard.EmitAndApply(turn, ShareRecords.NoMetadata(group.Id, memberId));
        shard.EmitAndApply(turn, ShareRecords.Epoch(group.Id, group.Epoch + 1, _targets.HashOf(group)));
    }

    private void ExtendSession(ShareGroup group, string memberId)
    {
        if (!group.Sessions.TryGetValue(memberId, out GroupTimer? session))
        {
            session = new GroupTimer(turn => Fence(group, memberId, turn));
            group.Sessions.Add(memberId, session);
        }

        context.Timers.Schedule(session, Settings(group).SessionTimeoutMs);
    }

    private void Fence(ShareGroup group, string memberId, GroupTurn turn)
    {
        if (group.Find(memberId) is not null)
        {
            context.Logger.LogInformation("Share group {Group}: member {Member} has not been heard of for its session timeout and is dropped", group.Id, memberId);
            Remove(group, memberId, turn);
        }
    }
}
