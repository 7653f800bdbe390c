namespace Sluice.Client.Consuming;

/// <inheritdoc cref="PartitionAssignors.RoundRobin"/>
internal sealed class RoundRobinAssignor : IPartitionAssignor
{
    public string Name => "roundrobin";

    public bool IsCooperative => false;

    public IReadOnlyDictionary<string, IReadOnlyList<TopicPartition>> Assign(IReadOnlyList<GroupMember> members, IReadOnlyDictionary<string, int> partitionCounts)
    {
        GroupMember[] order = [.. members.Order(MemberOrder.Instance)];
        Dictionary<string, List<TopicPartition>> assigned = members.ToDictionary(member => member.Id, _ => new List<TopicPartition>());
        int turn = 0;
        foreach ((string topic, int count) in partitionCounts.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            if (!order.Any(member => member.Topics.Contains(topic)))
            {
                continue;
            }

            for (int i = 0; i < count; i++)
            {
                while (!order[turn].Topics.Contains(topic))
                {
                    turn = (turn + 1) % order.Length;
                }

                assigned[order[turn].Id].Add(new TopicPartition(topic, i));
                turn = (turn + 1) % order.Length;
            }
        }

        return assigned.ToDictionary(entry => entry.Key, entry => (IReadOnlyList<TopicPartition>)entry.Value);
    }
}
