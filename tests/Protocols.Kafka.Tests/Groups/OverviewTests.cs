using Sluice.Broker;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Overview;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.TestKit.Disk;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>What operators are told of groups.</summary>
public sealed class OverviewTests
{
    [Fact]
    public void Nothing_is_told_of_groups_that_are_still_being_read()
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 4);
        JoinGroupResponse member = fixture.Stable("busy", 1)[0];
        fixture.Commit("busy", "t", 3, 5, member.MemberId, member.GenerationId);
        fixture.Crash(CrashKind.Power, loads: false);
        GroupOverview overview = Overview(fixture);
        Assert.Equal((BrokerStatus.Unavailable, "the groups are still being read"), (overview.List().Status, overview.List().Detail));
        Assert.Equal(BrokerStatus.Unavailable, overview.Find("busy").Status);

        fixture.Scheduler.RunAll();
        GroupInfo group = Assert.Single(overview.List().Value!.Groups);
        Assert.Equal(("busy", "classic", "Stable", member.MemberId), (group.Name, group.Type, group.State, Assert.Single(group.Members).Id));

        // It was committed beyond the end of the partition, which is empty.
        Assert.Equal(new GroupPosition("t", 3, 5, 0, 0), Assert.Single(group.Positions));
        Assert.Equal(BrokerStatus.NotFound, overview.Find("idle").Status);
    }

    [Fact]
    public void Groups_that_are_not_served_any_more_do_not_hide_the_others()
    {
        using var fixture = new GroupFixture();
        string[] names = ["a", "b", "c", "d", "e", "f"];
        Assert.All(names, name => fixture.Commit(name, "t", 0, 1));
        GroupShard shard = fixture.Run(fixture.Groups.OpenShardAsync("a").AsTask())!;
        string[] lost = [.. shard.Groups.Select(static group => group.Id)];
        Assert.Throws<DivideByZeroException>(() => shard.Run(new GroupAnswer<int>(static _ => 0), static _ => throw new DivideByZeroException()));
        GroupListing listing = Overview(fixture).List().Value!;
        Assert.Equal(names.Except(lost), listing.Groups.Select(static group => group.Name));
        Assert.NotEmpty(listing.Groups);
        Assert.Equal([shard.Partition.Index], listing.FailedPartitions);
        Assert.Equal(BrokerStatus.Unavailable, Overview(fixture).Find("a").Status);
        Assert.True(Overview(fixture).Find(listing.Groups[0].Name).IsOk);
    }

    [Fact]
    public void An_assignment_that_cannot_be_read_is_none()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse joined = fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("odd", instance: "i")));
        fixture.Run(fixture.SyncAsync("odd", joined, (joined.MemberId, "not what consumers write")));
        GroupInfo group = Overview(fixture).Find("odd").Value!;
        Assert.Equal(("Stable", 0), (group.State, Assert.Single(group.Members).Assigned.Count));
    }

    [Fact]
    public void Before_the_first_group_there_is_none()
    {
        using var fixture = new GroupFixture();
        Assert.Empty(Overview(fixture).List().Value!.Groups);
        Assert.Equal(BrokerStatus.NotFound, Overview(fixture).Find("g").Status);
    }

    private static GroupOverview Overview(GroupFixture fixture) => new(fixture.Groups, fixture.Shares, () => fixture.Broker.FindVirtualHost("/"));
}
