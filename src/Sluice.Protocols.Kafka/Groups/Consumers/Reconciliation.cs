namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>
/// Brings a member step by step from what it has to what it is to have: first it gives up what others are to get, and only when it has said so does its epoch rise and do new
/// partitions come, each once its last owner has let go. So no partition has two readers.
/// </summary>
internal static class Reconciliation
{
    /// <summary>The member after its next step; the same if it can't take one.</summary>
    /// <param name="group">For the targets and who holds what.</param>
    /// <param name="member">The member.</param>
    /// <param name="owned">What it says it reads; null: it does not say.</param>
    public static ConsumerMember Step(ConsumerGroup group, ConsumerMember member, PartitionSet? owned)
    {
        switch (member.State)
        {
            case ConsumerMemberState.Stable:
                return member.Epoch == group.TargetEpoch ? member : Next(group, member, member.Epoch, owned);
            case ConsumerMemberState.UnrevokedPartitions:
                return owned is null || owned.Overlaps(member.Revoking) ? member : Next(group, member, member.Epoch + 1, owned);
            default:
                return Next(group, member, member.Epoch, owned);
        }
    }

    private static ConsumerMember Next(ConsumerGroup group, ConsumerMember member, int epoch, PartitionSet? owned)
    {
        PartitionSet target = group.TargetOf(member.Id);
        PartitionSet kept = member.Assigned.Intersect(target);
        PartitionSet revoked = member.Assigned.Except(target);
        if (revoked.Count > 0 && (owned is null || owned.Overlaps(revoked)))
        {
            return member with { State = ConsumerMemberState.UnrevokedPartitions, Epoch = epoch, PreviousEpoch = member.Epoch, Assigned = kept, Revoking = revoked };
        }

        PartitionKey[] missing = [.. target.Where(partition => !kept.Contains(partition))];
        PartitionKey[] free = [.. missing.Where(partition => !group.IsHeldByOther(partition, member.Id))];
        return member with
        {
            State = free.Length < missing.Length ? ConsumerMemberState.UnreleasedPartitions : ConsumerMemberState.Stable,
            Epoch = group.TargetEpoch,
            PreviousEpoch = member.Epoch,
            Assigned = kept.Union(free),
            Revoking = PartitionSet.Empty,
        };
    }
}
