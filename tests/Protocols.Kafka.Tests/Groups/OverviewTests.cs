using Sluice.Broker;
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
        GroupInfo group = Assert.Single(overview.List().Value!);
        Assert.Equal(("busy", "classic", "Stable", member.MemberId), (group.Name, group.Type, group.State, Assert.Single(group.Members).Id));

        // It was committed beyond the end of the partition, which is empty.
        Assert.Equal(new GroupPosition("t", 3, 5, 0, 0), Assert.Single(group.Positions));
        Assert.Equal(BrokerStatus.NotFound, overview.Find("idle").Status);
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
        Assert.Empty(Overview(fixture).List().Value!);
        Assert.Equal(BrokerStatus.NotFound, Overview(fixture).Find("g").Status);
    }

    private static GroupOverview Overview(GroupFixture fixture) => new(fixture.Groups, fixture.Shares, () => fixture.Broker.FindVirtualHost("/"));
}
