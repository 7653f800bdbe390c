using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Groups.Migration;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>What happens to members of consumer groups whichever protocol they speak: they are replaced, reconciled, watched and removed. Under the shard's lock.</summary>
internal sealed class ConsumerMembership(GroupShard shard, GroupContext context, ConsumerTargets targets, GroupDowngrade downgrade)
{
    /// <summary>The group was read from its records, or made of a classic one: its members must be heard of.</summary>
    public void WatchAll(ConsumerGroup group)
    {
        foreach (ConsumerMember member in group.Members.Values)
        {
            ExtendSession(group, member);
            WatchRevocation(group, member);
        }
    }

    /// <summary>A static member has come back: it takes over what it had, with another id.</summary>
    public ConsumerMember Replace(ConsumerGroup group, ConsumerMember old, string memberId, GroupTurn turn)
    {
        context.Logger.LogInformation("Group {Group}: static member {Instance} is back as {Member}", group.Id, old.InstanceId, memberId);
        PartitionSet target = group.TargetOf(old.Id);
        ConsumerMember member = old with { Id = memberId, Epoch = 0, PreviousEpoch = 0 };
        EmitRemoval(group, old.Id, turn);
        shard.EmitAndApply(turn, ConsumerRecords.Metadata(group.Id, member));
        shard.EmitAndApply(turn, ConsumerRecords.Target(group.Id, memberId, target));
        shard.EmitAndApply(turn, ConsumerRecords.Current(group.Id, member));
        return member;
    }

    /// <summary>The member after its next step to its target.</summary>
    public ConsumerMember Reconcile(ConsumerGroup group, ConsumerMember member, PartitionSet? owned, GroupTurn turn)
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

    /// <summary>Members leave. If all that stay speak the classic protocol, the group changes to it.</summary>
    public void Remove(ConsumerGroup group, IReadOnlyCollection<string> memberIds, GroupTurn turn)
    {
        if (downgrade.IsDue(group, memberIds))
        {
            downgrade.Run(group, memberIds, rebalances: true, turn);
            return;
        }

        foreach (string memberId in memberIds)
        {
            EmitRemoval(group, memberId, turn);
        }

        shard.EmitAndApply(turn, ConsumerRecords.Epoch(group.Id, group.Epoch + 1, targets.HashOf(group)));
    }

    public void ExtendSession(ConsumerGroup group, ConsumerMember member) => Watch(group, member, ConsumerDeadline.Session);

    /// <summary>The member is dropped if it has not done so in time, from now on.</summary>
    public void Watch(ConsumerGroup group, ConsumerMember member, ConsumerDeadline deadline) =>
        context.Timers.Schedule(Timer(group, member, deadline), deadline != ConsumerDeadline.Session ? member.RebalanceTimeoutMs : member.Classic?.SessionTimeoutMs ?? context.Configs.ConsumersOf(group.Id).SessionTimeoutMs);

    /// <summary>As <see cref="Watch"/>; but if it is watched already, from then on.</summary>
    public void WatchIfNot(ConsumerGroup group, ConsumerMember member, ConsumerDeadline deadline)
    {
        if (Timer(group, member, deadline).DueMs == GroupTimer.Never)
        {
            Watch(group, member, deadline);
        }
    }

    private GroupTimer Timer(ConsumerGroup group, ConsumerMember member, ConsumerDeadline deadline)
    {
        string memberId = member.Id;
        return group.Timers.Of(memberId, deadline, turn => Fence(group, memberId, deadline, turn));
    }

    /// <summary>A member that is to give up partitions has its rebalance timeout for it; of one that speaks the classic protocol its joins are watched.</summary>
    private void WatchRevocation(ConsumerGroup group, ConsumerMember member)
    {
        group.Timers.Cancel(member.Id, ConsumerDeadline.Revocation);
        if (member is { State: ConsumerMemberState.UnrevokedPartitions, Classic: null })
        {
            Watch(group, member, ConsumerDeadline.Revocation);
        }
    }

    private void Fence(ConsumerGroup group, string memberId, ConsumerDeadline deadline, GroupTurn turn)
    {
        if (group.Find(memberId) is not null)
        {
            context.Logger.LogInformation("Group {Group}: member {Member} {Reason} and is dropped", group.Id, memberId, deadline switch
            {
                ConsumerDeadline.Session => "has not been heard of for its session timeout",
                ConsumerDeadline.Revocation => "has not given up its partitions in time",
                ConsumerDeadline.Join => "has not joined again in time",
                _ => "has not asked for its assignment in time",
            });
            Remove(group, [memberId], turn);
        }
    }

    private void EmitRemoval(ConsumerGroup group, string memberId, GroupTurn turn)
    {
        shard.EmitAndApply(turn, ConsumerRecords.NoCurrent(group.Id, memberId));
        shard.EmitAndApply(turn, ConsumerRecords.NoTarget(group.Id, memberId));
        shard.EmitAndApply(turn, ConsumerRecords.NoMetadata(group.Id, memberId));
    }
}
