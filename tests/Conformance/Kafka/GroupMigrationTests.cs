using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>KIP-848: groups change their protocol while their members go on.</summary>
public sealed class GroupMigrationTests(BrokerFixture broker) : KafkaTest(broker)
{
    private const int Partitions = 4;
    private readonly string _group = Name("group");
    private TestTopic _topic = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _topic = await TopicAsync(Partitions);
    }

    [Fact]
    public async Task KIP848_A_rolling_change_to_the_consumer_protocol_and_back()
    {
        ClassicMember a = await ClassicAsync();
        await LeadAloneAsync(a);
        Assert.Equal(KafkaErrorCode.None, await a.CommitAsync(0, 5));
        int generation = a.Generation;

        ConsumerMember b = await ConsumerAsync();
        Assert.Equal(KafkaErrorCode.None, await b.JoinAsync());
        Assert.Equal("consumer", await TypeAsync());
        Assert.Equal(KafkaErrorCode.None, await a.CommitAsync(0, 6));
        await EventuallyAsync(async () => await a.HeartbeatAsync() == KafkaErrorCode.RebalanceInProgress, "the classic member told to join again");
        Assert.Equal(KafkaErrorCode.None, await a.CommitAsync(0, 7));
        await SettleAsync([a], [b]);
        Assert.Equal((2, 2), (a.Owned.Count, b.Owned.Count));
        Assert.True(a.Generation > generation);
        Assert.Equal(("", "consumer", "cooperative-sticky", 0), (a.Joined.Leader, a.Joined.ProtocolType, a.Joined.ProtocolName, a.Joined.Members.Length));
        Assert.Equal(KafkaErrorCode.IllegalGeneration, await a.CommitAsync(0, 8, a.Generation + 1));

        ConsumerGroupDescribeResponse.DescribedGroup described = await DescribeAsync();
        Assert.Equal((KafkaErrorCode.None, "Stable", b.Epoch), (described.ErrorCode, described.GroupState, described.GroupEpoch));
        Assert.Equal([(a.Id, (sbyte)0, a.Generation), (b.Id, (sbyte)1, b.Epoch)], described.Members.OrderBy(static member => member.MemberType).Select(static member => (member.MemberId, member.MemberType, member.MemberEpoch)));

        // Another classic member may join, and then the one of the new protocol goes.
        ClassicMember c = await ClassicAsync();
        Assert.Equal(KafkaErrorCode.None, await c.JoinAsync());
        Assert.Equal(KafkaErrorCode.None, await c.SyncAsync());
        await SettleAsync([a, c], [b]);
        Assert.Equal(KafkaErrorCode.None, await b.LeaveAsync());
        Assert.Equal("classic", await TypeAsync());
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, await a.HeartbeatAsync());
        Task<KafkaErrorCode> first = a.JoinAsync(), second = c.JoinAsync();
        Assert.Equal((KafkaErrorCode.None, KafkaErrorCode.None), (await first, await second));
        (ClassicMember leader, ClassicMember other) = a.Joined.Leader == a.Id ? (a, c) : (c, a);
        Assert.Equal(2, leader.Joined.Members.Length);
        Task<KafkaErrorCode> waits = other.SyncAsync();
        Assert.Equal(KafkaErrorCode.None, await leader.SyncAsync(ClassicMember.Divide(_topic.Name, Partitions, leader.Id, other.Id)));
        Assert.Equal(KafkaErrorCode.None, await waits);
        Assert.Equal(Enumerable.Range(0, Partitions), a.Owned.Concat(c.Owned).Order());
        Assert.Equal(KafkaErrorCode.None, await a.HeartbeatAsync());
        Assert.Equal(7, await CommittedAsync());
    }

    [Fact]
    public async Task KIP848_A_member_that_waits_for_a_classic_rebalance_is_told_to_join_again()
    {
        ClassicMember a = await ClassicAsync(), c = await ClassicAsync();
        await LeadAloneAsync(a);
        Task<KafkaErrorCode> waits = c.JoinAsync();
        await EventuallyAsync(async () => await a.HeartbeatAsync() == KafkaErrorCode.RebalanceInProgress, "a rebalance");
        ConsumerMember b = await ConsumerAsync();
        Assert.Equal(KafkaErrorCode.None, await b.JoinAsync());
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, await waits);
        Assert.Equal(KafkaErrorCode.None, await c.JoinAsync());
        await c.SyncAsync();
        await SettleAsync([a, c], [b]);
    }

    [Fact]
    public async Task KIP848_Static_members_change_their_protocol_in_place()
    {
        ClassicMember a = await ClassicAsync("i");
        await LeadAloneAsync(a);
        ConsumerMember upgraded = await ConsumerAsync("i");
        Assert.Equal(KafkaErrorCode.None, await upgraded.JoinAsync());
        await EventuallyAsync(async () => await upgraded.HeartbeatAsync() == KafkaErrorCode.None && upgraded.Owned.Count == Partitions, "all partitions");
        Assert.Equal(KafkaErrorCode.FencedInstanceId, await a.HeartbeatAsync());
        ClassicMember other = await ClassicAsync();
        Assert.Equal(KafkaErrorCode.None, await other.JoinAsync());
        Assert.Equal(KafkaErrorCode.None, await other.SyncAsync());
        await SettleAsync([other], [upgraded]);

        Assert.Equal(KafkaErrorCode.None, await upgraded.LeaveAsync(-2));
        ClassicMember back = await ClassicAsync("i");
        Assert.Equal(KafkaErrorCode.None, await back.JoinAsync());
        Assert.Equal("classic", await TypeAsync());
        Assert.Equal(KafkaErrorCode.None, await back.SyncAsync());
        Assert.Equal(Enumerable.Range(0, Partitions), back.Owned.Concat(other.Owned).Order());
        Assert.Equal((KafkaErrorCode.None, KafkaErrorCode.None), (await back.HeartbeatAsync(), await other.HeartbeatAsync()));
    }

    [Fact]
    public async Task KIP848_Requests_of_the_wrong_kind_are_refused()
    {
        ClassicMember a = await ClassicAsync();
        await LeadAloneAsync(a);
        ConsumerMember b = await ConsumerAsync();
        Assert.Equal(KafkaErrorCode.None, await b.JoinAsync());
        await SettleAsync([a], [b]);
        Assert.Equal(KafkaErrorCode.IllegalGeneration, await a.HeartbeatAsync(a.Generation + 1));
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, await a.SyncAsync(protocol: "range"));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, (await Client.AskAsync<HeartbeatResponse>(new HeartbeatRequest { GroupId = _group, MemberId = b.Id, GenerationId = b.Epoch }, 4)).ErrorCode);
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, await (await ClassicAsync()).JoinAsync(protocol: "range"));
        Assert.Equal(KafkaErrorCode.InconsistentGroupProtocol, await (await ClassicAsync()).JoinAsync(type: "connect"));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, await (await ClassicAsync("nobody")).LeaveAsync());
        Assert.Equal((KafkaErrorCode.None, KafkaErrorCode.UnknownMemberId), (await a.LeaveAsync(), await a.LeaveAsync()));
        Assert.Equal("consumer", await TypeAsync());
    }

    [Fact]
    public async Task KIP848_A_group_of_other_clients_does_not_change()
    {
        ClassicMember connect = await ClassicAsync();
        Assert.Equal(KafkaErrorCode.None, await connect.JoinAsync(type: "connect"));
        ConsumerMember b = await ConsumerAsync();
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, await b.JoinAsync());
        Assert.Equal($"Cannot upgrade classic group {_group} to consumer group because the group does not use the consumer embedded protocol.", b.Last.ErrorMessage);
        Assert.Equal("classic", await TypeAsync());
    }

    private async Task<ClassicMember> ClassicAsync(string? instance = null) => new(await ConnectAsync(), _group, _topic.Name, instance);

    private async Task<ConsumerMember> ConsumerAsync(string? instance = null) => new(await ConnectAsync(), _group, _topic.Name, instance);

    /// <summary>Makes it the only member of a classic group, which reads all.</summary>
    private async Task LeadAloneAsync(ClassicMember member)
    {
        Assert.Equal(KafkaErrorCode.None, await member.JoinAsync());
        Assert.Equal(member.Id, member.Joined.Leader);
        Assert.Equal(KafkaErrorCode.None, await member.SyncAsync(ClassicMember.Divide(_topic.Name, Partitions, member.Id)));
        Assert.Equal(Partitions, member.Owned.Count);
    }

    private Task SettleAsync(ClassicMember[] classic, ConsumerMember[] consumers) => EventuallyAsync(
        async () =>
        {
            foreach (ClassicMember member in classic)
            {
                await member.FollowAsync();
            }

            foreach (ConsumerMember member in consumers)
            {
                Assert.Equal(KafkaErrorCode.None, await member.HeartbeatAsync());
            }

            return (await DescribeAsync()).GroupState == "Stable"
                && classic.SelectMany(static member => member.Owned).Concat(consumers.SelectMany(static member => member.Owned)).Order().SequenceEqual(Enumerable.Range(0, Partitions));
        },
        "every partition with one member");

    private async Task<ConsumerGroupDescribeResponse.DescribedGroup> DescribeAsync() =>
        Assert.Single((await Client.AskAsync<ConsumerGroupDescribeResponse>(new ConsumerGroupDescribeRequest { GroupIds = [_group] }, 1)).Groups);

    private async Task<string> TypeAsync() => Assert.Single((await Client.AskAsync<ListGroupsResponse>(new ListGroupsRequest(), 5)).Groups, group => group.GroupId == _group).GroupType.ToLowerInvariant();

    private async Task<long> CommittedAsync()
    {
        OffsetFetchResponse fetched = await Client.AskAsync<OffsetFetchResponse>(
            new OffsetFetchRequest { Groups = [new() { GroupId = _group, Topics = [new() { Name = _topic.Name, PartitionIndexes = [0] }] }] }, 8);
        return Assert.Single(Assert.Single(Assert.Single(fetched.Groups).Topics).Partitions).CommittedOffset;
    }
}
