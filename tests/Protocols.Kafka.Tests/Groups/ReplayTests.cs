using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;
using Sluice.TestKit.Disk;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>After a restart groups are what they were.</summary>
public sealed class ReplayTests
{
    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void Groups_members_and_offsets_come_back(CrashKind kind)
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 4);
        JoinGroupResponse[] members = fixture.Stable("busy", 3);
        fixture.Commit("busy", "t", 0, 10, members[0].MemberId, members[0].GenerationId, "note");
        fixture.Commit("busy", "t", 0, 11, members[0].MemberId, members[0].GenerationId, "newer");
        JoinGroupResponse left = fixture.Stable("left", 1)[0];
        fixture.Commit("left", "t", 3, 3, left.MemberId, left.GenerationId);
        fixture.Run(fixture.Groups.LeaveAsync("left", [new() { MemberId = left.MemberId }]));
        JoinGroupResponse fixedMember = fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("static", instance: "i")));
        fixture.Run(fixture.SyncAsync("static", fixedMember, (fixedMember.MemberId, "mine")));
        fixedMember = fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("static", instance: "i")));
        fixture.Commit("simple", "t", 2, 22);
        fixture.Commit("deleted", "t", 2, 22);
        fixture.Run(fixture.Groups.DeleteAsync("deleted"));
        string before = fixture.Everything();

        fixture.Crash(kind);
        Assert.Equal(before, fixture.Everything());
        Assert.All(members, member => Assert.Equal(KafkaErrorCode.None, fixture.Heartbeat("busy", member)));
        Assert.Equal(KafkaErrorCode.None, fixture.Heartbeat("static", fixedMember, "i"));
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("busy", "t", 1, 1, members[2].MemberId, members[2].GenerationId));
    }

    [Theory]
    [InlineData("")]
    [InlineData("k")]
    [InlineData("\0\u0001?")]
    public void A_malformed_record_is_passed_over(string key)
    {
        using var fixture = new GroupFixture();
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 1));
        TopicPartition kept = fixture.Broker.FindVirtualHost("/")!.FindTopic(InternalTopics.Offsets)!.Partitions.Single(static one => one.EndOffset > 0);
        using (var builder = new RecordBatchBuilder())
        {
            builder.Append(0, hasKey: true, GroupFixture.Bytes(key).Span, hasValue: true, GroupFixture.Bytes("v").Span, default, 0);
            Assert.Equal(PartitionStatus.Ok, kept.Append(builder.Seal(), Durability.Disk, out _, out _));
        }

        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 1, 2));
        fixture.Crash(CrashKind.Power);
        Assert.Equal(["t:0=1", "t:1=2"], fixture.Offsets("g"));
    }

    [Fact]
    public void After_an_operation_that_failed_half_way_nothing_is_served_that_the_log_does_not_have()
    {
        using var fixture = new GroupFixture();
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 1));
        GroupShard shard = fixture.Run(fixture.Groups.OpenShardAsync("g").AsTask())!;
        Assert.Throws<DivideByZeroException>(() => shard.Run(new GroupAnswer<int>(static _ => 0), turn =>
        {
            shard.Remove(shard.Find("g")!, turn);
            throw new DivideByZeroException();
        }));
        Assert.Equal(KafkaErrorCode.NotCoordinator, fixture.Commit("g", "t", 0, 2));
        fixture.Crash(CrashKind.Power);
        Assert.Equal(["t:0=1"], fixture.Offsets("g"));
    }

    [Fact]
    public void Who_waits_for_other_members_is_told_when_an_operation_has_failed()
    {
        using var fixture = new GroupFixture();
        fixture.Stable("g", 1);
        Task<JoinGroupResponse> waits = fixture.Wait(fixture.JoinNew("g").Join);
        GroupShard shard = fixture.Run(fixture.Groups.OpenShardAsync("g").AsTask())!;
        Assert.Throws<DivideByZeroException>(() => shard.Run(new GroupAnswer<int>(static _ => 0), static _ => throw new DivideByZeroException()));
        Assert.Equal(KafkaErrorCode.NotCoordinator, fixture.Run(waits).ErrorCode);
    }

    [Fact]
    public void Members_that_do_not_come_back_are_dropped()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse[] members = fixture.Stable("g", 2);
        fixture.Crash(CrashKind.Power);
        fixture.Advance(GroupFixture.SessionMs - 1);
        Assert.Equal(KafkaErrorCode.None, fixture.Heartbeat("g", members[0]));
        fixture.Advance(1);
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, fixture.Heartbeat("g", members[0]));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Heartbeat("g", members[1]));
    }

    [Fact]
    public void While_groups_are_read_clients_are_told_to_wait()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse member = fixture.Stable("g", 1)[0];
        fixture.Crash(CrashKind.Power, loads: false);
        Task<KafkaErrorCode> commit = fixture.CommitAsync("g", "t", 0, 1, member.MemberId, member.GenerationId);
        Assert.Equal(KafkaErrorCode.CoordinatorLoadInProgress, GroupFixture.Now(commit));
        Assert.Equal(KafkaErrorCode.None, GroupFixture.Now(fixture.Groups.HeartbeatAsync(new HeartbeatRequest { GroupId = "g", MemberId = member.MemberId })).ErrorCode);
        Assert.Equal(KafkaErrorCode.CoordinatorLoadInProgress, GroupFixture.Now(fixture.Groups.ListAsync()).ErrorCode);
        fixture.Scheduler.RunAll();
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 1, member.MemberId, member.GenerationId));
    }
}
