using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Groups.Classic;
using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Migration;

/// <summary>
/// JoinGroup, SyncGroup, Heartbeat, LeaveGroup of members that speak the classic protocol in a consumer group. None of them is made leader: the broker assigns, a join tells them
/// their epoch as a generation, and a heartbeat tells them to join again when they are to have other partitions. Under the shard's lock.
/// </summary>
internal sealed class ClassicInConsumers(GroupContext context, ConsumerTargets targets, ConsumerMembership membership, GroupDowngrade downgrade)
{
    private const short NeedsMemberId = 4;

    public JoinGroupResponse Join(GroupShard shard, ConsumerGroup group, GroupClient client, JoinGroupRequest request, short version, GroupTurn turn)
    {
        bool isNew = request.MemberId.Length == 0;
        string memberId = isNew ? $"{request.GroupInstanceId ?? client.Id}-{context.NewId()}" : request.MemberId;
        ConsumerMember? known = request.GroupInstanceId is { } instanceId ? group.FindStatic(instanceId) : group.Find(memberId);
        KafkaErrorCode error = CheckJoin(group, request, memberId, known);
        if (error != KafkaErrorCode.None)
        {
            return new JoinGroupResponse { ErrorCode = error, MemberId = request.MemberId };
        }

        if (isNew && request.GroupInstanceId is null && version >= NeedsMemberId)
        {
            return new JoinGroupResponse { ErrorCode = KafkaErrorCode.MemberIdRequired, MemberId = memberId };
        }

        if (EmbeddedProtocol.ReadSubscription(request.Protocols[0].Metadata) is not { } subscription)
        {
            return new JoinGroupResponse { ErrorCode = KafkaErrorCode.InconsistentGroupProtocol, MemberId = request.MemberId };
        }

        ConsumerMember before = known is null ? new ConsumerMember(memberId) : known.Id == memberId ? known : membership.Replace(group, known, memberId, turn);
        ConsumerMember updated = Update(before, client, request, subscription);
        bool isChanged = known is null || !updated.HasSameSubscription(before);
        if (known is null || !updated.HasSameMetadata(before))
        {
            shard.EmitAndApply(turn, ConsumerRecords.Metadata(group.Id, updated));
        }

        if (known is { Classic: null } && known.Id != memberId && downgrade.IsDue(group, []))
        {
            // The last one that used the consumer protocol was a static member, and this one has taken its place. Who has not come to its target yet may still read what is another's there.
            bool isUnsettled = group.Epoch > group.TargetEpoch || group.Members.Values.Any(other => other.Id != memberId && !other.IsReconciledTo(group.TargetEpoch));
            ClassicGroup classic = downgrade.Run(group, [], rebalances: isChanged || isUnsettled, turn);
            return Joined(memberId, classic.Generation, classic.ProtocolName!);
        }

        targets.Update(group, isChanged, mayDescribe: null, turn);
        PartitionSet owned = EmbeddedProtocol.Partitions(subscription.OwnedPartitions.Select(static topic => (topic.Topic, topic.Partitions)), context.Topics);
        ConsumerMember member = membership.Reconcile(group, group.Find(memberId)!, owned, turn);
        group.Timers.Cancel(memberId, ConsumerDeadline.Join);
        membership.ExtendSession(group, member);
        membership.Watch(group, member, ConsumerDeadline.Sync);
        return Joined(memberId, member.Epoch, member.Classic!.First.Name);
    }

    public SyncGroupResponse Sync(ConsumerGroup group, SyncGroupRequest request, GroupTurn turn)
    {
        KafkaErrorCode error = Check(group, request.MemberId, request.GroupInstanceId, request.GenerationId, out ConsumerMember? member);
        if (error != KafkaErrorCode.None)
        {
            return new SyncGroupResponse { ErrorCode = error };
        }

        if (request.ProtocolType is not (null or EmbeddedProtocol.Type) || (request.ProtocolName is { } name && name != member!.Classic!.First.Name))
        {
            return new SyncGroupResponse { ErrorCode = KafkaErrorCode.InconsistentGroupProtocol };
        }

        if (member!.Epoch < group.TargetEpoch && member.State != ConsumerMemberState.UnrevokedPartitions)
        {
            membership.WatchIfNot(group, member, ConsumerDeadline.Join);
            return new SyncGroupResponse { ErrorCode = KafkaErrorCode.RebalanceInProgress };
        }

        group.Timers.Cancel(member.Id, ConsumerDeadline.Sync);
        membership.ExtendSession(group, member);
        turn.TellsOfEarlier = true;
        return new SyncGroupResponse
        {
            ProtocolType = request.ProtocolType,
            ProtocolName = request.ProtocolName,
            Assignment = EmbeddedProtocol.WriteAssignment(member.Assigned, member.Classic!.First.Metadata, context.Topics, context.Buffers),
        };
    }

    public KafkaErrorCode Heartbeat(ConsumerGroup group, HeartbeatRequest request, GroupTurn turn)
    {
        KafkaErrorCode error = Check(group, request.MemberId, request.GroupInstanceId, request.GenerationId, out ConsumerMember? member);
        if (error != KafkaErrorCode.None)
        {
            return error;
        }

        membership.ExtendSession(group, member!);
        targets.Update(group, isChanged: false, mayDescribe: null, turn);
        if (!MustJoin(group, member!))
        {
            return KafkaErrorCode.None;
        }

        membership.WatchIfNot(group, member!, ConsumerDeadline.Join);
        return KafkaErrorCode.RebalanceInProgress;
    }

    /// <summary>Members of either protocol may be removed so, as an operator removes static ones.</summary>
    public LeaveGroupResponse.MemberResponse[] Leave(ConsumerGroup group, LeaveGroupRequest.MemberIdentity[] leaving, GroupTurn turn)
    {
        var gone = new HashSet<string>(StringComparer.Ordinal);
        LeaveGroupResponse.MemberResponse[] answers = [.. leaving.Select(identity =>
        {
            ConsumerMember? member = identity.GroupInstanceId is { } instanceId ? group.FindStatic(instanceId) : group.Find(identity.MemberId);
            KafkaErrorCode error = member is null ? KafkaErrorCode.UnknownMemberId
                : identity.MemberId.Length > 0 && identity.MemberId != member.Id ? KafkaErrorCode.FencedInstanceId
                : KafkaErrorCode.None;
            if (error == KafkaErrorCode.None && gone.Add(member!.Id))
            {
                context.Logger.LogInformation("Group {Group}: member {Member} leaves", group.Id, member.Id);
            }

            return new LeaveGroupResponse.MemberResponse { MemberId = identity.MemberId, GroupInstanceId = identity.GroupInstanceId, ErrorCode = error };
        })];
        if (gone.Count > 0)
        {
            membership.Remove(group, gone, turn);
        }

        return answers;
    }

    private static JoinGroupResponse Joined(string memberId, int generation, string protocol) =>
        new() { MemberId = memberId, GenerationId = generation, ProtocolType = EmbeddedProtocol.Type, ProtocolName = protocol, Leader = "" };

    private static ConsumerMember Update(ConsumerMember member, GroupClient client, JoinGroupRequest request, ConsumerProtocolSubscription subscription) => member with
    {
        InstanceId = request.GroupInstanceId ?? member.InstanceId,
        RackId = subscription.RackId ?? member.RackId,
        RebalanceTimeoutMs = request.RebalanceTimeoutMs,
        TopicNames = [.. subscription.Topics.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
        TopicRegex = null,
        ClientId = client.Id,
        ClientHost = client.Host,
        Classic = new ClassicUse(request.SessionTimeoutMs, request.Protocols),
    };

    /// <summary>Whether it must come for other partitions, because its assignment is another, it is to give some up, or those it waits for are free.</summary>
    private static bool MustJoin(ConsumerGroup group, ConsumerMember member) =>
        member.Epoch < group.TargetEpoch || member.State == ConsumerMemberState.UnrevokedPartitions
        || (member.State == ConsumerMemberState.UnreleasedPartitions && !group.TargetOf(member.Id).Any(partition => !member.Assigned.Contains(partition) && group.IsHeldByOther(partition, member.Id)));

    private KafkaErrorCode CheckJoin(ConsumerGroup group, JoinGroupRequest request, string memberId, ConsumerMember? known) =>
        context.Options.MigrationPolicy == GroupMigrationPolicy.Disabled ? KafkaErrorCode.InconsistentGroupProtocol
        : group.Members.Count >= context.Options.MembersMax && group.Find(memberId) is null ? KafkaErrorCode.GroupMaxSizeReached
        : !group.SupportsClassic(request.ProtocolType, request.Protocols) ? KafkaErrorCode.InconsistentGroupProtocol
        : request.GroupInstanceId is null || request.MemberId.Length == 0 ? KafkaErrorCode.None
        : known is null ? KafkaErrorCode.UnknownMemberId
        : known.Id != memberId ? KafkaErrorCode.FencedInstanceId
        : KafkaErrorCode.None;

    private static KafkaErrorCode Check(ConsumerGroup group, string memberId, string? instanceId, int generation, out ConsumerMember? member)
    {
        member = instanceId is null ? group.Find(memberId) : group.FindStatic(instanceId);
        return member is null ? KafkaErrorCode.UnknownMemberId
            : member.Id != memberId ? KafkaErrorCode.FencedInstanceId
            : member.Classic is null ? KafkaErrorCode.UnknownMemberId
            : member.Epoch != generation ? KafkaErrorCode.IllegalGeneration
            : KafkaErrorCode.None;
    }
}
