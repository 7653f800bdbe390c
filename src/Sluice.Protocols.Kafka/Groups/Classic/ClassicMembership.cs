using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Classic;

/// <summary>SyncGroup, Heartbeat, LeaveGroup of classic groups. Under the shard's lock.</summary>
internal sealed class ClassicMembership(GroupContext context, ClassicRebalance rebalance, int recordBytesMax)
{
    private const short NamesProtocol = 5;
    private const int MemberBytesAbout = 64;

    public void Sync(ClassicGroup group, SyncGroupRequest request, short version, GroupAnswer<SyncGroupResponse> answer, GroupTurn turn)
    {
        KafkaErrorCode error = CheckSync(group, request, version);
        if (error != KafkaErrorCode.None)
        {
            turn.Answer(answer, new SyncGroupResponse { ErrorCode = error });
            return;
        }

        ClassicMember member = group.Find(request.MemberId)!;
        group.RemovePendingSync(member.Id);
        if (group.HasAllSynced)
        {
            GroupTimers.Cancel(group.SyncTimer);
        }

        if (group.State == ClassicGroupState.Stable)
        {
            turn.TellsOfEarlier = true;
            turn.Answer(answer, ClassicRebalance.Synced(group, member));
            return;
        }

        if (member.Sync is { } before)
        {
            turn.Answer(before, new SyncGroupResponse { ErrorCode = KafkaErrorCode.RebalanceInProgress });
        }

        member.Sync = answer;
        if (group.Leader == member.Id)
        {
            Assign(group, request, turn);
        }
    }

    public KafkaErrorCode Heartbeat(ClassicGroup group, HeartbeatRequest request)
    {
        KafkaErrorCode error = group.Check(request.MemberId, request.GroupInstanceId);
        if (error != KafkaErrorCode.None)
        {
            return error;
        }

        if (request.GenerationId != group.Generation)
        {
            return KafkaErrorCode.IllegalGeneration;
        }

        rebalance.ExtendSession(group, group.Find(request.MemberId)!);
        return group.State == ClassicGroupState.PreparingRebalance ? KafkaErrorCode.RebalanceInProgress : KafkaErrorCode.None;
    }

    public LeaveGroupResponse.MemberResponse[] Leave(ClassicGroup group, LeaveGroupRequest.MemberIdentity[] leaving, GroupTurn turn)
    {
        LeaveGroupResponse.MemberResponse[] left = [.. leaving.Select(member => new LeaveGroupResponse.MemberResponse
        {
            MemberId = member.MemberId,
            GroupInstanceId = member.GroupInstanceId,
            ErrorCode = Leave(group, member, turn),
        })];
        if (left.Any(static member => member.ErrorCode == KafkaErrorCode.None))
        {
            if (group.State is ClassicGroupState.Stable or ClassicGroupState.CompletingRebalance)
            {
                rebalance.Prepare(group, turn, "members leave");
            }
            else
            {
                rebalance.CompleteIfAllJoined(group, turn);
            }
        }

        return left;
    }

    private static KafkaErrorCode CheckSync(ClassicGroup group, SyncGroupRequest request, short version)
    {
        if (group.IsEmpty)
        {
            return KafkaErrorCode.UnknownMemberId;
        }

        KafkaErrorCode error = group.Check(request.MemberId, request.GroupInstanceId);
        return error != KafkaErrorCode.None ? error
            : request.GenerationId != group.Generation ? KafkaErrorCode.IllegalGeneration
            : version >= NamesProtocol && (request.ProtocolType is null || request.ProtocolName is null) ? KafkaErrorCode.InconsistentGroupProtocol
            : Differs(request.ProtocolType, group.Protocol) || Differs(request.ProtocolName, group.ProtocolName) ? KafkaErrorCode.InconsistentGroupProtocol
            : group.State == ClassicGroupState.PreparingRebalance ? KafkaErrorCode.RebalanceInProgress
            : KafkaErrorCode.None;
    }

    private static bool Differs(string? given, string? actual) => given is not null && actual is not null && given != actual;

    /// <summary>The leader has said who gets what.</summary>
    private void Assign(ClassicGroup group, SyncGroupRequest request, GroupTurn turn)
    {
        var assignments = request.Assignments.DistinctBy(static assignment => assignment.MemberId, StringComparer.Ordinal)
            .ToDictionary(static assignment => assignment.MemberId, static assignment => assignment.Assignment, StringComparer.Ordinal);
        long bytes = group.Members.Sum(member =>
            assignments.GetValueOrDefault(member.Id).Length + member.Metadata(group.ProtocolName).Length + member.Id.Length + MemberBytesAbout);
        if (bytes > recordBytesMax)
        {
            context.Logger.LogWarning("Group {Group}: its members and their assignments take about {Bytes} bytes, which is more than is kept ({BytesMax}); no member gets its assignment", group.Id, bytes, recordBytesMax);
            rebalance.AnswerSyncs(group, turn, KafkaErrorCode.UnknownServerError);
            rebalance.Prepare(group, turn, "the assignment is too large");
            return;
        }

        foreach (ClassicMember member in group.Members)
        {
            member.Assignment = assignments.GetValueOrDefault(member.Id);
        }

        group.TransitionTo(ClassicGroupState.Stable, context.NowMs);
        turn.Emit(group.ToRecord());
        rebalance.AnswerSyncs(group, turn, KafkaErrorCode.None);
    }

    private static KafkaErrorCode Leave(ClassicGroup group, LeaveGroupRequest.MemberIdentity identity, GroupTurn turn)
    {
        string memberId = identity.MemberId;
        if (memberId.Length == 0)
        {
            // An operator removes a static member.
            if (identity.GroupInstanceId is null || group.FindStatic(identity.GroupInstanceId) is not { } known)
            {
                return KafkaErrorCode.UnknownMemberId;
            }

            memberId = known;
        }
        else if (!group.IsPending(memberId) && group.Check(memberId, identity.GroupInstanceId) is var error && error != KafkaErrorCode.None)
        {
            return error;
        }

        if (group.Find(memberId) is { } member)
        {
            ClassicRebalance.AnswerJoin(group, member, turn, new JoinGroupResponse { ErrorCode = KafkaErrorCode.UnknownMemberId });
            if (member.Sync is { } sync)
            {
                member.Sync = null;
                turn.Answer(sync, new SyncGroupResponse { ErrorCode = KafkaErrorCode.UnknownMemberId });
            }
        }

        group.Remove(memberId);
        return KafkaErrorCode.None;
    }
}
