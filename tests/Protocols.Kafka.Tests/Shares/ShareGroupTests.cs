using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Groups.Consumers.Assignors;
using Sluice.Protocols.Kafka.Groups.Shares;
using Sluice.Protocols.Kafka.Tests.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.TestKit.Disk;

namespace Sluice.Protocols.Kafka.Tests.Shares;

/// <summary>Membership of share groups: KIP-932.</summary>
public sealed class ShareGroupTests : IDisposable
{
    private const int SessionMs = 45_000;

    private readonly GroupFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Members_read_the_same_partitions_side_by_side()
    {
        _fixture.CreateTopic("t", 2);
        ShareClient a = Member("a"), b = Member("b"), c = Member("c");
        Assert.Equal((KafkaErrorCode.None, 1, 5000), (a.Join("t") is var joined ? joined.ErrorCode : default, a.Epoch, joined.HeartbeatIntervalMs));
        Assert.Equal("t:0 t:1", a.Assigned);
        b.Join("t");
        c.Join("t");
        a.Heartbeat();
        b.Heartbeat();
        Assert.Equal((3, 3, 3), (a.Epoch, b.Epoch, c.Epoch));
        Assert.Equal(["t:0", "t:1"], string.Join(' ', a.Assigned, b.Assigned, c.Assigned).Split(' ').Distinct().Order());
        Assert.Equal(4, string.Join(' ', a.Assigned, b.Assigned, c.Assigned).Split(' ').Length);
        Assert.Null(a.Heartbeat().Assignment);
    }

    [Fact]
    public void Topics_that_come_later_are_assigned()
    {
        ShareClient a = Member("a");
        Assert.Equal((KafkaErrorCode.None, ""), (a.Join("t", "u").ErrorCode, a.Assigned));
        _fixture.CreateTopic("t");
        _fixture.Advance(1000);
        a.Heartbeat();
        Assert.Equal("t:0", a.Assigned);
    }

    [Fact]
    public void Requests_that_make_no_sense_are_refused()
    {
        _fixture.CreateTopic("t");
        ShareClient a = Member("a");
        Assert.Equal(KafkaErrorCode.InvalidRequest, a.Join().ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, a.Send(new ShareGroupHeartbeatRequest { GroupId = "g", MemberId = "a", MemberEpoch = -2 }).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, a.Send(new ShareGroupHeartbeatRequest { GroupId = "g", MemberId = "", MemberEpoch = 0, SubscribedTopicNames = ["t"] }).ErrorCode);
        a.Epoch = 5;
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, a.Heartbeat().ErrorCode);
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, a.Leave().ErrorCode);
        Member("b").Join("t");
        Assert.Equal(KafkaErrorCode.UnknownMemberId, a.Heartbeat().ErrorCode);
        Assert.Equal(KafkaErrorCode.UnknownMemberId, a.Leave().ErrorCode);
        a.Join("t");
        a.Epoch = 7;
        Assert.Equal(KafkaErrorCode.FencedMemberEpoch, a.Heartbeat().ErrorCode);
    }

    [Fact]
    public void An_answer_that_was_lost_does_no_harm()
    {
        _fixture.CreateTopic("t");
        ShareClient a = Member("a");
        a.Join("t");
        Member("b").Join("t");
        Assert.Equal(2, a.Heartbeat().MemberEpoch);
        a.Epoch = 1;
        Assert.Equal((KafkaErrorCode.None, 2), (a.Heartbeat().ErrorCode, a.Epoch));
    }

    [Fact]
    public void Members_that_leave_or_are_not_heard_of_are_gone()
    {
        _fixture.CreateTopic("t");
        ShareClient a = Member("a"), b = Member("b");
        a.Join("t");
        b.Join("t");
        Assert.Equal(-1, a.Leave().MemberEpoch);
        Assert.Equal((1, "Stable"), (Describe().Members.Length, Describe().GroupState));
        _fixture.Advance(SessionMs - 1);
        b.Heartbeat();
        _fixture.Advance(SessionMs);
        Assert.Equal(("Empty", 0), (Describe().GroupState, Describe().Members.Length));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, b.Heartbeat().ErrorCode);
    }

    [Fact]
    public void Groups_of_one_kind_are_not_of_another()
    {
        _fixture.CreateTopic("t");
        Member("a").Join("t");
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, _fixture.Run(_fixture.JoinAsync(GroupFixture.JoinRequest("g"))).ErrorCode);
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, new ConsumerClient(_fixture, "g", "c").Join("t").ErrorCode);
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, _fixture.Commit("g", "t", 0, 1));
        _fixture.Commit("offsets", "t", 0, 1);
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, new ShareClient(_fixture, "offsets", "a").Join("t").ErrorCode);
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, _fixture.Run(_fixture.Groups.DescribeSharesAsync("offsets")).ErrorCode);
        Assert.Contains(_fixture.Run(_fixture.Groups.ListAsync()).Groups, static group => group is { GroupId: "g", GroupType: "share", ProtocolType: "share", GroupState: "Stable" });
    }

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void Groups_come_back_after_a_restart(CrashKind kind)
    {
        _fixture.CreateTopic("t", 3);
        ShareClient a = Member("a"), b = Member("b");
        a.Join("t");
        b.Join("t");
        a.Heartbeat();
        string before = Text(Describe());
        _fixture.Crash(kind);
        Assert.Equal(before, Text(Describe()));
        Assert.Equal(KafkaErrorCode.None, a.Heartbeat().ErrorCode);
        _fixture.Advance(SessionMs - 1);
        a.Heartbeat();
        _fixture.Advance(1);
        Assert.Equal("a", Assert.Single(Describe().Members).MemberId);
        a.Leave();
        _fixture.Crash(kind);
        Assert.Equal("Empty", Describe().GroupState);
        Assert.Equal(KafkaErrorCode.None, _fixture.Run(_fixture.Shares.DeleteAsync("g")));
        _fixture.Crash(kind);
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, Describe().ErrorCode);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 7)]
    [InlineData(3, 2)]
    [InlineData(5, 3)]
    [InlineData(4, 12)]
    [InlineData(20, 3)]
    public void Every_member_has_a_partition_and_every_partition_a_member(int members, int partitions)
    {
        Guid topic = Guid.Parse("11111111-0000-4000-8000-000000000000");
        AssigneeMember[] all = [.. Enumerable.Range(0, members).Select(i => new AssigneeMember($"m{i:00}", null, new HashSet<Guid> { topic }, PartitionSet.Empty))];
        var counts = new Dictionary<Guid, int> { [topic] = partitions };
        IReadOnlyDictionary<string, PartitionSet> first = new SimpleAssignor().Assign(all, counts);
        Check(first);

        // With one more, most stays.
        AssigneeMember[] more = [.. all.Select(member => member with { Before = first[member.Id] }), new AssigneeMember("m99", null, new HashSet<Guid> { topic }, PartitionSet.Empty)];
        Check(new SimpleAssignor().Assign(more, counts));
        IReadOnlyDictionary<string, PartitionSet> same = new SimpleAssignor().Assign([.. all.Select(member => member with { Before = first[member.Id] })], counts);
        Assert.All(first, member => Assert.Equal(member.Value, same[member.Key]));

        void Check(IReadOnlyDictionary<string, PartitionSet> assigned)
        {
            Assert.Equal(partitions, assigned.Values.SelectMany(static set => set).Distinct().Count());
            Assert.All(assigned.Values, static set => Assert.NotEmpty(set));
            Assert.True(assigned.Values.Max(static set => set.Count) - assigned.Values.Min(static set => set.Count) <= 1);
        }
    }

    [Fact]
    public void Members_with_other_topics_share_these_only()
    {
        _fixture.CreateTopic("t", 2);
        _fixture.CreateTopic("u", 2);
        ShareClient a = Member("a"), b = Member("b");
        a.Join("t");
        b.Join("t", "u");
        a.Heartbeat();
        Assert.DoesNotContain("u", a.Assigned, StringComparison.Ordinal);
        Assert.Contains("u:0 u:1", b.Assigned, StringComparison.Ordinal);
    }

    private static string Text(ShareGroupDescribeResponse.DescribedGroup group) =>
        $"{group.GroupState} {group.GroupEpoch} {group.AssignmentEpoch} {string.Join(' ', group.Members.Select(static member => $"{member.MemberId} {member.MemberEpoch} {member.ClientHost} {string.Join(',', member.Assignment.TopicPartitions.SelectMany(static topic => topic.Partitions))}"))}";

    private ShareClient Member(string id) => new(_fixture, "g", id);

    private ShareGroupDescribeResponse.DescribedGroup Describe() => _fixture.Run(_fixture.Groups.DescribeSharesAsync("g"));
}
