using Sluice.Client.Consuming;

namespace Sluice.Client.Tests;

public sealed class AssignorTests
{
    private static readonly Dictionary<string, int> s_counts = new() { ["a"] = 3, ["b"] = 2 };

    [Fact]
    public void Range_gives_each_member_a_run_of_each_topic()
    {
        var assigned = PartitionAssignors.Range.Assign([Member("y", "a", "b"), Member("x", "a", "b")], s_counts);
        Assert.Equal("a-0 a-1 b-0", Text(assigned["x"]));
        Assert.Equal("a-2 b-1", Text(assigned["y"]));
    }

    [Fact]
    public void Range_leaves_out_who_does_not_want_a_topic()
    {
        var assigned = PartitionAssignors.Range.Assign([Member("x", "a"), Member("y", "a", "b")], s_counts);
        Assert.Equal("a-0 a-1", Text(assigned["x"]));
        Assert.Equal("a-2 b-0 b-1", Text(assigned["y"]));
    }

    [Fact]
    public void Members_with_a_lasting_name_come_first()
    {
        GroupMember named = Member("z", "a") with { InstanceId = "n" };
        Assert.Equal("a-0 a-1", Text(PartitionAssignors.Range.Assign([Member("x", "a"), named], s_counts)["z"]));
    }

    [Fact]
    public void Round_robin_deals_all_partitions_in_turn()
    {
        var assigned = PartitionAssignors.RoundRobin.Assign([Member("x", "a", "b"), Member("y", "a", "b")], s_counts);
        Assert.Equal("a-0 a-2 b-1", Text(assigned["x"]));
        Assert.Equal("a-1 b-0", Text(assigned["y"]));
        assigned = PartitionAssignors.RoundRobin.Assign([Member("x", "a"), Member("y", "b")], s_counts);
        Assert.Equal("a-0 a-1 a-2", Text(assigned["x"]));
        Assert.Equal("b-0 b-1", Text(assigned["y"]));
    }

    [Fact]
    public void Sticky_moves_as_little_as_can_be_and_in_two_steps()
    {
        IPartitionAssignor sticky = PartitionAssignors.CooperativeSticky;
        Dictionary<string, int> counts = new() { ["a"] = 6 };
        GroupMember x = Member("x", "a") with { Owned = Parts("a", 0, 1, 2, 3, 4, 5), Generation = 1 };

        // Step 1: x gives up three, which nobody gets yet.
        var assigned = sticky.Assign([x, Member("y", "a")], counts);
        Assert.Equal(3, assigned["x"].Count);
        Assert.Empty(assigned["y"]);

        // Step 2: y gets them.
        x = x with { Owned = assigned["x"], Generation = 2 };
        var then = sticky.Assign([x, Member("y", "a") with { Generation = 2 }], counts);
        Assert.Equal(assigned["x"].ToHashSet(), then["x"].ToHashSet());
        Assert.Equal(Parts("a", 0, 1, 2, 3, 4, 5).Except(assigned["x"]).ToHashSet(), then["y"].ToHashSet());

        // y goes: x gets all at once.
        Assert.Equal(6, sticky.Assign([x], counts)["x"].Count);
    }

    [Fact]
    public void Sticky_believes_the_later_generation()
    {
        GroupMember old = Member("x", "a") with { Owned = Parts("a", 0, 1), Generation = 4 };
        GroupMember young = Member("y", "a") with { Owned = Parts("a", 0), Generation = 5 };
        var assigned = PartitionAssignors.CooperativeSticky.Assign([old, young], s_counts);
        Assert.Contains(new TopicPartition("a", 0), assigned["y"]);
        Assert.DoesNotContain(new TopicPartition("a", 0), assigned["x"]);
    }

    [Fact]
    public void Each_partition_goes_to_one_member_whatever_the_group()
    {
        var random = new Random(3);
        for (int round = 0; round < 300; round++)
        {
            Dictionary<string, int> counts = Enumerable.Range(0, random.Next(1, 4)).ToDictionary(i => $"t{i}", _ => random.Next(0, 12));
            GroupMember[] members = [.. Enumerable.Range(0, random.Next(1, 6)).Select(i => Member($"m{i}", [.. counts.Keys.Where(_ => random.Next(3) > 0)]))];
            foreach (IPartitionAssignor assignor in new[] { PartitionAssignors.Range, PartitionAssignors.RoundRobin, PartitionAssignors.CooperativeSticky })
            {
                TopicPartition[] given = [.. assignor.Assign(members, counts).SelectMany(entry => entry.Value)];
                Assert.Equal(given.Length, given.Distinct().Count());
                Assert.Equal(counts.Where(topic => members.Any(member => member.Topics.Contains(topic.Key))).Sum(topic => topic.Value), given.Length);
                Assert.All(assignor.Assign(members, counts), entry => Assert.All(entry.Value, partition => Assert.Contains(partition.Topic, members.Single(member => member.Id == entry.Key).Topics)));
            }
        }
    }

    private static GroupMember Member(string id, params string[] topics) => new(id, null, topics, [], -1);

    private static TopicPartition[] Parts(string topic, params int[] partitions) => [.. partitions.Select(partition => new TopicPartition(topic, partition))];

    private static string Text(IEnumerable<TopicPartition> partitions) => string.Join(' ', partitions);
}
