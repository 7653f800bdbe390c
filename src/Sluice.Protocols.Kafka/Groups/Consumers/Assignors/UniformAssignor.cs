namespace Sluice.Protocols.Kafka.Groups.Consumers.Assignors;

/// <summary>Gives members as nearly the same number of partitions as their subscriptions allow, and moves as few as that takes.</summary>
internal sealed class UniformAssignor : IPartitionAssignor
{
    public string Name => "uniform";

    public IReadOnlyDictionary<string, PartitionSet> Assign(IReadOnlyList<AssigneeMember> members, IReadOnlyDictionary<Guid, int> partitionCounts)
    {
        AssigneeMember[] ordered = [.. members.OrderBy(static member => member.Id, StringComparer.Ordinal)];
        var readers = partitionCounts.Keys.ToDictionary(static topic => topic, topic => ordered.Where(member => member.Topics.Contains(topic)).Select(static member => new Load(member.Id)).ToArray());
        var loads = ordered.ToDictionary(static member => member.Id, static member => new Load(member.Id), StringComparer.Ordinal);
        foreach (Load[] readersOfTopic in readers.Values)
        {
            for (int i = 0; i < readersOfTopic.Length; i++)
            {
                readersOfTopic[i] = loads[readersOfTopic[i].Id];
            }
        }

        HashSet<PartitionKey> rest = [.. partitionCounts.Where(topic => readers[topic.Key].Length > 0).SelectMany(static topic => Enumerable.Range(0, topic.Value).Select(index => new PartitionKey(topic.Key, index)))];
        Keep(ordered, loads, rest);

        // Those that fewest can read come first: the others can make up for them.
        foreach (PartitionKey partition in rest.OrderBy(partition => readers[partition.Topic].Length).ThenBy(static partition => partition, PartitionOrder.Instance))
        {
            Lightest(readers[partition.Topic]).Partitions.Add(partition);
        }

        Balance(loads.Values, readers);
        return loads.ToDictionary(static load => load.Key, static load => new PartitionSet(load.Value.Partitions), StringComparer.Ordinal);
    }

    /// <summary>Lets members keep what they had; where all read the same no more than comes to each.</summary>
    private static void Keep(AssigneeMember[] members, Dictionary<string, Load> loads, HashSet<PartitionKey> rest)
    {
        bool isAlike = members.All(member => member.Topics.SetEquals(members[0].Topics));
        int share = isAlike ? rest.Count / members.Length : int.MaxValue;
        int larger = isAlike ? rest.Count % members.Length : 0;
        foreach (AssigneeMember member in members)
        {
            List<PartitionKey> kept = loads[member.Id].Partitions;
            foreach (PartitionKey partition in member.Before.Order(PartitionOrder.Instance))
            {
                if (kept.Count < share + (larger > 0 ? 1 : 0) && member.Topics.Contains(partition.Topic) && rest.Remove(partition))
                {
                    kept.Add(partition);
                }
            }

            larger -= kept.Count > share ? 1 : 0;
        }
    }

    /// <summary>Moves partitions from who has most to who can read them and has at least two less, until there are no such two. Each move makes the sum of squares less, so it ends.</summary>
    private static void Balance(Dictionary<string, Load>.ValueCollection all, Dictionary<Guid, Load[]> readers)
    {
        while (MoveOne(all, readers))
        {
        }
    }

    private static bool MoveOne(Dictionary<string, Load>.ValueCollection all, Dictionary<Guid, Load[]> readers)
    {
        foreach (Load heavy in all.OrderByDescending(static load => load.Partitions.Count).ThenBy(static load => load.Id, StringComparer.Ordinal))
        {
            foreach (Guid topic in heavy.Partitions.Select(static partition => partition.Topic).Distinct())
            {
                Load light = Lightest(readers[topic]);
                if (heavy.Partitions.Count > light.Partitions.Count + 1)
                {
                    int last = heavy.Partitions.FindLastIndex(partition => partition.Topic == topic);
                    light.Partitions.Add(heavy.Partitions[last]);
                    heavy.Partitions.RemoveAt(last);
                    return true;
                }
            }
        }

        return false;
    }

    private static Load Lightest(Load[] loads)
    {
        Load lightest = loads[0];
        foreach (Load load in loads)
        {
            if (load.Partitions.Count < lightest.Partitions.Count)
            {
                lightest = load;
            }
        }

        return lightest;
    }

    private sealed class Load(string id)
    {
        public string Id => id;

        public List<PartitionKey> Partitions { get; } = [];
    }

    private sealed class PartitionOrder : IComparer<PartitionKey>
    {
        public static PartitionOrder Instance { get; } = new();

        public int Compare(PartitionKey x, PartitionKey y) => x.Topic.CompareTo(y.Topic) is var byTopic and not 0 ? byTopic : x.Index.CompareTo(y.Index);
    }
}
