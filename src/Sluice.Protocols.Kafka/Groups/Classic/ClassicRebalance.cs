using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Classic;

/// <summary>Moves classic groups from state to state: prepares rebalances, completes them, drops members that are gone. Under the shard's lock.</summary>
internal sealed class ClassicRebalance(GroupContext context)
{
    /// <summary>What a join comes to when its group is complete.</summary>
    public static JoinGroupResponse Joined(ClassicGroup group, ClassicMember member, bool withMembers, bool skipsAssignment = false) => new()
    {
        MemberId = member.Id,
        GenerationId = group.Generation,
        ProtocolType = group.Protocol,
        ProtocolName = group.ProtocolName,
        Leader = group.Leader ?? "",
        SkipAssignment = skipsAssignment,
        Members = !withMembers ? [] : [.. group.Members.Select(other => new JoinGroupResponse.JoinGroupResponseMember
        {
            MemberId = other.Id,
            GroupInstanceId = other.InstanceId,
            Metadata = other.Metadata(group.ProtocolName),
        })],
    };

    /// <summary>Gives the member the answer to its join, if it waits for one.</summary>
    public static void AnswerJoin(ClassicGroup group, ClassicMember member, GroupTurn turn, JoinGroupResponse response)
    {
        if (member.Join is { } join)
        {
            group.SetJoin(member, null);
            turn.Answer(join, response);
        }
    }

    /// <summary>Starts a rebalance if there is none; else completes it if the last one has come.</summary>
    public void PrepareOrComplete(ClassicGroup group, GroupTurn turn, string reason)
    {
        if (group.CanRebalance)
        {
            Prepare(group, turn, reason);
        }
        else
        {
            CompleteIfAllJoined(group, turn);
        }
    }

    public void Prepare(ClassicGroup group, GroupTurn turn, string reason)
    {
        if (group.State == ClassicGroupState.CompletingRebalance)
        {
            foreach (ClassicMember member in group.Members)
            {
                member.Assignment = default;
            }

            AnswerSyncs(group, turn, KafkaErrorCode.RebalanceInProgress);
        }

        group.ClearPendingSyncs();
        GroupTimers.Cancel(group.SyncTimer);
        bool isInitial = group.State == ClassicGroupState.Empty;
        group.TransitionTo(ClassicGroupState.PreparingRebalance, context.NowMs);
        context.Logger.LogInformation("Group {Group}: rebalance after generation {Generation} ({Reason})", group.Id, group.Generation, reason);
        if (isInitial)
        {
            int delay = context.Options.InitialRebalanceDelayMs;
            WaitForMore(group, turn, delay, Math.Max(group.RebalanceTimeoutMs - delay, 0));
        }
        else if (group.HasAllJoined)
        {
            Complete(group, turn);
        }
        else
        {
            ScheduleJoin(group, group.RebalanceTimeoutMs, later => Complete(group, later));
        }
    }

    /// <summary>Completes a rebalance, other than the first one, that waits for nobody any more.</summary>
    public void CompleteIfAllJoined(ClassicGroup group, GroupTurn turn)
    {
        if (group.State == ClassicGroupState.PreparingRebalance && group.PreviousState != ClassicGroupState.Empty && group.HasAllJoined)
        {
            Complete(group, turn);
        }
    }

    /// <summary>Gives the members their assignments, or an error, if they wait for them.</summary>
    public void AnswerSyncs(ClassicGroup group, GroupTurn turn, KafkaErrorCode error)
    {
        foreach (ClassicMember member in group.Members)
        {
            if (member.Sync is { } sync)
            {
                member.Sync = null;
                turn.Answer(sync, error == KafkaErrorCode.None ? Synced(group, member) : new SyncGroupResponse { ErrorCode = error });
                ExtendSession(group, member);
            }
        }
    }

    public static SyncGroupResponse Synced(ClassicGroup group, ClassicMember member) => new()
    {
        ProtocolType = group.Protocol,
        ProtocolName = group.ProtocolName,
        Assignment = member.Assignment,
    };

    /// <summary>The member lives: its session begins anew.</summary>
    public void ExtendSession(ClassicGroup group, ClassicMember member) => ExtendSession(group, member, member.SessionTimeoutMs);

    public void ExtendSession(ClassicGroup group, ClassicMember member, int timeoutMs)
    {
        member.Session ??= new GroupTimer(turn => ExpireSession(group, member, turn));
        context.Timers.Schedule(member.Session, timeoutMs);
    }

    /// <summary>An id was given out; it counts as a member to come for so long.</summary>
    public void AddPending(ClassicGroup group, string memberId, int timeoutMs)
    {
        var expiry = new GroupTimer(turn => ExpirePending(group, memberId, turn));
        group.AddPending(memberId, expiry);
        context.Timers.Schedule(expiry, timeoutMs);
    }

    /// <summary>Nothing more comes of the group: answers all that wait.</summary>
    public void Abandon(ClassicGroup group, GroupTurn turn)
    {
        foreach (ClassicMember member in group.Members)
        {
            AnswerJoin(group, member, turn, new JoinGroupResponse { ErrorCode = KafkaErrorCode.NotCoordinator, MemberId = member.Id });
        }

        AnswerSyncs(group, turn, KafkaErrorCode.NotCoordinator);
        group.Close();
    }

    private void WaitForMore(ClassicGroup group, GroupTurn turn, int delayMs, int remainingMs)
    {
        if (delayMs == 0)
        {
            EndWaiting(group, turn, delayMs, remainingMs);
        }
        else
        {
            ScheduleJoin(group, delayMs, later => EndWaiting(group, later, delayMs, remainingMs));
        }
    }

    private void EndWaiting(ClassicGroup group, GroupTurn turn, int delayMs, int remainingMs)
    {
        if (group.HasNewMember && remainingMs != 0)
        {
            group.HasNewMember = false;
            WaitForMore(group, turn, Math.Min(context.Options.InitialRebalanceDelayMs, remainingMs), Math.Max(remainingMs - delayMs, 0));
        }
        else
        {
            Complete(group, turn);
        }
    }

    /// <summary>The joining is over: who has not come is dropped, the others get the new generation.</summary>
    private void Complete(ClassicGroup group, GroupTurn turn)
    {
        GroupTimers.Cancel(group.JoinTimer);
        foreach (ClassicMember absent in group.Members.Where(static member => member.Join is null && member.InstanceId is null).ToArray())
        {
            context.Logger.LogInformation("Group {Group}: member {Member} has not joined again and is dropped", group.Id, absent.Id);
            group.Remove(absent.Id);
        }

        if (!group.ElectLeader() && group.Members.Count > 0)
        {
            // Only static members are left and none of them has come.
            ScheduleJoin(group, group.RebalanceTimeoutMs, later => Complete(group, later));
            return;
        }

        group.StartGeneration(context.NowMs);
        if (group.State == ClassicGroupState.Empty)
        {
            context.Logger.LogInformation("Group {Group}: empty in generation {Generation}", group.Id, group.Generation);
            turn.Emit(group.ToRecord());
            return;
        }

        context.Logger.LogInformation("Group {Group}: generation {Generation} with {Count} members, leader {Leader}", group.Id, group.Generation, group.Members.Count, group.Leader);
        foreach (ClassicMember member in group.Members)
        {
            AnswerJoin(group, member, turn, Joined(group, member, withMembers: group.Leader == member.Id));
            ExtendSession(group, member);
            member.IsNew = false;
            group.AddPendingSync(member.Id);
        }

        int generation = group.Generation;
        GroupTimers.Cancel(group.SyncTimer);
        group.SyncTimer = new GroupTimer(later => ExpireSync(group, generation, later));
        context.Timers.Schedule(group.SyncTimer, group.RebalanceTimeoutMs);
    }

    private void ScheduleJoin(ClassicGroup group, int delayMs, Action<GroupTurn> action)
    {
        GroupTimers.Cancel(group.JoinTimer);
        group.JoinTimer = new GroupTimer(action);
        context.Timers.Schedule(group.JoinTimer, delayMs);
    }

    private void ExpireSync(ClassicGroup group, int generation, GroupTurn turn)
    {
        if (generation != group.Generation || group.HasAllSynced || group.State is not (ClassicGroupState.CompletingRebalance or ClassicGroupState.Stable))
        {
            return;
        }

        foreach (string memberId in group.PendingSyncs.ToArray())
        {
            group.Remove(memberId);
        }

        Prepare(group, turn, "members have not asked for their assignment in time");
    }

    private void ExpireSession(ClassicGroup group, ClassicMember member, GroupTurn turn)
    {
        if (group.Find(member.Id) != member || member.IsExcused)
        {
            return;
        }

        context.Logger.LogInformation("Group {Group}: member {Member} has not been heard of for its session timeout and is dropped", group.Id, member.Id);
        AnswerJoin(group, member, turn, new JoinGroupResponse { ErrorCode = KafkaErrorCode.UnknownMemberId });
        group.Remove(member.Id);
        AfterRemoval(group, turn, $"member {member.Id} has not been heard of");
    }

    private void ExpirePending(ClassicGroup group, string memberId, GroupTurn turn)
    {
        if (group.IsPending(memberId))
        {
            group.Remove(memberId);
            if (group.State == ClassicGroupState.PreparingRebalance && group.HasAllJoined)
            {
                Complete(group, turn);
            }
        }
    }

    private void AfterRemoval(ClassicGroup group, GroupTurn turn, string reason)
    {
        if (group.State is ClassicGroupState.Stable or ClassicGroupState.CompletingRebalance)
        {
            Prepare(group, turn, reason);
        }
        else if (group.State == ClassicGroupState.PreparingRebalance && group.HasAllJoined)
        {
            Complete(group, turn);
        }
    }
}
