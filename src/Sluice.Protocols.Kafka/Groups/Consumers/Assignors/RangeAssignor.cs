namespace Sluice.Protocols.Kafka.Groups.Consumers.Assignors;

/// <summary>
/// Gives each member neighbouring partitions, the same ones of each topic, so that topics that are divided alike are read alike: the first members, static ones first, get one more
/// where a division has a rest.
/// </summary>
internal sealed class RangeAssignor : IPartitionAssignor
{
    public string Name => "range";

    public IReadOnlyDictionary<string, PartitionSet> Assign(IReadOnlyList<AssigneeMember> members, IReadOnlyDictionary<Guid, int> partitionCounts)
    {
        AssigneeMember[] ordered =
        [
            .. members.OrderBy(static member => member.InstanceId is null).ThenBy(static member => member.InstanceId ?? member.Id, StringComparer.Ordinal),
        ];
        var assigned = ordered.ToDictionary(static member => member.Id, static _ => new List<PartitionKey>(), StringComparer.Ordinal);
        foreach ((Guid topic, int count) in partitionCounts)
        {
            AssigneeMember[] readers = [.. ordered.Where(member => member.Topics.Contains(topic))];
            for (int i = 0, next = 0; i < readers.Length; i++)
            {
                int share = (count / readers.Length) + (i < count % readers.Length ? 1 : 0);
                assigned[readers[i].Id].AddRange(Enumerable.Range(next, share).Select(index => new PartitionKey(topic, index)));
                next += share;
            }
        }

        return assigned.ToDictionary(static member => member.Key, static member => new PartitionSet(member.Value), StringComparer.Ordinal);
    }
}
