using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Classic;

/// <summary>JoinGroup: lets members into classic groups (KIP-394 ids first, KIP-345 static members, KIP-814 skipped assignments). Under the shard's lock.</summary>
internal sealed class ClassicJoin(GroupContext context, ClassicRebalance rebalance)
{
    private const short NeedsMemberId = 4, MaySkipAssignment = 9;

    /// <param name="group">New if the member has no id yet.</param>
    /// <param name="client">Who asks.</param>
    /// <param name="request">What it asks for.</param>
    /// <param name="version">Of the request.</param>
    /// <param name="answer">Given in this turn or in a later one.</param>
    /// <param name="turn">What it leads to.</param>
    public void Join(ClassicGroup group, GroupClient client, JoinGroupRequest request, short version, GroupAnswer<JoinGroupResponse> answer, GroupTurn turn)
    {
        bool isNew = request.MemberId.Length == 0;
        if (!Accepts(group, request.MemberId))
        {
            group.Remove(request.MemberId);
            turn.Answer(answer, Refused(KafkaErrorCode.GroupMaxSizeReached));
        }
        else if (!group.Supports(request.ProtocolType, request.Protocols))
        {
            turn.Answer(answer, Refused(KafkaErrorCode.InconsistentGroupProtocol, request.MemberId));
        }
        else if (isNew)
        {
            JoinNew(group, client, request, version, answer, turn);
        }
        else if (group.IsPending(request.MemberId))
        {
            Add(group, client, request, request.MemberId, answer, turn);
        }
        else if (group.Check(request.MemberId, request.GroupInstanceId) is var error && error != KafkaErrorCode.None)
        {
            JoinGroupResponse refused = Refused(error, request.MemberId);
            refused.ProtocolName = null;
            turn.Answer(answer, refused);
        }
        else
        {
            Rejoin(group, request, group.Find(request.MemberId)!, answer, turn);
        }
    }

    private static JoinGroupResponse Refused(KafkaErrorCode error, string memberId = "") => new() { ErrorCode = error, MemberId = memberId };

    private bool Accepts(ClassicGroup group, string memberId) => group.State switch
    {
        ClassicGroupState.Empty => true,
        ClassicGroupState.PreparingRebalance => group.Find(memberId)?.Join is not null || group.JoinCount < context.Options.MembersMax,
        _ => group.Find(memberId) is not null || group.Members.Count < context.Options.MembersMax,
    };

    private void JoinNew(ClassicGroup group, GroupClient client, JoinGroupRequest request, short version, GroupAnswer<JoinGroupResponse> answer, GroupTurn turn)
    {
        string memberId = $"{request.GroupInstanceId ?? client.Id}-{context.NewId()}";
        if (request.GroupInstanceId is { } instanceId)
        {
            if (group.FindStatic(instanceId) is { } known)
            {
                ReplaceStatic(group, request, version, group.Find(known)!, memberId, answer, turn);
            }
            else
            {
                Add(group, client, request, memberId, answer, turn);
            }
        }
        else if (version >= NeedsMemberId)
        {
            rebalance.AddPending(group, memberId, request.SessionTimeoutMs);
            turn.Answer(answer, Refused(KafkaErrorCode.MemberIdRequired, memberId));
        }
        else
        {
            Add(group, client, request, memberId, answer, turn);
        }
    }

    private void Add(ClassicGroup group, GroupClient client, JoinGroupRequest request, string memberId, GroupAnswer<JoinGroupResponse> answer, GroupTurn turn)
    {
        var member = new ClassicMember(memberId, request.GroupInstanceId, client.Id, client.Host, request.ProtocolType)
        {
            RebalanceTimeoutMs = request.RebalanceTimeoutMs,
            SessionTimeoutMs = request.SessionTimeoutMs,
            Protocols = request.Protocols,
            IsNew = true,
        };
        if (group is { State: ClassicGroupState.PreparingRebalance, PreviousState: ClassicGroupState.Empty })
        {
            group.HasNewMember = true;
        }

        group.Add(member, answer);

        // It sends no heartbeats before it has its answer, and that it is gone does not show: so it is given up after some time. If it is there it asks again.
        rebalance.ExtendSession(group, member, context.Options.NewMemberJoinTimeoutMs);
        rebalance.PrepareOrComplete(group, turn, $"member {memberId} joins{Reason(request)}");
    }

    private void Rejoin(ClassicGroup group, JoinGroupRequest request, ClassicMember member, GroupAnswer<JoinGroupResponse> answer, GroupTurn turn)
    {
        bool isLeader = group.Leader == member.Id;
        switch (group.State)
        {
            case ClassicGroupState.PreparingRebalance:
                Update(group, request, member, answer, turn);
                break;
            case ClassicGroupState.CompletingRebalance when member.HasSame(request.Protocols):
                // It has not had the answer to its last join.
                turn.Answer(answer, ClassicRebalance.Joined(group, member, withMembers: isLeader));
                break;
            case ClassicGroupState.Stable when !isLeader && member.HasSame(request.Protocols):
                turn.Answer(answer, ClassicRebalance.Joined(group, member, withMembers: false));
                break;
            case ClassicGroupState.CompletingRebalance or ClassicGroupState.Stable:
                Update(group, request, member, answer, turn);
                break;
            default:
                turn.Answer(answer, Refused(KafkaErrorCode.UnknownMemberId, member.Id));
                break;
        }
    }

    private void Update(ClassicGroup group, JoinGroupRequest request, ClassicMember member, GroupAnswer<JoinGroupResponse> answer, GroupTurn turn)
    {
        // A join that is asked for again takes the place of the first.
        ClassicRebalance.AnswerJoin(group, member, turn, Refused(KafkaErrorCode.RebalanceInProgress, member.Id));
        group.Update(member, request, answer);
        rebalance.PrepareOrComplete(group, turn, $"member {member.Id} joins again{Reason(request)}");
    }

    private void ReplaceStatic(ClassicGroup group, JoinGroupRequest request, short version, ClassicMember old, string newId, GroupAnswer<JoinGroupResponse> answer, GroupTurn turn)
    {
        string? leader = group.Leader;
        JoinGroupResponse fenced = Refused(KafkaErrorCode.FencedInstanceId, old.Id);
        fenced.ProtocolName = null;
        ClassicRebalance.AnswerJoin(group, old, turn, fenced);
        if (old.Sync is { } sync)
        {
            old.Sync = null;
            turn.Answer(sync, new SyncGroupResponse { ErrorCode = KafkaErrorCode.FencedInstanceId });
        }

        context.Logger.LogInformation("Group {Group}: static member {Instance} was restarted and is {Member} from now on", group.Id, request.GroupInstanceId, newId);
        ClassicMember member = group.Replace(old, newId);
        group.Update(member, request, answer);
        rebalance.ExtendSession(group, member);
        switch (group.State)
        {
            case ClassicGroupState.Stable when group.ProtocolName == group.SelectProtocol():
                // Nothing changes but its id, so the others need not stop.
                turn.Emit(group.ToRecord());
                bool isLeader = group.Leader == newId;
                JoinGroupResponse joined = version >= MaySkipAssignment
                    ? ClassicRebalance.Joined(group, member, withMembers: isLeader, skipsAssignment: isLeader)
                    : ClassicRebalance.Joined(group, member, withMembers: false);
                if (version < MaySkipAssignment)
                {
                    // It must not take itself for the leader, or it would make an assignment.
                    joined.Leader = leader ?? "";
                }

                ClassicRebalance.AnswerJoin(group, member, turn, joined);
                break;
            case ClassicGroupState.Stable or ClassicGroupState.CompletingRebalance:
                rebalance.Prepare(group, turn, $"static member {request.GroupInstanceId} was restarted{Reason(request)}");
                break;
            default:
                rebalance.CompleteIfAllJoined(group, turn);
                break;
        }
    }

    private static string Reason(JoinGroupRequest request) => string.IsNullOrEmpty(request.Reason) ? "" : $": {request.Reason}";
}
