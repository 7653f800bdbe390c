namespace Sluice.Client.Consuming;

/// <inheritdoc cref="PartitionAssignors.Range"/>
internal sealed class RangeAssignor : IPartitionAssignor
{
    public string Name => "range";

    public bool IsCooperative => false;

    public IReadOnlyDictionary<string, IReadOnlyList<TopicPartition>> Assign(IReadOnlyList<GroupMember> members, IReadOnlyDictionary<string, int> partitionCounts)
    {
        Dictionary<string, List<TopicPartition>> assigned = members.ToDictionary(member => member.Id, _ => new List<TopicPartition>());
        foreach ((string topic, int count) in partitionCounts.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            GroupMember[] takers = [.. members.Where(member => member.Topics.Contains(topic)).Order(MemberOrder.Instance)];
            int next = 0;
            for (int i = 0; i < takers.Length; i++)
            {
                int end = next + (count / takers.Length) + (i < count % takers.Length ? 1 : 0);
                for (; next < end; next++)
                {
                    assigned[takers[i].Id].Add(new TopicPartition(topic, next));
                }
            }
        }

        return assigned.ToDictionary(entry => entry.Key, entry => (IReadOnlyList<TopicPartition>)entry.Value);
    }
}

/// <summary>Members with a name of their own come first, by it; the others by their ids: as in Kafka's clients, so that leaders of either kind decide alike.</summary>
internal sealed class MemberOrder : IComparer<GroupMember>
{
    public static readonly MemberOrder Instance = new();

    public int Compare(GroupMember? x, GroupMember? y) => (x!.InstanceId, y!.InstanceId) switch
    {
        (null, null) => string.CompareOrdinal(x.Id, y.Id),
        (null, _) => 1,
        (_, null) => -1,
        var (left, right) => string.CompareOrdinal(left, right),
    };
}
