using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.TestKit.Disk;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>KIP-848: groups change their protocol while their members go on.</summary>
public sealed class MigrationTests
{
    private static readonly string[] s_all = ["t:0", "t:1", "t:2", "t:3"];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_classic_group_becomes_a_consumer_group_and_its_members_go_on(bool isEager)
    {
        using GroupFixture fixture = Start();
        ClassicConsumer a = Alone(fixture, isEager);
        var b = new ConsumerClient(fixture, "g", "b");
        Assert.Equal(a.Generation + 1, b.Join("t").MemberEpoch);
        Assert.Equal(("consumer", "Reconciling"), (Type(fixture), Describe(fixture).GroupState));
        Assert.Equal([("b", (sbyte)1), (a.Id, (sbyte)0)], Describe(fixture).Members.Select(static member => (member.MemberId, member.MemberType)));
        Assert.Equal(0, b.Count);

        // Until it has joined again it goes on as it was.
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 5, a.Id, a.Generation, version: 8));
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, a.Heartbeat());
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 6, a.Id, a.Generation, version: 8));
        int before = a.Generation;
        Settle(a, b);
        Assert.Equal((2, 2), (a.Count, b.Count));
        Assert.Equal(s_all, $"{a.Owned} {b.Owned}".Split(' ').Order());
        Assert.Equal((before + 1, "", "consumer"), (a.Generation, a.Joined.Leader, a.Joined.ProtocolType));
        Assert.Equal("Stable", Describe(fixture).GroupState);
        Assert.Equal(KafkaErrorCode.IllegalGeneration, fixture.Commit("g", "t", 0, 7, a.Id, before, version: 8));
        Assert.Equal(["t:0=6"], fixture.Offsets("g"));
    }

    [Fact]
    public void The_group_becomes_classic_again_when_the_last_member_of_the_new_protocol_leaves()
    {
        using GroupFixture fixture = Start();
        ClassicConsumer a = Alone(fixture), c = new(fixture, "g");
        var b = new ConsumerClient(fixture, "g", "b");
        b.Join("t");
        Assert.Equal(KafkaErrorCode.None, c.Join("t"));
        Settle(a, b, c);
        int epoch = Describe(fixture).GroupEpoch;
        Assert.Equal(-1, b.Leave().MemberEpoch);

        Assert.Equal(("classic", "PreparingRebalance"), (Type(fixture), fixture.State("g")));
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, a.Heartbeat());
        Task<JoinGroupResponse> first = fixture.Wait(a.JoinAsync("t"));
        Task<JoinGroupResponse> second = c.JoinAsync("t");
        a.Take(fixture.Run(first));
        c.Take(fixture.Run(second));
        Assert.Equal(epoch + 1, a.Generation);
        ClassicConsumer leader = a.Joined.Leader == a.Id ? a : c, other = leader == a ? c : a;
        Assert.Equal(2, leader.Joined.Members.Length);
        Task<SyncGroupResponse> waits = fixture.Wait(other.SyncAsync());
        Assert.Equal(KafkaErrorCode.None, leader.Sync((leader.Id, ["t:0", "t:1"]), (other.Id, ["t:2", "t:3"])));
        other.Take(fixture.Run(waits));
        Assert.Equal(s_all, $"{a.Owned} {c.Owned}".Split(' ').Order());
        Assert.Equal("Stable", fixture.State("g"));
    }

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void Both_changes_outlive_a_restart(CrashKind kind)
    {
        using GroupFixture fixture = Start();
        ClassicConsumer a = Alone(fixture);
        var b = new ConsumerClient(fixture, "g", "b");
        b.Join("t");
        fixture.Crash(kind);
        Assert.Equal("consumer", Type(fixture));
        Settle(a, b);
        Assert.Equal(s_all, $"{a.Owned} {b.Owned}".Split(' ').Order());
        Assert.Equal((2, 2), (a.Count, b.Count));

        b.Leave();
        fixture.Crash(kind);
        Assert.Equal("classic", Type(fixture));

        // The rebalance that was to come is in no record; still what b had does not stay without a reader.
        Assert.Equal(KafkaErrorCode.IllegalGeneration, a.Heartbeat());
        Assert.Equal(KafkaErrorCode.None, a.Join("t"));
        Assert.Equal(a.Id, a.Joined.Leader);
        Assert.Equal(KafkaErrorCode.None, a.Sync((a.Id, s_all)));
        Assert.Equal(KafkaErrorCode.None, a.Heartbeat());
    }

    [Fact]
    public void A_restart_knows_the_session_timeout_of_classic_members()
    {
        using GroupFixture fixture = Start();
        ClassicConsumer a = Alone(fixture);
        var b = new ConsumerClient(fixture, "g", "b");
        b.Join("t");
        Settle(a, b);
        fixture.Crash(CrashKind.Power);
        fixture.Advance(GroupFixture.SessionMs - 1);
        Assert.Equal(KafkaErrorCode.None, a.Heartbeat());
        fixture.Advance(GroupFixture.SessionMs);
        Assert.Equal(KafkaErrorCode.UnknownMemberId, a.Heartbeat());
        Settle(b);
        Assert.Equal(4, b.Count);
    }

    [Fact]
    public void Members_that_wait_for_a_rebalance_are_told_to_join_again()
    {
        using GroupFixture fixture = Start();
        ClassicConsumer a = Alone(fixture), c = new(fixture, "g");
        Task<JoinGroupResponse> waits = fixture.Wait(c.JoinAsync("t"));
        var b = new ConsumerClient(fixture, "g", "b");
        Assert.Equal(KafkaErrorCode.None, b.Join("t").ErrorCode);
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, c.Take(fixture.Run(waits)));
        Assert.Equal(KafkaErrorCode.None, c.Join("t"));
        Assert.Equal(KafkaErrorCode.None, c.Sync());
        Settle(a, b, c);
        Assert.Equal(s_all, $"{a.Owned} {b.Owned} {c.Owned}".Split(' ').Order());
    }

    [Fact]
    public void A_group_that_has_never_had_a_generation_changes_too()
    {
        using var fixture = new GroupFixture(new GroupOptions { InitialRebalanceDelayMs = 3000, OffsetsTopicPartitions = 3, AssignmentIntervalMs = 0 });
        fixture.CreateTopic("t", 4);
        var a = new ClassicConsumer(fixture, "g");
        Task<JoinGroupResponse> waits = fixture.Wait(a.JoinAsync("t"));
        var b = new ConsumerClient(fixture, "g", "b");
        Assert.Equal(1, b.Join("t").MemberEpoch);
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, a.Take(fixture.Run(waits)));
        Assert.Equal(KafkaErrorCode.None, a.Join("t"));
        Assert.Equal(KafkaErrorCode.None, a.Sync());
        Settle(a, b);
        Assert.Equal((2, 2), (a.Count, b.Count));
    }

    [Fact]
    public void A_group_whose_only_member_has_left_before_its_first_generation_changes_too()
    {
        using var fixture = new GroupFixture(new GroupOptions { InitialRebalanceDelayMs = 3000, OffsetsTopicPartitions = 3, AssignmentIntervalMs = 0 });
        fixture.CreateTopic("t", 4);
        var a = new ClassicConsumer(fixture, "g");
        Task<JoinGroupResponse> waits = fixture.Wait(a.JoinAsync("t"));
        Assert.Equal(KafkaErrorCode.None, a.Leave());
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Run(waits).ErrorCode);
        Assert.Equal("PreparingRebalance", fixture.State("g"));

        var b = new ConsumerClient(fixture, "g", "b");
        Assert.Equal(1, b.Join("t").MemberEpoch);
        Assert.Equal(4, b.Count);
        fixture.Crash(CrashKind.Process);
        Assert.Equal(KafkaErrorCode.None, b.Heartbeat().ErrorCode);
    }

    [Fact]
    public void A_classic_member_gives_up_only_what_it_must_and_gets_more_once_it_is_free()
    {
        using GroupFixture fixture = Start();
        ClassicConsumer a = Alone(fixture);
        var b = new ConsumerClient(fixture, "g", "b");
        b.Join("t");
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, a.Heartbeat());
        Assert.Equal(KafkaErrorCode.None, a.Join("t"));
        Assert.Equal(KafkaErrorCode.None, a.Sync());
        Assert.Equal(2, a.Count);

        // It has not said yet that it has given the others up.
        b.Heartbeat();
        Assert.Equal(0, b.Count);
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, a.Heartbeat());
        Assert.Equal(KafkaErrorCode.None, a.Join("t"));
        Assert.Equal(KafkaErrorCode.None, a.Sync());
        b.Heartbeat();
        Assert.Equal(2, b.Count);

        var c = new ClassicConsumer(fixture, "g");
        Assert.Equal(KafkaErrorCode.None, c.Join("t"));
        Assert.Equal(KafkaErrorCode.None, c.Sync());
        Assert.Equal((KafkaErrorCode.None, 0), (c.Heartbeat(), c.Count));
        Settle(a, b);
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, c.Heartbeat());
        Settle(c);
        Assert.Equal(s_all, $"{a.Owned} {b.Owned} {c.Owned}".Split(' ').Order());
    }

    [Fact]
    public void Static_members_change_their_protocol_and_keep_their_partitions()
    {
        using GroupFixture fixture = Start();
        var a = new ClassicConsumer(fixture, "g", instance: "i");
        Assert.Equal(KafkaErrorCode.None, a.Join("t"));
        Assert.Equal(KafkaErrorCode.None, a.Sync((a.Id, s_all)));
        ClassicConsumer other = new(fixture, "g", instance: "j");
        Task<JoinGroupResponse> waits = fixture.Wait(other.JoinAsync("t"));
        a.Join("t");
        other.Take(fixture.Run(waits));
        Task<SyncGroupResponse> sync = fixture.Wait(other.SyncAsync());
        a.Sync((a.Id, ["t:0", "t:1"]), (other.Id, ["t:2", "t:3"]));
        other.Take(fixture.Run(sync));

        var upgraded = new ConsumerClient(fixture, "g", "new", instance: "i");
        Assert.Equal(KafkaErrorCode.None, upgraded.Join("t").ErrorCode);
        Assert.Equal(("t:0 t:1", "consumer"), (upgraded.Owned, Type(fixture)));
        Assert.Equal(KafkaErrorCode.FencedInstanceId, a.Heartbeat());
        Assert.Equal(KafkaErrorCode.None, other.Heartbeat());

        upgraded.Leave(epoch: -2);
        var back = new ClassicConsumer(fixture, "g", instance: "i");
        Assert.Equal(KafkaErrorCode.None, back.Join("t"));
        Assert.Equal(KafkaErrorCode.None, back.Sync());
        Assert.Equal(("t:0 t:1", "classic", "Stable"), (back.Owned, Type(fixture), fixture.State("g")));
        Assert.Equal((KafkaErrorCode.None, KafkaErrorCode.None), (back.Heartbeat(), other.Heartbeat()));
    }

    [Fact]
    public void A_static_member_that_comes_back_classic_gets_nothing_that_another_still_reads()
    {
        using GroupFixture fixture = Start();
        ClassicConsumer a = Alone(fixture);
        var upgraded = new ConsumerClient(fixture, "g", "b", instance: "i");
        upgraded.Join("t");
        upgraded.Leave(epoch: -2);
        var back = new ClassicConsumer(fixture, "g", instance: "i");
        Assert.Equal(KafkaErrorCode.None, back.Join("t"));
        Assert.Equal("classic", Type(fixture));
        Assert.Equal((KafkaErrorCode.RebalanceInProgress, 4, 0), (back.Sync(), a.Count, back.Count));

        Assert.Equal(KafkaErrorCode.IllegalGeneration, a.Heartbeat());
        Task<JoinGroupResponse> waits = fixture.Wait(a.JoinAsync("t"));
        Assert.Equal(KafkaErrorCode.None, back.Join("t"));
        Assert.Equal(KafkaErrorCode.None, a.Take(fixture.Run(waits)));
        Assert.Equal(a.Generation, back.Generation);
    }

    [Fact]
    public void A_classic_member_that_does_not_do_its_part_is_dropped()
    {
        using GroupFixture fixture = Start();
        ClassicConsumer a = Alone(fixture);
        var b = new ConsumerClient(fixture, "g", "b");
        b.Join("t");
        for (int elapsed = 0; elapsed < GroupFixture.RebalanceMs; elapsed += 5000)
        {
            Assert.Equal(KafkaErrorCode.RebalanceInProgress, a.Heartbeat());
            b.Heartbeat();
            fixture.Advance(5000);
        }

        Assert.Equal(KafkaErrorCode.UnknownMemberId, a.Heartbeat());
        Settle(b);
        Assert.Equal(4, b.Count);

        ClassicConsumer late = new(fixture, "g");
        Assert.Equal(KafkaErrorCode.None, late.Join("t"));
        for (int elapsed = 0; elapsed < GroupFixture.RebalanceMs; elapsed += 5000)
        {
            Assert.NotEqual(KafkaErrorCode.UnknownMemberId, late.Heartbeat());
            b.Heartbeat();
            fixture.Advance(5000);
        }

        Assert.Equal(KafkaErrorCode.UnknownMemberId, late.Heartbeat());
    }

    [Fact]
    public void Requests_of_the_wrong_kind_are_refused()
    {
        using GroupFixture fixture = Start();
        ClassicConsumer a = Alone(fixture);
        var b = new ConsumerClient(fixture, "g", "b");
        b.Join("t");
        Settle(a, b);
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Heartbeat("g", new JoinGroupResponse { MemberId = "b", GenerationId = b.Epoch }));
        Assert.Equal(KafkaErrorCode.IllegalGeneration, fixture.Heartbeat("g", new JoinGroupResponse { MemberId = a.Id, GenerationId = a.Generation - 1 }));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Heartbeat("g", new JoinGroupResponse { MemberId = "x", GenerationId = a.Generation }));
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, fixture.Run(fixture.SyncAsync("g", new JoinGroupResponse { MemberId = a.Id, GenerationId = a.Generation, ProtocolType = "consumer", ProtocolName = "range" })).ErrorCode);
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", protocols: ("range", GroupFixture.Subscription("t"))))).ErrorCode);
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", type: "connect", protocols: ("cooperative-sticky", GroupFixture.Subscription("t"))))).ErrorCode);
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", "c", protocols: ("cooperative-sticky", GroupFixture.Bytes("?"))))).ErrorCode);
        Assert.Equal(KafkaErrorCode.None, a.Leave());
        Assert.Equal(KafkaErrorCode.UnknownMemberId, a.Leave());
        Assert.Equal("consumer", Type(fixture));
    }

    [Fact]
    public void Groups_of_other_clients_and_of_custom_assignors_do_not_change()
    {
        using GroupFixture fixture = Start();
        JoinGroupResponse connect = fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g", type: "connect"), version: 3));
        fixture.Run(fixture.SyncAsync("g", connect, (connect.MemberId, "x")));
        ConsumerGroupHeartbeatResponse refused = new ConsumerClient(fixture, "g", "b").Join("t");
        Assert.Equal((KafkaErrorCode.GroupIdNotFound, "Cannot upgrade classic group g to consumer group because the group does not use the consumer embedded protocol."), (refused.ErrorCode, refused.ErrorMessage));

        fixture.Stable("malformed", 1);
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, new ConsumerClient(fixture, "malformed", "b").Join("t").ErrorCode);
        Assert.Equal("classic", Type(fixture));
    }

    [Theory]
    [InlineData(GroupMigrationPolicy.Bidirectional, true, true)]
    [InlineData(GroupMigrationPolicy.Upgrade, true, false)]
    [InlineData(GroupMigrationPolicy.Downgrade, false, true)]
    [InlineData(GroupMigrationPolicy.Disabled, false, false)]
    public void The_policy_says_which_way_groups_may_go(GroupMigrationPolicy policy, bool mayUpgrade, bool mayDowngrade)
    {
        using GroupFixture fixture = Start(policy);
        Alone(fixture);
        var b = new ConsumerClient(fixture, "g", "b");
        Assert.Equal(mayUpgrade ? KafkaErrorCode.None : KafkaErrorCode.GroupIdNotFound, b.Join("t").ErrorCode);
        Assert.Equal(mayUpgrade ? "consumer" : "classic", Type(fixture));

        var c = new ConsumerClient(fixture, "h", "c");
        c.Join("t");
        var d = new ClassicConsumer(fixture, "h", instance: "d");
        Assert.Equal(policy == GroupMigrationPolicy.Disabled ? KafkaErrorCode.InconsistentGroupProtocol : KafkaErrorCode.None, d.Join("t"));
        c.Leave();
        Assert.Equal(mayDowngrade && policy != GroupMigrationPolicy.Disabled ? "classic" : "consumer", Type(fixture, "h"));
        if (policy == GroupMigrationPolicy.Upgrade)
        {
            // Members of one protocol only: they go on in the consumer group.
            d.Sync();
            d.Follow("t");
            Assert.Equal(4, d.Count);
        }
    }

    private static GroupFixture Start(GroupMigrationPolicy policy = GroupMigrationPolicy.Bidirectional)
    {
        var fixture = new GroupFixture(new GroupOptions { InitialRebalanceDelayMs = 0, OffsetsTopicPartitions = 3, MigrationPolicy = policy, AssignmentIntervalMs = 0 });
        fixture.CreateTopic("t", 4);
        return fixture;
    }

    /// <summary>The only member of a classic group, which reads all.</summary>
    private static ClassicConsumer Alone(GroupFixture fixture, bool isEager = false)
    {
        var member = new ClassicConsumer(fixture, "g", isEager);
        Assert.Equal(KafkaErrorCode.None, member.Join("t"));
        Assert.Equal(KafkaErrorCode.None, member.Sync((member.Id, s_all)));
        Assert.Equal(4, member.Count);
        return member;
    }

    private static void Settle(params object[] members)
    {
        for (int round = 0; round < 6; round++)
        {
            foreach (object member in members)
            {
                if (member is ClassicConsumer classic)
                {
                    classic.Follow("t");
                }
                else
                {
                    ((ConsumerClient)member).Heartbeat();
                }
            }
        }
    }

    private static string Type(GroupFixture fixture, string group = "g") => fixture.Run(fixture.Groups.ListAsync()).Groups.Single(listed => listed.GroupId == group).GroupType;

    private static ConsumerGroupDescribeResponse.DescribedGroup Describe(GroupFixture fixture) => fixture.Run(fixture.Groups.DescribeConsumersAsync("g"));
}
