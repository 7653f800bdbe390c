using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.TestKit.Disk;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>KIP-848: the broker assigns, members follow.</summary>
public sealed class ConsumerGroupTests
{
    [Fact]
    public void A_member_that_changes_its_instance_id_leaves_the_former_to_others()
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 2);
        var before = new ConsumerClient(fixture, "g", "m1", "i1");
        Assert.Equal(KafkaErrorCode.None, before.Join("t").ErrorCode);
        var after = new ConsumerClient(fixture, "g", "m1", "i2");
        Assert.Equal(KafkaErrorCode.None, after.Join("t").ErrorCode);
        Assert.Equal(KafkaErrorCode.None, after.Leave().ErrorCode);
        var other = new ConsumerClient(fixture, "g", "m2", "i1");
        Assert.Equal(KafkaErrorCode.None, other.Join("t").ErrorCode);
    }

    private const int SessionMs = 45_000;

    [Fact]
    public void A_member_gets_all_and_a_second_one_its_half_once_the_first_has_given_it_up()
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 4);
        ConsumerClient a = new(fixture, "g", "a"), b = new(fixture, "g", "b");
        ConsumerGroupHeartbeatResponse joined = a.Join("t");
        Assert.Equal((KafkaErrorCode.None, "a", 1, 5000), (joined.ErrorCode, joined.MemberId, joined.MemberEpoch, joined.HeartbeatIntervalMs));
        Assert.Equal("t:0 t:1 t:2 t:3", a.Owned);

        Assert.Equal(2, b.Join("t").MemberEpoch);
        Assert.Equal("", b.Owned);
        Assert.Equal("Reconciling", Describe(fixture, "g").GroupState);
        ConsumerGroupHeartbeatResponse revoke = a.Heartbeat(tellsOwned: false);
        Assert.Equal((1, 2), (revoke.MemberEpoch, a.Count));
        b.Heartbeat();
        Assert.Equal(0, b.Count);
        Assert.Equal(2, a.Heartbeat().MemberEpoch);
        b.Heartbeat();
        Assert.Equal(["t:0", "t:1", "t:2", "t:3"], $"{a.Owned} {b.Owned}".Split(' ').Order());
        Assert.Equal("Stable", Describe(fixture, "g").GroupState);
        Assert.Null(a.Heartbeat().Assignment);
    }

    [Fact]
    public void A_member_that_leaves_leaves_its_partitions_to_the_others()
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 4);
        ConsumerClient a = new(fixture, "g", "a"), b = new(fixture, "g", "b");
        a.Join("t");
        b.Join("t");
        Settle(a, b);
        Assert.Equal(-1, b.Leave().MemberEpoch);
        Settle(a);
        Assert.Equal(4, a.Count);
        Assert.Equal(KafkaErrorCode.UnknownMemberId, b.Heartbeat().ErrorCode);
        a.Leave();
        Assert.Equal("Empty", Describe(fixture, "g").GroupState);
    }

    [Fact]
    public void A_silent_member_is_dropped_and_must_begin_anew()
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 4);
        ConsumerClient a = new(fixture, "g", "a"), b = new(fixture, "g", "b");
        a.Join("t");
        b.Join("t");
        Settle(a, b);
        fixture.Advance(SessionMs - 1);
        a.Heartbeat();
        fixture.Advance(1);
        Assert.Equal(KafkaErrorCode.UnknownMemberId, b.Heartbeat().ErrorCode);
        Settle(a);
        Assert.Equal(4, a.Count);
        Assert.Equal(KafkaErrorCode.None, b.Join("t").ErrorCode);
    }

    [Fact]
    public void A_member_that_does_not_give_up_its_partitions_in_time_is_dropped()
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 4);
        ConsumerClient a = new(fixture, "g", "a"), b = new(fixture, "g", "b");
        a.Join("t");
        b.Join("t");
        a.Heartbeat(tellsOwned: false);
        for (int elapsed = 0; elapsed < GroupFixture.RebalanceMs; elapsed += 5000)
        {
            Assert.Equal(KafkaErrorCode.None, a.Heartbeat(tellsOwned: false).ErrorCode);
            b.Heartbeat();
            Assert.Equal(0, b.Count);
            fixture.Advance(5000);
        }

        Assert.Equal(KafkaErrorCode.UnknownMemberId, a.Heartbeat(tellsOwned: false).ErrorCode);
        Settle(b);
        Assert.Equal(4, b.Count);
    }

    [Fact]
    public void Epochs_that_cannot_be_are_fenced_and_the_one_before_is_put_right()
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 2);
        ConsumerClient a = new(fixture, "g", "a");
        a.Join("t");
        fixture.CreateTopic("u", 2);
        Assert.Equal(2, a.Send(Request("a", 1, topics: ["t", "u"], owned: true)).MemberEpoch);
        Assert.Equal(KafkaErrorCode.FencedMemberEpoch, a.Send(Request("a", 3)).ErrorCode);
        Assert.Equal(KafkaErrorCode.FencedMemberEpoch, a.Send(Request("a", 1)).ErrorCode);
        Assert.Equal((KafkaErrorCode.None, 2), (a.Send(Request("a", 1, owned: true)).ErrorCode, a.Epoch));
        Assert.Equal((KafkaErrorCode.None, 2), (a.Join("t", "u").ErrorCode, a.Epoch));
        Assert.Equal(4, a.Count);
    }

    [Fact]
    public void Offsets_are_committed_and_read_in_the_member_s_epoch()
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 2);
        ConsumerClient a = new(fixture, "g", "a");
        a.Join("t");
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 5, "a", 1));
        Assert.Equal(KafkaErrorCode.StaleMemberEpoch, fixture.Commit("g", "t", 0, 5, "a", 0));
        Assert.Equal(KafkaErrorCode.UnsupportedVersion, fixture.Commit("g", "t", 0, 5, "a", 1, version: 8));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Commit("g", "t", 0, 5, "b", 1));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Commit("g", "t", 0, 5));
        Assert.Equal((KafkaErrorCode.None, KafkaErrorCode.StaleMemberEpoch, KafkaErrorCode.UnknownMemberId), (Fetch("a", 1), Fetch("a", 2), Fetch("b", 1)));
        Assert.Equal(["t:0=5"], fixture.Offsets("g"));
        a.Leave();
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 6));

        KafkaErrorCode Fetch(string member, int epoch) =>
            fixture.Run(fixture.Groups.FetchAsync(new OffsetFetchRequest.OffsetFetchRequestGroup { GroupId = "g", MemberId = member, MemberEpoch = epoch, Topics = [] })).ErrorCode;
    }

    [Fact]
    public void A_static_member_finds_its_partitions_when_it_comes_back()
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 4);
        ConsumerClient a = new(fixture, "g", "a", "one"), b = new(fixture, "g", "b"), thief = new(fixture, "g", "thief", "one");
        a.Join("t");
        b.Join("t");
        Settle(a, b);
        string owned = a.Owned;
        Assert.Equal(KafkaErrorCode.UnreleasedInstanceId, thief.Join("t").ErrorCode);
        Assert.Equal(-2, a.Leave(-2).MemberEpoch);
        b.Heartbeat();
        Assert.Equal(2, b.Count);
        ConsumerClient again = new(fixture, "g", "a2", "one");
        Assert.Equal((KafkaErrorCode.None, b.Epoch), (again.Join("t").ErrorCode, again.Epoch));
        Assert.Equal(owned, again.Owned);
        Assert.Equal(KafkaErrorCode.FencedInstanceId, a.Heartbeat().ErrorCode);
        Assert.Equal(KafkaErrorCode.FencedInstanceId, a.Leave().ErrorCode);
        Assert.Equal(KafkaErrorCode.None, again.Heartbeat().ErrorCode);
        again.Leave(-2);
        fixture.Advance(SessionMs - 1);
        b.Heartbeat();
        fixture.Advance(1);
        Settle(b);
        Assert.Equal(4, b.Count);
    }

    [Fact]
    public void Partitions_and_topics_that_come_or_go_are_noticed()
    {
        using var fixture = new GroupFixture();
        ConsumerClient a = new(fixture, "g", "a");
        Assert.Equal(KafkaErrorCode.None, a.Join("t").ErrorCode);
        Assert.Equal("", a.Owned);
        Sluice.Broker.Topics.Topic topic = fixture.CreateTopic("t", 1);
        fixture.Advance(5000);
        a.Heartbeat();
        Assert.Equal("t:0", a.Owned);
        fixture.Run(topic.Host.AddPartitionsAsync(topic, 2).AsTask());
        fixture.Advance(5000);
        a.Heartbeat();
        Assert.Equal("t:0 t:1", a.Owned);
        fixture.Run(topic.Host.DeleteTopicAsync(topic).AsTask());
        fixture.Advance(5000);
        Settle(a);
        Assert.Equal("", a.Owned);
    }

    [Fact]
    public void A_regular_expression_matches_whole_names_of_topics_now_and_later()
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("log-1");
        fixture.CreateTopic("catalog-1");
        fixture.CreateTopic("log-secret");
        ConsumerClient a = new(fixture, "g", "a");
        ConsumerGroupHeartbeatRequest request = a.JoinRequest();
        request.SubscribedTopicNames = null;
        request.SubscribedTopicRegex = "log-.*|x";
        Assert.Equal(KafkaErrorCode.None, a.Send(request, mayDescribe: static topic => topic != "log-secret").ErrorCode);
        Assert.Equal("log-1:0", a.Owned);
        fixture.CreateTopic("log-2");
        fixture.Advance(5000);
        a.Send(Request("a", a.Epoch), mayDescribe: static topic => topic != "log-secret");
        Assert.Equal("log-1:0 log-2:0", a.Owned);
        Assert.Equal("log-.*|x", Assert.Single(Describe(fixture, "g").Members).SubscribedTopicRegex);
    }

    [Theory]
    [InlineData("(", KafkaErrorCode.InvalidRegularExpression)]
    [InlineData("a)|(b", KafkaErrorCode.InvalidRegularExpression)]
    [InlineData("(?=a)b", KafkaErrorCode.InvalidRegularExpression)]
    [InlineData("(a)\\1", KafkaErrorCode.InvalidRegularExpression)]
    [InlineData("(a+)+b", KafkaErrorCode.None)]
    public void Only_expressions_that_take_linear_time_are_taken(string regex, KafkaErrorCode error)
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic(new string('a', 200));
        ConsumerClient a = new(fixture, "g", "a");
        ConsumerGroupHeartbeatRequest request = a.JoinRequest();
        request.SubscribedTopicRegex = regex;
        Assert.Equal(error, a.Send(request).ErrorCode);
    }

    [Fact]
    public void What_is_not_allowed_is_refused_with_its_error()
    {
        using var fixture = new GroupFixture(new GroupOptions { OffsetsTopicPartitions = 1, MembersMax = 1 });
        ConsumerClient a = new(fixture, "g", "a"), b = new(fixture, "g", "b");
        ConsumerGroupHeartbeatRequest request = a.JoinRequest("t");
        request.ServerAssignor = "sticky";
        Assert.Equal(KafkaErrorCode.UnsupportedAssignor, a.Send(request).ErrorCode);
        request = a.JoinRequest("t");
        request.RebalanceTimeoutMs = -1;
        Assert.Equal(KafkaErrorCode.InvalidRequest, a.Send(request).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, a.Join().ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, a.Leave(-2).ErrorCode);
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, a.Send(Request("a", 1)).ErrorCode);
        request = a.JoinRequest("t");
        request.MemberId = "";
        Assert.Equal(KafkaErrorCode.InvalidRequest, a.Send(request, version: 1).ErrorCode);
        ConsumerGroupHeartbeatResponse named = a.Send(request, version: 0);
        Assert.Equal(KafkaErrorCode.None, named.ErrorCode);
        Assert.True(Guid.TryParse(named.MemberId, out _));
        Assert.Equal(KafkaErrorCode.GroupMaxSizeReached, b.Join("t").ErrorCode);
        Assert.Equal(KafkaErrorCode.UnknownMemberId, b.Send(Request("b", 1)).ErrorCode);
    }

    [Fact]
    public void A_group_without_members_changes_its_protocol_and_keeps_its_offsets()
    {
        using var fixture = new GroupFixture(new GroupOptions { InitialRebalanceDelayMs = 0, OffsetsTopicPartitions = 3, MigrationPolicy = GroupMigrationPolicy.Disabled, AssignmentIntervalMs = 0 });
        fixture.CreateTopic("t", 2);
        JoinGroupResponse classic = fixture.Stable("g", 1)[0];
        fixture.Commit("g", "t", 0, 7, classic.MemberId, classic.GenerationId);
        ConsumerClient a = new(fixture, "g", "a");
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, a.Join("t").ErrorCode);
        fixture.Run(fixture.Groups.LeaveAsync("g", [new() { MemberId = classic.MemberId }]));
        Assert.Equal(KafkaErrorCode.None, a.Join("t").ErrorCode);
        Assert.Equal(["t:0=7"], fixture.Offsets("g"));
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("g"))).ErrorCode);
        fixture.Crash(CrashKind.Power);
        Assert.Equal(KafkaErrorCode.None, a.Heartbeat().ErrorCode);
        a.Leave();
        fixture.Stable("g", 1);
        Assert.Equal(["t:0=7"], fixture.Offsets("g"));
        fixture.Crash(CrashKind.Power);
        Assert.Equal("Stable", fixture.State("g"));
        Assert.Equal(["t:0=7"], fixture.Offsets("g"));
    }

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void After_a_restart_the_group_goes_on_where_it_was(CrashKind kind)
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 6);
        ConsumerClient a = new(fixture, "g", "a", "one"), b = new(fixture, "g", "b"), c = new(fixture, "g", "c");
        a.Join("t");
        b.Join("t");
        Settle(a, b);
        ConsumerGroupHeartbeatRequest request = c.JoinRequest("t");
        request.SubscribedTopicRegex = "t.*";
        c.Send(request);
        a.Heartbeat(tellsOwned: false);
        fixture.Commit("g", "t", 0, 5, "a", a.Epoch);
        ConsumerClient gone = new(fixture, "left", "x");
        gone.Join("t");
        gone.Leave();
        string before = Text(fixture);
        fixture.Crash(kind);
        Assert.Equal(before, Text(fixture));
        Settle(a, b, c);
        Assert.Equal((2, 2, 2), (a.Count, b.Count, c.Count));
        Assert.Equal(6, $"{a.Owned} {b.Owned} {c.Owned}".Split(' ').Distinct().Count());
        fixture.Advance(SessionMs);
        Assert.Equal("Empty", Describe(fixture, "g").GroupState);
    }

    [Fact]
    public void After_a_restart_a_member_has_no_longer_to_give_up_its_partitions_than_before()
    {
        using var fixture = new GroupFixture();
        fixture.CreateTopic("t", 4);
        ConsumerClient a = new(fixture, "g", "a"), b = new(fixture, "g", "b");
        a.Join("t");
        b.Join("t");
        a.Heartbeat(tellsOwned: false);
        fixture.Crash(CrashKind.Power);
        for (int elapsed = 0; elapsed < GroupFixture.RebalanceMs; elapsed += 5000)
        {
            Assert.Equal(KafkaErrorCode.None, a.Heartbeat(tellsOwned: false).ErrorCode);
            b.Heartbeat();
            fixture.Advance(5000);
        }

        Assert.Equal(KafkaErrorCode.UnknownMemberId, a.Heartbeat(tellsOwned: false).ErrorCode);
        Settle(b);
        Assert.Equal(4, b.Count);
    }

    [Fact]
    public void However_members_come_and_go_no_partition_has_two_readers_and_in_the_end_each_has_one()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            using var fixture = new GroupFixture();
            fixture.CreateTopic("t", 7);
            fixture.CreateTopic("u", 5);
            var random = new Random(seed);
            var members = new List<ConsumerClient>();
            for (int step = 0; step < 120; step++)
            {
                int choice = random.Next(10);
                if (choice == 0 || members.Count == 0)
                {
                    ConsumerClient member = new(fixture, "g", $"m{step}");
                    Assert.Equal(KafkaErrorCode.None, member.Join(random.Next(3) == 0 ? ["t"] : ["t", "u"]).ErrorCode);
                    members.Add(member);
                }
                else if (choice == 1)
                {
                    ConsumerClient member = members[random.Next(members.Count)];
                    Assert.Equal(KafkaErrorCode.None, member.Leave().ErrorCode);
                    members.Remove(member);
                }
                else
                {
                    Assert.Equal(KafkaErrorCode.None, members[random.Next(members.Count)].Heartbeat(tellsOwned: random.Next(2) == 0).ErrorCode);
                }

                string[] read = [.. members.SelectMany(static member => member.Owned.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
                Assert.Equal(read.Distinct().Count(), read.Length);
            }

            ConsumerClient last = new(fixture, "g", "last");
            last.Join("t", "u");
            members.Add(last);
            Settle([.. members]);
            Assert.Equal(12, members.Sum(static member => member.Count));
            Assert.Equal("Stable", Describe(fixture, "g").GroupState);
        }
    }

    private static ConsumerGroupHeartbeatRequest Request(string member, int epoch, string[]? topics = null, bool owned = false) => new()
    {
        GroupId = "g",
        MemberId = member,
        MemberEpoch = epoch,
        SubscribedTopicNames = topics,
        TopicPartitions = owned ? [] : null,
    };

    private static void Settle(params ConsumerClient[] members)
    {
        for (int i = 0; i < 5; i++)
        {
            Assert.All(members, static member => Assert.Equal(KafkaErrorCode.None, member.Heartbeat().ErrorCode));
        }
    }

    private static ConsumerGroupDescribeResponse.DescribedGroup Describe(GroupFixture fixture, string group) => fixture.Run(fixture.Groups.DescribeConsumersAsync(group));

    private static string Text(GroupFixture fixture) => string.Join('\n', new[] { "g", "left" }.Select(group => Describe(fixture, group)).Select(group =>
        $"{group.GroupId} {group.GroupState} {group.GroupEpoch} {group.AssignmentEpoch} {string.Join('|', fixture.Offsets(group.GroupId))}\n" + string.Join('\n', group.Members.Select(static member =>
            $"{member.MemberId} {member.InstanceId} {member.MemberEpoch} {member.ClientId} {member.ClientHost} {string.Join(',', member.SubscribedTopicNames)} {member.SubscribedTopicRegex} {Partitions(member.Assignment)} / {Partitions(member.TargetAssignment)}"))));

    private static string Partitions(ConsumerGroupDescribeResponse.Assignment assignment) =>
        string.Join(' ', assignment.TopicPartitions.Select(static topic => $"{topic.TopicName}:{string.Join(',', topic.Partitions)}"));
}
