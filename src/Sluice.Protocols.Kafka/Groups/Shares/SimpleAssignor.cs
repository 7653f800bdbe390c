using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Groups.Consumers.Assignors;

namespace Sluice.Protocols.Kafka.Groups.Shares;

/// <summary>
/// Gives every partition to as many members as it takes for every member to have one, members to about the same number of partitions, and moves little. Members that read the same
/// topics share these among themselves.
/// </summary>
internal sealed class SimpleAssignor : IPartitionAssignor
{
    public string Name => "simple";

    public IReadOnlyDictionary<string, PartitionSet> Assign(IReadOnlyList<AssigneeMember> members, IReadOnlyDictionary<Guid, int> partitionCounts)
    {
        var assigned = members.ToDictionary(static member => member.Id, static _ => new HashSet<PartitionKey>(), StringComparer.Ordinal);
        AssigneeMember[] ordered = [.. members.OrderBy(static member => member.Id, StringComparer.Ordinal)];
        var byReaders = partitionCounts.Select(topic => (Topic: topic.Key, Count: topic.Value, Readers: ordered.Where(member => member.Topics.Contains(topic.Key)).ToArray()))
            .Where(static topic => topic.Readers.Length > 0 && topic.Count > 0)
            .GroupBy(static topic => string.Join('\n', topic.Readers.Select(static member => member.Id)), StringComparer.Ordinal);
        foreach (var shared in byReaders)
        {
            PartitionKey[] partitions = [.. shared.OrderBy(static topic => topic.Topic).SelectMany(static topic => Enumerable.Range(0, topic.Count).Select(index => new PartitionKey(topic.Topic, index)))];
            Assign(shared.First().Readers, partitions, assigned);
        }

        return assigned.ToDictionary(static member => member.Key, static member => new PartitionSet(member.Value), StringComparer.Ordinal);
    }

    private static void Assign(AssigneeMember[] members, PartitionKey[] partitions, Dictionary<string, HashSet<PartitionKey>> assigned)
    {
        int readers = (members.Length + partitions.Length - 1) / partitions.Length;
        long all = (long)readers * partitions.Length;
        var readersOf = partitions.ToDictionary(static partition => partition, static _ => 0);
        var room = new int[members.Length];
        for (int i = 0; i < members.Length; i++)
        {
            room[i] = (int)(((all * (i + 1)) + members.Length - 1) / members.Length) - (int)(((all * i) + members.Length - 1) / members.Length);
            foreach (PartitionKey partition in partitions.Where(members[i].Before.Contains))
            {
                if (room[i] > 0 && readersOf[partition] < readers)
                {
                    Give(i, partition);
                }
            }
        }

        int next = 0;
        foreach (PartitionKey partition in partitions)
        {
            for (int tried = 0; tried < members.Length && readersOf[partition] < readers; tried++, next++)
            {
                int member = next % members.Length;
                if (room[member] > 0 && !assigned[members[member].Id].Contains(partition))
                {
                    Give(member, partition);
                }
            }

            if (readersOf[partition] == 0)
            {
                // Whoever has room has it already, which can't be of a partition without readers; so all are full.
                Give(Array.IndexOf(room, room.Max()), partition);
            }
        }

        void Give(int member, PartitionKey partition)
        {
            assigned[members[member].Id].Add(partition);
            readersOf[partition]++;
            room[member]--;
        }
    }
}
