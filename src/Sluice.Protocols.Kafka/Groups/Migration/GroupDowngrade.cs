using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Groups.Classic;
using Sluice.Protocols.Kafka.Groups.Consumers;

namespace Sluice.Protocols.Kafka.Groups.Migration;

/// <summary>Makes a classic group of a consumer group whose members all speak the classic protocol: the group's epoch becomes their generation. Under the shard's lock.</summary>
internal sealed class GroupDowngrade(GroupShard shard, GroupContext context, ClassicRebalance rebalance)
{
    /// <summary>Whether it is to be done when these members have gone.</summary>
    public bool IsDue(ConsumerGroup group, IReadOnlyCollection<string> leaving)
    {
        ConsumerMember[] left = [.. Left(group, leaving)];
        return context.Options.MigrationPolicy is GroupMigrationPolicy.Bidirectional or GroupMigrationPolicy.Downgrade
            && left.Length > 0 && left.Length <= context.Options.MembersMax && left.All(static member => member.Classic is not null);
    }

    /// <summary>Does it.</summary>
    /// <param name="group">The consumer group.</param>
    /// <param name="leaving">Members that are left behind.</param>
    /// <param name="rebalances">The members are to agree on another assignment.</param>
    /// <param name="turn">What it leads to.</param>
    public ClassicGroup Run(ConsumerGroup group, IReadOnlyCollection<string> leaving, bool rebalances, GroupTurn turn)
    {
        ConsumerMember[] left = [.. Left(group, leaving)];
        context.Logger.LogInformation("Group {Group}: changes to the classic protocol in epoch {Epoch} with {Count} members", group.Id, group.Epoch, left.Length);
        var classic = ClassicGroup.Of(group.Id, group.Epoch, left.Select(static member => new ClassicMember(member.Id, member.InstanceId, member.ClientId, member.ClientHost, EmbeddedProtocol.Type)
        {
            RebalanceTimeoutMs = member.RebalanceTimeoutMs,
            SessionTimeoutMs = member.Classic!.SessionTimeoutMs,
            Protocols = [.. member.Classic.Protocols],
        }), context.NowMs);
        foreach (ClassicMember member in classic.Members)
        {
            member.Assignment = EmbeddedProtocol.WriteAssignment(group.TargetOf(member.Id), member.Metadata(classic.ProtocolName), context.Topics, context.Buffers);
        }

        shard.Remove(group, turn);
        shard.Add(classic);

        // A rebalance is in no record. If it is lost by a restart, the generation that is kept is one that no member has: so all of them join again, and nobody's partitions stay behind.
        turn.Emit(classic.ToRecord(rebalances ? classic.Generation + 1 : classic.Generation));
        foreach (ClassicMember member in classic.Members)
        {
            rebalance.ExtendSession(classic, member);
        }

        if (rebalances)
        {
            rebalance.Prepare(classic, turn, "the group has changed to the classic protocol");
        }

        return classic;
    }

    private static IEnumerable<ConsumerMember> Left(ConsumerGroup group, IReadOnlyCollection<string> leaving) => group.Members.Values.Where(member => !leaving.Contains(member.Id));
}
