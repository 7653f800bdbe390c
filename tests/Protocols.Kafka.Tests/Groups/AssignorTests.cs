using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Groups.Consumers.Assignors;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>Server-side assignors.</summary>
public sealed class AssignorTests
{
    private static readonly Guid s_t = new(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), s_u = new(2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    [Fact]
    public void Range_gives_neighbours_and_the_same_of_each_topic()
    {
        IReadOnlyDictionary<string, PartitionSet> assigned = new RangeAssignor().Assign([Member("b"), Member("a"), Member("z", instance: "0")], new Dictionary<Guid, int> { [s_t] = 4, [s_u] = 3 });
        Assert.Equal("t0 t1 u0", Text(assigned["z"]));
        Assert.Equal("t2 u1", Text(assigned["a"]));
        Assert.Equal("t3 u2", Text(assigned["b"]));
    }

    [Fact]
    public void Range_gives_a_topic_to_those_who_read_it()
    {
        IReadOnlyDictionary<string, PartitionSet> assigned = new RangeAssignor().Assign([Member("a", [s_t]), Member("b")], new Dictionary<Guid, int> { [s_t] = 2, [s_u] = 2 });
        Assert.Equal("t0", Text(assigned["a"]));
        Assert.Equal("t1 u0 u1", Text(assigned["b"]));
    }

    [Fact]
    public void Uniform_moves_no_more_than_a_new_member_takes()
    {
        var assignor = new UniformAssignor();
        var topics = new Dictionary<Guid, int> { [s_t] = 6, [s_u] = 6 };
        IReadOnlyDictionary<string, PartitionSet> two = assignor.Assign([Member("a"), Member("b")], topics);
        IReadOnlyDictionary<string, PartitionSet> three = assignor.Assign([Member("a", before: two["a"]), Member("b", before: two["b"]), Member("c")], topics);
        Assert.Equal((6, 6), (two["a"].Count, two["b"].Count));
        Assert.Equal((4, 4, 4), (three["a"].Count, three["b"].Count, three["c"].Count));
        Assert.True(three["a"].IsSubsetOf(two["a"]));
        Assert.True(three["b"].IsSubsetOf(two["b"]));
    }

    [Fact]
    public void Uniform_lets_those_who_read_less_have_what_they_read()
    {
        IReadOnlyDictionary<string, PartitionSet> assigned = new UniformAssignor().Assign([Member("a", [s_t]), Member("b")], new Dictionary<Guid, int> { [s_t] = 4, [s_u] = 4 });
        Assert.Equal("t0 t1 t2 t3", Text(assigned["a"]));
        Assert.Equal("u0 u1 u2 u3", Text(assigned["b"]));
    }

    [Theory]
    [InlineData("uniform")]
    [InlineData("range")]
    public void Every_partition_that_somebody_reads_has_one_reader_who_reads_its_topic(string name)
    {
        IPartitionAssignor assignor = HeartbeatCheck.Assignors.Single(known => known.Name == name);
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            Dictionary<Guid, int> topics = Enumerable.Range(1, random.Next(1, 6)).ToDictionary(static i => new Guid(i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), _ => random.Next(1, 20));
            bool isAlike = seed % 2 == 0;
            AssigneeMember[] members = [.. Enumerable.Range(0, random.Next(1, 10)).Select(i => Member($"m{i}", [.. topics.Keys.Where(_ => isAlike || random.Next(2) == 0)]))];
            for (int round = 0; round < 3; round++)
            {
                IReadOnlyDictionary<string, PartitionSet> assigned = assignor.Assign(members, topics);
                PartitionKey[] all = [.. assigned.Values.SelectMany(static partitions => partitions)];
                Assert.Equal(all.Length, all.Distinct().Count());
                Assert.Equal(topics.Where(topic => members.Any(member => member.Topics.Contains(topic.Key))).Sum(static topic => topic.Value), all.Length);
                Assert.All(members, member => Assert.All(assigned[member.Id], partition => Assert.Contains(partition.Topic, member.Topics)));
                if (name == "uniform" && isAlike)
                {
                    Assert.InRange(assigned.Values.Max(static partitions => partitions.Count) - assigned.Values.Min(static partitions => partitions.Count), 0, 1);
                }

                members = [.. members.Where(_ => random.Next(4) > 0).Select(member => member with { Before = assigned[member.Id] }), Member($"new{round}", [.. topics.Keys])];
            }
        }
    }

    private static AssigneeMember Member(string id, Guid[]? topics = null, string? instance = null, PartitionSet? before = null) =>
        new(id, instance, (topics ?? [s_t, s_u]).ToHashSet(), before ?? PartitionSet.Empty);

    private static string Text(PartitionSet partitions) => string.Join(' ', partitions.Select(static partition => $"{(partition.Topic == s_t ? "t" : "u")}{partition.Index}").Order(StringComparer.Ordinal));
}
