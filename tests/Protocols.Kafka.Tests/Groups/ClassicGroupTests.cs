using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>Membership by the classic protocol, as Kafka's group coordinator has it.</summary>
public sealed class ClassicGroupTests
{
    private static readonly GroupOptions s_small = new() { InitialRebalanceDelayMs = 0, OffsetsTopicPartitions = 1, MembersMax = 2 };

    [Fact]
    public void KIP_394_a_new_member_gets_an_id_first_and_then_the_whole_group()
    {
        using var fixture = new GroupFixture();
        (string id, Task<JoinGroupResponse> join) = fixture.JoinNew("g");
        JoinGroupResponse joined = fixture.Run(join);
        Assert.Equal((KafkaErrorCode.None, 1, id, id, "consumer", "range"), (joined.ErrorCode, joined.GenerationId, joined.MemberId, joined.Leader, joined.ProtocolType, joined.ProtocolName));
        Assert.Equal(GroupFixture.Subscription("t").ToArray(), Assert.Single(joined.Members).Metadata.ToArray());
        Assert.Equal("CompletingRebalance", fixture.State("g"));
        SyncGroupResponse synced = fixture.Run(fixture.SyncAsync("g", joined, (id, "mine")));
        Assert.Equal((KafkaErrorCode.None, "consumer", "range", "mine"), (synced.ErrorCode, synced.ProtocolType, synced.ProtocolName, System.Text.Encoding.UTF8.GetString(synced.Assignment.Span)));
        Assert.Equal(KafkaErrorCode.None, fixture.Heartbeat("g", joined));
        Assert.Equal("Stable", fixture.State("g"));
    }

    [Fact]
    public void Before_version_4_a_member_joins_at_once()
    {
        using var fixture = new GroupFixture();
        Assert.Equal(KafkaErrorCode.None, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g"), version: 3)).ErrorCode);
    }

    [Fact]
    public void An_id_that_is_not_used_is_forgotten_after_the_session_timeout()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse[] members = fixture.Stable("g", 1);
        JoinGroupResponse first = fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g")));
        Task<JoinGroupResponse> again = fixture.Wait(fixture.JoinAsync(GroupFixture.JoinRequest("g", members[0].MemberId)));
        fixture.Advance(GroupFixture.SessionMs);
        Assert.Equal(KafkaErrorCode.None, fixture.Run(again).ErrorCode);
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", first.MemberId))).ErrorCode);
    }

    [Fact]
    public void A_second_member_makes_the_first_join_again()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse first = fixture.Stable("g", 1)[0];
        (string id, Task<JoinGroupResponse> join) = fixture.JoinNew("g");
        fixture.Wait(join);
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, fixture.Heartbeat("g", first));
        JoinGroupResponse leader = fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", first.MemberId)));
        JoinGroupResponse follower = fixture.Run(join);
        Assert.Equal((2, 2, first.MemberId, first.MemberId), (leader.GenerationId, follower.GenerationId, leader.Leader, follower.Leader));
        Assert.Equal([first.MemberId, id], leader.Members.Select(static member => member.MemberId));
        Assert.Empty(follower.Members);
        Task<SyncGroupResponse> waiting = fixture.Wait(fixture.SyncAsync("g", follower));
        Assert.Equal("one", Text(fixture.Run(fixture.SyncAsync("g", leader, (first.MemberId, "one"), (id, "two"))).Assignment));
        Assert.Equal("two", Text(fixture.Run(waiting).Assignment));
        Assert.Equal(KafkaErrorCode.IllegalGeneration, fixture.Heartbeat("g", first));
    }

    [Fact]
    public void The_first_rebalance_waits_for_more_members_and_longer_if_they_come()
    {
        using var fixture = new GroupFixture(new GroupOptions { InitialRebalanceDelayMs = 3000, OffsetsTopicPartitions = 1 });
        Task<JoinGroupResponse> first = fixture.Wait(fixture.JoinNew("g").Join);
        fixture.Advance(2000);
        Task<JoinGroupResponse> second = fixture.Wait(fixture.JoinNew("g").Join);
        fixture.Advance(1000);
        fixture.Wait(first);
        fixture.Advance(2999);
        fixture.Wait(first);
        fixture.Advance(1);
        Assert.Equal((1, 1), (fixture.Run(first).GenerationId, fixture.Run(second).GenerationId));
        Assert.Equal(2, GroupFixture.Now(first).Members.Length + GroupFixture.Now(second).Members.Length);
    }

    [Fact]
    public void A_member_that_is_silent_for_its_session_timeout_is_dropped()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse[] members = fixture.Stable("g", 2);
        fixture.Advance(GroupFixture.SessionMs - 1);
        Assert.Equal(KafkaErrorCode.None, fixture.Heartbeat("g", members[0]));
        fixture.Advance(1);
        Assert.Equal("PreparingRebalance", fixture.State("g"));
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, fixture.Heartbeat("g", members[0]));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Heartbeat("g", members[1]));
        Assert.Equal(3, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", members[0].MemberId))).GenerationId);
    }

    [Fact]
    public void A_commit_keeps_a_member_alive()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse member = fixture.Stable("g", 1)[0];
        for (int i = 0; i < 3; i++)
        {
            fixture.Advance(GroupFixture.SessionMs - 1);
            Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, i, member.MemberId, member.GenerationId));
        }

        Assert.Equal("Stable", fixture.State("g"));
    }

    [Fact]
    public void A_member_that_does_not_join_again_in_time_is_dropped()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse[] members = fixture.Stable("g", 2);
        Task<JoinGroupResponse> again = fixture.Wait(fixture.JoinAsync(GroupFixture.JoinRequest("g", members[0].MemberId)));
        for (int elapsed = 0; elapsed < GroupFixture.RebalanceMs; elapsed += 5000)
        {
            fixture.Wait(again);
            Assert.Equal(KafkaErrorCode.RebalanceInProgress, fixture.Heartbeat("g", members[1]));
            fixture.Advance(5000);
        }

        Assert.Equal(members[0].MemberId, Assert.Single(fixture.Run(again).Members).MemberId);
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Heartbeat("g", members[1]));
    }

    [Fact]
    public void A_member_that_does_not_ask_for_its_assignment_in_time_is_dropped()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse[] members = fixture.Stable("g", 2);
        Task<JoinGroupResponse> leader = fixture.JoinAsync(GroupFixture.JoinRequest("g", members[0].MemberId));
        Task<JoinGroupResponse> follower = fixture.JoinAsync(GroupFixture.JoinRequest("g", members[1].MemberId));
        fixture.Run(fixture.SyncAsync("g", fixture.Run(leader), (members[0].MemberId, "all")));
        JoinGroupResponse silent = fixture.Run(follower);
        for (int elapsed = 0; elapsed < GroupFixture.RebalanceMs; elapsed += 5000)
        {
            Assert.Equal(KafkaErrorCode.None, fixture.Heartbeat("g", silent));
            Assert.Equal(KafkaErrorCode.None, fixture.Heartbeat("g", GroupFixture.Now(leader)));
            fixture.Advance(5000);
        }

        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Heartbeat("g", silent));
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, fixture.Heartbeat("g", GroupFixture.Now(leader)));
    }

    [Fact]
    public void A_new_member_whose_join_waits_too_long_is_told_to_begin_anew()
    {
        using var fixture = new GroupFixture(new GroupOptions { InitialRebalanceDelayMs = 0, OffsetsTopicPartitions = 1, NewMemberJoinTimeoutMs = 20_000 });
        JoinGroupResponse first = fixture.Stable("g", 1)[0];
        Task<JoinGroupResponse> second = fixture.JoinNew("g").Join;
        for (int elapsed = 0; elapsed < 20_000; elapsed += 5000)
        {
            fixture.Wait(second);
            fixture.Heartbeat("g", first);
            fixture.Advance(5000);
        }

        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Run(second).ErrorCode);
        Assert.Single(fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", first.MemberId))).Members);
    }

    [Fact]
    public void The_protocol_that_most_prefer_of_those_that_all_can_do_is_chosen()
    {
        using var fixture = new GroupFixture();
        ReadOnlyMemory<byte> nothing = GroupFixture.Bytes("-");
        (string Name, ReadOnlyMemory<byte> Metadata)[] wants = [("b", nothing), ("a", nothing), ("only", nothing)];
        (string first, _) = fixture.JoinNew("g", ("a", nothing), ("b", nothing));
        (_, Task<JoinGroupResponse> second) = fixture.JoinNew("g", wants);
        fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", first, protocols: [("a", nothing), ("b", nothing)])));
        (_, Task<JoinGroupResponse> third) = fixture.JoinNew("g", wants);
        fixture.JoinAsync(GroupFixture.JoinRequest("g", first, protocols: [("a", nothing), ("b", nothing)]));
        fixture.JoinAsync(GroupFixture.JoinRequest("g", GroupFixture.Now(second).MemberId, protocols: wants));
        Assert.Equal("b", fixture.Run(third).ProtocolName);
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", protocols: ("only", nothing)))).ErrorCode);
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", type: "connect", protocols: ("a", nothing)))).ErrorCode);
    }

    [Fact]
    public void KIP_345_a_static_member_that_restarts_gets_its_assignment_back_without_a_rebalance()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse joined = fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", instance: "i")));
        fixture.Run(fixture.SyncAsync("g", joined, (joined.MemberId, "mine")));
        JoinGroupResponse again = fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", instance: "i")));
        Assert.Equal((KafkaErrorCode.None, joined.GenerationId, true), (again.ErrorCode, again.GenerationId, again.SkipAssignment));
        Assert.NotEqual(joined.MemberId, again.MemberId);
        Assert.Equal(again.MemberId, again.Leader);
        Assert.Equal(again.MemberId, Assert.Single(again.Members).MemberId);
        Assert.Equal("mine", Text(fixture.Run(fixture.SyncAsync("g", again)).Assignment));
        Assert.Equal(KafkaErrorCode.FencedInstanceId, fixture.Heartbeat("g", joined, "i"));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Heartbeat("g", joined));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Heartbeat("g", again, "other"));
        Assert.Equal(KafkaErrorCode.None, fixture.Heartbeat("g", again, "i"));
    }

    [Fact]
    public void KIP_345_before_version_9_a_leader_that_restarts_is_not_told_that_it_leads()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse joined = fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", instance: "i")));
        fixture.Run(fixture.SyncAsync("g", joined, (joined.MemberId, "mine")));
        JoinGroupResponse again = fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", instance: "i"), version: 8));
        Assert.Equal((joined.MemberId, false), (again.Leader, again.SkipAssignment));
        Assert.Empty(again.Members);
    }

    [Fact]
    public void KIP_345_a_static_member_fences_its_predecessor_that_waits()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse other = fixture.Stable("g", 1)[0];
        Task<JoinGroupResponse> old = fixture.Wait(fixture.JoinAsync(GroupFixture.JoinRequest("g", instance: "i")));
        Task<JoinGroupResponse> young = fixture.JoinAsync(GroupFixture.JoinRequest("g", instance: "i"));
        Assert.Equal(KafkaErrorCode.FencedInstanceId, fixture.Run(old).ErrorCode);
        fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", other.MemberId)));
        Assert.Equal(KafkaErrorCode.None, fixture.Run(young).ErrorCode);
    }

    [Fact]
    public void KIP_345_static_members_leave_by_their_instance_ids()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse joined = fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", instance: "i")));
        fixture.Run(fixture.SyncAsync("g", joined));
        LeaveGroupResponse left = fixture.Run(fixture.Groups.LeaveAsync("g", [new() { GroupInstanceId = "i" }, new() { GroupInstanceId = "unknown" }, new() { MemberId = "nobody" }]));
        Assert.Equal([KafkaErrorCode.None, KafkaErrorCode.UnknownMemberId, KafkaErrorCode.UnknownMemberId], left.Members.Select(static member => member.ErrorCode));
        Assert.Equal("Empty", fixture.State("g"));
    }

    [Fact]
    public void The_others_join_again_when_a_member_leaves()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse[] members = fixture.Stable("g", 2);
        Assert.Equal(KafkaErrorCode.None, fixture.Run(fixture.Groups.LeaveAsync("g", [new() { MemberId = members[0].MemberId }])).Members[0].ErrorCode);
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, fixture.Heartbeat("g", members[1]));
        Assert.Equal(members[1].MemberId, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", members[1].MemberId))).Leader);
    }

    [Fact]
    public void What_is_not_allowed_is_refused_with_its_error()
    {
        using var fixture = new GroupFixture();
        JoinGroupRequest hasty = GroupFixture.JoinRequest("g"), patient = GroupFixture.JoinRequest("g");
        (hasty.SessionTimeoutMs, patient.SessionTimeoutMs) = (5999, (30 * 60 * 1000) + 1);
        Assert.Equal(KafkaErrorCode.InvalidSessionTimeout, fixture.Run(fixture.JoinAsync(hasty)).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidSessionTimeout, fixture.Run(fixture.JoinAsync(patient)).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidGroupId, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest(""))).ErrorCode);
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", "nobody"))).ErrorCode);
        JoinGroupResponse member = fixture.Stable("g", 1)[0];
        member.ProtocolName = "roundrobin";
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, fixture.Run(fixture.SyncAsync("g", member)).ErrorCode);
        member.ProtocolName = null;
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, fixture.Run(fixture.SyncAsync("g", member)).ErrorCode);
        member.GenerationId++;
        Assert.Equal(KafkaErrorCode.IllegalGeneration, fixture.Run(fixture.SyncAsync("g", member)).ErrorCode);
        Assert.Equal(KafkaErrorCode.NonEmptyGroup, fixture.Run(fixture.Groups.DeleteAsync("g")));
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, fixture.Run(fixture.Groups.DeleteAsync("nothing")));
    }

    [Fact]
    public void A_full_group_takes_no_more_members()
    {
        using var fixture = new GroupFixture(s_small);
        fixture.Stable("g", 2);
        Assert.Equal(KafkaErrorCode.GroupMaxSizeReached, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g"))).ErrorCode);
    }

    [Fact]
    public void A_group_that_is_not_there_is_dead_to_old_clients_and_an_error_to_new_ones()
    {
        using var fixture = new GroupFixture();
        DescribeGroupsResponse.DescribedGroup old = fixture.Run(fixture.Groups.DescribeAsync("g", 5)), young = fixture.Run(fixture.Groups.DescribeAsync("g", 6));
        Assert.Equal(("Dead", KafkaErrorCode.None), (old.GroupState, old.ErrorCode));
        Assert.Equal(("Dead", KafkaErrorCode.GroupIdNotFound), (young.GroupState, young.ErrorCode));
    }

    /// <summary>Java's String.hashCode of the second is Integer.MIN_VALUE, whose absolute value is none.</summary>
    [Theory]
    [InlineData("abc", 96354 % 50)]
    [InlineData("polygenelubricants", 0)]
    [InlineData("", 0)]
    [InlineData("my-group-2", 5)]
    public void A_group_is_in_the_partition_in_which_Kafka_would_have_it(string group, int partition) => Assert.Equal(partition, InternalTopic.PartitionOf(group, 50));

    private static string Text(ReadOnlyMemory<byte> bytes) => System.Text.Encoding.UTF8.GetString(bytes.Span);
}
