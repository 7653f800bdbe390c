using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Groups.Classic;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>ConsumerGroupHeartbeat: members come, say what they read, are told what to read, and go (KIP-848). Under the shard's lock.</summary>
internal sealed class ConsumerOperations(GroupShard shard, GroupContext context)
{
    private readonly ConsumerTargets _targets = new(shard, context);

    /// <summary>Handles a heartbeat that <see cref="HeartbeatCheck"/> lets pass.</summary>
    /// <param name="client">Who sends it.</param>
    /// <param name="request">The heartbeat.</param>
    /// <param name="mayDescribe">Whether the client may know of a topic.</param>
    /// <param name="turn">What it leads to.</param>
    public ConsumerGroupHeartbeatResponse Heartbeat(GroupClient client, ConsumerGroupHeartbeatRequest request, Func<string, bool> mayDescribe, GroupTurn turn)
    {
        ConsumerGroup? group = shard.Find(request.GroupId) as ConsumerGroup;
        bool joins = request.MemberEpoch == 0;
        if (group is null && (!joins || shard.Find(request.GroupId) is not (null or ClassicGroup { IsEmpty: true })))
        {
            return HeartbeatCheck.Refused(KafkaErrorCode.GroupIdNotFound, $"Group {request.GroupId} is not a consumer group or does not exist.");
        }

        if (request.MemberEpoch < 0)
        {
            return Leave(group!, request, turn);
        }

        string memberId = request.MemberId.Length > 0 ? request.MemberId : context.NewId().ToString();
        PartitionSet? owned = request.TopicPartitions is { } partitions ? PartitionSet.Of(partitions) : null;
        if (Check(group, request, memberId, owned) is { } refusal)
        {
            return refusal;
        }

        group ??= Create(request.GroupId, turn);
        ConsumerMember before = Enter(group, request, memberId, turn);
        ConsumerMember updated = Update(before, client, request);
        bool isChanged = group.Find(memberId) is null || !updated.HasSameSubscription(before);
        if (group.Find(memberId) is null || !updated.HasSameMetadata(before))
        {
            shard.EmitAndApply(turn, ConsumerRecords.Metadata(group.Id, updated));
        }

        _targets.Refresh(group, isChanged, mayDescribe, turn);
        if (group.Epoch > group.TargetEpoch)
        {
            _targets.Compute(group, turn);
        }

        ConsumerMember member = group.Find(memberId)!;
        ConsumerMember reconciled = Reconcile(group, member, owned, turn);
        ExtendSession(group, memberId);
        bool isFull = joins || (request.RebalanceTimeoutMs != -1 && (request.SubscribedTopicNames is not null || request.SubscribedTopicRegex is not null) && owned is not null);
        return new ConsumerGroupHeartbeatResponse
        {
            MemberId = memberId,
            MemberEpoch = reconciled.Epoch,
            HeartbeatIntervalMs = context.Options.ConsumerHeartbeatIntervalMs,
            Assignment = isFull || !reconciled.Assigned.Equals(before.Assigned) ? AssignmentOf(reconciled) : null,
        };
    }

    /// <summary>The group was read from its records: its members must be heard of again.</summary>
    public void OnLoaded(ConsumerGroup group)
    {
        foreach (ConsumerMember member in group.Members.Values)
        {
            ExtendSession(group, member.Id);
            WatchRevocation(group, member);
        }
    }

    private static ConsumerGroupHeartbeatResponse.AssignmentData AssignmentOf(ConsumerMember member) => new()
    {
        TopicPartitions = [.. member.Assigned.ByTopic().Select(static topic => new ConsumerGroupHeartbeatResponse.TopicPartitionsData { TopicId = topic.Topic, Partitions = topic.Indexes })],
    };

    private static ConsumerMember Update(ConsumerMember member, GroupClient client, ConsumerGroupHeartbeatRequest request) => member with
    {
        InstanceId = request.InstanceId ?? member.InstanceId,
        RackId = request.RackId ?? member.RackId,
        RebalanceTimeoutMs = request.RebalanceTimeoutMs != -1 ? request.RebalanceTimeoutMs : member.RebalanceTimeoutMs,
        Assignor = request.ServerAssignor ?? member.Assignor,
        TopicNames = request.SubscribedTopicNames?.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray() ?? member.TopicNames,
        TopicRegex = request.SubscribedTopicRegex is { } regex ? (regex.Length > 0 ? regex : null) : member.TopicRegex,
        ClientId = client.Id,
        ClientHost = client.Host,
    };

    /// <summary>The refusal; null: the member may be in the group. Nothing is changed.</summary>
    private ConsumerGroupHeartbeatResponse? Check(ConsumerGroup? group, ConsumerGroupHeartbeatRequest request, string memberId, PartitionSet? owned)
    {
        ConsumerMember? member = group?.Find(memberId);
        bool joins = request.MemberEpoch == 0;
        if (request.InstanceId is { } instanceId)
        {
            ConsumerMember? known = group?.FindStatic(instanceId);
            if (known is null)
            {
                return joins ? CheckSize(group, member) : HeartbeatCheck.Refused(KafkaErrorCode.UnknownMemberId, $"Instance id {instanceId} is unknown.");
            }

            if (known.Id != memberId)
            {
                return !joins ? HeartbeatCheck.Refused(KafkaErrorCode.FencedInstanceId, $"Static member {memberId} with instance id {instanceId} was fenced by member {known.Id}.")
                    : known.Epoch != ConsumerMember.LeavesForNow ? HeartbeatCheck.Refused(KafkaErrorCode.UnreleasedInstanceId, $"Static member {memberId} with instance id {instanceId} cannot join the group because the instance id is owned by {known.Id} member.")
                    : null;
            }
        }

        if (member is null)
        {
            return joins ? CheckSize(group, member) : HeartbeatCheck.Refused(KafkaErrorCode.UnknownMemberId, $"Member {memberId} is not a member of group {request.GroupId}.");
        }

        // A member that has lost its epoch begins anew, and one that has not had the last answer still says the epoch before.
        bool isKnown = joins || request.MemberEpoch == member.Epoch || (request.MemberEpoch < member.Epoch && request.MemberEpoch == member.PreviousEpoch && owned?.IsSubsetOf(member.Assigned) == true);
        return isKnown ? null : HeartbeatCheck.Refused(
            KafkaErrorCode.FencedMemberEpoch,
            $"The consumer group member has a {(request.MemberEpoch > member.Epoch ? "greater" : "smaller")} member epoch ({request.MemberEpoch}) than the one known by the group coordinator ({member.Epoch}). The member must abandon all its partitions and rejoin.");
    }

    private ConsumerGroupHeartbeatResponse? CheckSize(ConsumerGroup? group, ConsumerMember? member) => member is null && group?.Members.Count >= context.Options.MembersMax
        ? HeartbeatCheck.Refused(KafkaErrorCode.GroupMaxSizeReached, $"The consumer group has reached its maximum capacity of {context.Options.MembersMax} members.")
        : null;

    /// <summary>Makes the group, in the place of a classic one without members if there is such; its offsets stay.</summary>
    private ConsumerGroup Create(string groupId, GroupTurn turn)
    {
        if (shard.Find(groupId) is ClassicGroup classic)
        {
            shard.Remove(classic, turn);
        }

        shard.EmitAndApply(turn, ConsumerRecords.Epoch(groupId, epoch: 0, metadataHash: 0));
        return (ConsumerGroup)shard.Find(groupId)!;
    }

    /// <summary>The member as it is, or as it begins; a static one that has come back takes over what it had.</summary>
    private ConsumerMember Enter(ConsumerGroup group, ConsumerGroupHeartbeatRequest request, string memberId, GroupTurn turn)
    {
        if (request.InstanceId is not { } instanceId || group.FindStatic(instanceId) is not { } old || (old.Id == memberId && old.Epoch != ConsumerMember.LeavesForNow))
        {
            if (group.Find(memberId) is { } known)
            {
                return known;
            }

            context.Logger.LogInformation("Group {Group}: member {Member} joins", group.Id, memberId);
            return new ConsumerMember(memberId);
        }

        context.Logger.LogInformation("Group {Group}: static member {Instance} is back as {Member}", group.Id, instanceId, memberId);
        PartitionSet target = group.TargetOf(old.Id);
        ConsumerMember member = old with { Id = memberId, Epoch = 0, PreviousEpoch = 0 };
        EmitRemoval(group, old.Id, turn);
        shard.EmitAndApply(turn, ConsumerRecords.Metadata(group.Id, member));
        shard.EmitAndApply(turn, ConsumerRecords.Target(group.Id, memberId, target));
        shard.EmitAndApply(turn, ConsumerRecords.Current(group.Id, member));
        return member;
    }

    private ConsumerMember Reconcile(ConsumerGroup group, ConsumerMember member, PartitionSet? owned, GroupTurn turn)
    {
        if (member.IsReconciledTo(group.TargetEpoch))
        {
            return member;
        }

        ConsumerMember next = Reconciliation.Step(group, member, owned);
        if (next != member)
        {
            shard.EmitAndApply(turn, ConsumerRecords.Current(group.Id, next));
            WatchRevocation(group, next);
        }

        return next;
    }

    private ConsumerGroupHeartbeatResponse Leave(ConsumerGroup group, ConsumerGroupHeartbeatRequest request, GroupTurn turn)
    {
        ConsumerMember? member = request.InstanceId is { } instanceId ? group.FindStatic(instanceId) : group.Find(request.MemberId);
        if (member is null)
        {
            return HeartbeatCheck.Refused(KafkaErrorCode.UnknownMemberId, $"Member {request.MemberId} is not a member of group {group.Id}.");
        }

        if (member.Id != request.MemberId)
        {
            return HeartbeatCheck.Refused(KafkaErrorCode.FencedInstanceId, $"Static member {request.MemberId} with instance id {request.InstanceId} was fenced by member {member.Id}.");
        }

        if (request.MemberEpoch == ConsumerMember.LeavesForNow)
        {
            // Its partitions wait for it until its session ends.
            shard.EmitAndApply(turn, ConsumerRecords.Current(group.Id, member with { Epoch = ConsumerMember.LeavesForNow, Revoking = PartitionSet.Empty }));
        }
        else
        {
            context.Logger.LogInformation("Group {Group}: member {Member} leaves", group.Id, member.Id);
            Remove(group, member.Id, turn);
        }

        return new ConsumerGroupHeartbeatResponse { MemberId = member.Id, MemberEpoch = request.MemberEpoch };
    }

    private void Remove(ConsumerGroup group, string memberId, GroupTurn turn)
    {
        EmitRemoval(group, memberId, turn);
        shard.EmitAndApply(turn, ConsumerRecords.Epoch(group.Id, group.Epoch + 1, _targets.HashOf(group)));
    }

    private void EmitRemoval(ConsumerGroup group, string memberId, GroupTurn turn)
    {
        shard.EmitAndApply(turn, ConsumerRecords.NoCurrent(group.Id, memberId));
        shard.EmitAndApply(turn, ConsumerRecords.NoTarget(group.Id, memberId));
        shard.EmitAndApply(turn, ConsumerRecords.NoMetadata(group.Id, memberId));
    }

    private void ExtendSession(ConsumerGroup group, string memberId)
    {
        if (!group.Sessions.TryGetValue(memberId, out GroupTimer? session))
        {
            session = new GroupTimer(turn => Fence(group, memberId, "has not been heard of for its session timeout", turn));
            group.Sessions.Add(memberId, session);
        }

        context.Timers.Schedule(session, context.Options.ConsumerSessionTimeoutMs);
    }

    /// <summary>A member that is to give up partitions has its rebalance timeout for it.</summary>
    private void WatchRevocation(ConsumerGroup group, ConsumerMember member)
    {
        if (group.Revocations.Remove(member.Id, out GroupTimer? before))
        {
            GroupTimers.Cancel(before);
        }

        if (member.State == ConsumerMemberState.UnrevokedPartitions)
        {
            var timer = new GroupTimer(turn => Fence(group, member.Id, "has not given up its partitions in time", turn));
            group.Revocations.Add(member.Id, timer);
            context.Timers.Schedule(timer, member.RebalanceTimeoutMs);
        }
    }

    private void Fence(ConsumerGroup group, string memberId, string reason, GroupTurn turn)
    {
        if (group.Find(memberId) is not null)
        {
            context.Logger.LogInformation("Group {Group}: member {Member} {Reason} and is dropped", group.Id, memberId, reason);
            Remove(group, memberId, turn);
        }
    }
}
