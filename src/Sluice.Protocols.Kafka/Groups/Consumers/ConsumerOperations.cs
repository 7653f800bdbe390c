using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Groups.Classic;
using Sluice.Protocols.Kafka.Groups.Migration;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>ConsumerGroupHeartbeat: members come, say what they read, are told what to read, and go (KIP-848). Under the shard's lock.</summary>
internal sealed class ConsumerOperations(GroupShard shard, GroupContext context, ConsumerTargets targets, ConsumerMembership membership, GroupUpgrade upgrade)
{
    /// <summary>Handles a heartbeat that <see cref="HeartbeatCheck"/> lets pass.</summary>
    /// <param name="client">Who sends it.</param>
    /// <param name="request">The heartbeat.</param>
    /// <param name="mayDescribe">Whether the client may know of a topic.</param>
    /// <param name="turn">What it leads to.</param>
    public ConsumerGroupHeartbeatResponse Heartbeat(GroupClient client, ConsumerGroupHeartbeatRequest request, Func<string, bool> mayDescribe, GroupTurn turn)
    {
        Group? found = shard.Find(request.GroupId);
        var group = found as ConsumerGroup;
        bool joins = request.MemberEpoch == 0;
        if (group is null && (!joins || found is not (null or ClassicGroup)))
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

        if (found is ClassicGroup { IsEmpty: false } classic)
        {
            if (!upgrade.TryPrepare(classic, out ConsumerMember[]? members, out string? problem))
            {
                return HeartbeatCheck.Refused(KafkaErrorCode.GroupIdNotFound, problem);
            }

            if (members.Length >= context.Options.MembersMax && members.All(member => member.Id != memberId))
            {
                return Full();
            }

            group = upgrade.Run(classic, members, turn);
            membership.WatchAll(group);
        }

        group ??= Create(request.GroupId, turn);
        ConsumerMember before = Enter(group, request, memberId, turn);
        ConsumerMember updated = Update(before, client, request);
        bool isChanged = group.Find(memberId) is null || !updated.HasSameSubscription(before);
        if (group.Find(memberId) is null || !updated.HasSameMetadata(before))
        {
            shard.EmitAndApply(turn, ConsumerRecords.Metadata(group.Id, updated));
        }

        targets.Update(group, isChanged, mayDescribe, turn);
        ConsumerMember reconciled = membership.Reconcile(group, group.Find(memberId)!, owned, turn);
        group.Timers.Cancel(memberId, ConsumerDeadline.Join);
        group.Timers.Cancel(memberId, ConsumerDeadline.Sync);
        membership.ExtendSession(group, reconciled);
        bool isFull = joins || (request.RebalanceTimeoutMs != -1 && (request.SubscribedTopicNames is not null || request.SubscribedTopicRegex is not null) && owned is not null);
        return new ConsumerGroupHeartbeatResponse
        {
            MemberId = memberId,
            MemberEpoch = reconciled.Epoch,
            HeartbeatIntervalMs = context.Configs.ConsumersOf(group.Id).HeartbeatIntervalMs,
            Assignment = isFull || !reconciled.Assigned.Equals(before.Assigned) ? AssignmentOf(reconciled) : null,
        };
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
        Classic = null,
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
                    : known.Epoch != ConsumerMember.LeavesForNow && known.Classic is null ? HeartbeatCheck.Refused(KafkaErrorCode.UnreleasedInstanceId, $"Static member {memberId} with instance id {instanceId} cannot join the group because the instance id is owned by {known.Id} member.")
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
        ? Full()
        : null;

    private ConsumerGroupHeartbeatResponse Full() =>
        HeartbeatCheck.Refused(KafkaErrorCode.GroupMaxSizeReached, $"The consumer group has reached its maximum capacity of {context.Options.MembersMax} members.");

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

        return membership.Replace(group, old, memberId, turn);
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
            membership.Remove(group, [member.Id], turn);
        }

        return new ConsumerGroupHeartbeatResponse { MemberId = member.Id, MemberEpoch = request.MemberEpoch };
    }
}
