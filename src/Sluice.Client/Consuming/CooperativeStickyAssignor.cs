namespace Sluice.Client.Consuming;

/// <inheritdoc cref="PartitionAssignors.CooperativeSticky"/>
/// <remarks>A partition that changes hands is given to nobody at first: its owner gives it up and joins again, and only then does another get it.</remarks>
internal sealed class CooperativeStickyAssignor : IPartitionAssignor
{
    public string Name => "cooperative-sticky";

    public bool IsCooperative => true;

    public IReadOnlyDictionary<string, IReadOnlyList<TopicPartition>> Assign(IReadOnlyList<GroupMember> members, IReadOnlyDictionary<string, int> partitionCounts)
    {
        GroupMember[] order = [.. members.Order(MemberOrder.Instance)];
        Dictionary<TopicPartition, string> owners = Owners(order, partitionCounts);
        Dictionary<string, List<TopicPartition>> assigned = order.ToDictionary(member => member.Id, _ => new List<TopicPartition>());
        foreach ((TopicPartition partition, string owner) in owners.OrderBy(entry => entry.Key.Topic, StringComparer.Ordinal).ThenBy(entry => entry.Key.Partition))
        {
            assigned[owner].Add(partition);
        }

        foreach ((string topic, int count) in partitionCounts.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            for (int i = 0; i < count; i++)
            {
                var partition = new TopicPartition(topic, i);
                if (!owners.ContainsKey(partition) && Least(order, assigned, topic) is { } taker)
                {
                    assigned[taker.Id].Add(partition);
                }
            }
        }

        Balance(order, assigned);
        return assigned.ToDictionary(
            entry => entry.Key,
            entry => (IReadOnlyList<TopicPartition>)[.. entry.Value.Where(partition => !owners.TryGetValue(partition, out string? owner) || owner == entry.Key)]);
    }

    /// <summary>Who has what; of two who claim the same, the one of the later generation, and nobody if they are of the same.</summary>
    private static Dictionary<TopicPartition, string> Owners(GroupMember[] members, IReadOnlyDictionary<string, int> partitionCounts)
    {
        var claims = new Dictionary<TopicPartition, (GroupMember Member, bool IsDisputed)>();
        foreach (GroupMember member in members)
        {
            foreach (TopicPartition partition in member.Owned.Where(owned => member.Topics.Contains(owned.Topic) && owned.Partition < partitionCounts.GetValueOrDefault(owned.Topic)))
            {
                if (!claims.TryGetValue(partition, out (GroupMember Member, bool IsDisputed) other) || member.Generation > other.Member.Generation)
                {
                    claims[partition] = (member, false);
                }
                else if (member.Generation == other.Member.Generation)
                {
                    claims[partition] = (member, true);
                }
            }
        }

        return claims.Where(claim => !claim.Value.IsDisputed).ToDictionary(claim => claim.Key, claim => claim.Value.Member.Id);
    }

    private static GroupMember? Least(GroupMember[] members, Dictionary<string, List<TopicPartition>> assigned, string topic) =>
        members.Where(member => member.Topics.Contains(topic)).MinBy(member => assigned[member.Id].Count);

    /// <summary>Moves partitions one by one to members that have at least two less. Each move makes the group more even, so it ends.</summary>
    private static void Balance(GroupMember[] members, Dictionary<string, List<TopicPartition>> assigned)
    {
        bool isChanged = true;
        while (isChanged)
        {
            isChanged = false;
            foreach (GroupMember giver in members.OrderByDescending(member => assigned[member.Id].Count))
            {
                List<TopicPartition> own = assigned[giver.Id];
                for (int i = own.Count - 1; i >= 0; i--)
                {
                    if (Least(members, assigned, own[i].Topic) is { } taker && assigned[taker.Id].Count + 1 < own.Count)
                    {
                        assigned[taker.Id].Add(own[i]);
                        own.RemoveAt(i);
                        isChanged = true;
                    }
                }
            }
        }
    }
}
