using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>ShareAcknowledge: KIP-932, KIP-1222.</summary>
public sealed class ShareAcknowledgeTests(BrokerFixture broker) : ShareTest(broker)
{
    [Fact]
    public async Task KIP932_What_is_accepted_or_rejected_is_done()
    {
        (string group, TestTopic topic, ShareMember member) = await AcquiredAsync(4, 4);
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 0, 1, ShareAck.Accept), new ShareAck(0, 4, 5, ShareAck.Reject)));
        await EventuallyAsync(async () => (await PositionAsync(group, topic)).Lag == 4, "the start moved over what is done");
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 2, 3, ShareAck.Accept)));
        await EventuallyAsync(async () => (await PositionAsync(group, topic)).Lag == 2, "the start moved over what was done before");
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 6, 7, ShareAck.Accept)));
        await EventuallyAsync(async () => (await PositionAsync(group, topic)).Lag == 0, "all is done");
        Assert.Equal("", await member.TryAcquireAsync());
    }

    [Fact]
    public async Task KIP932_Each_record_may_have_a_kind_of_its_own()
    {
        (string group, TestTopic topic, ShareMember member) = await AcquiredAsync(6);
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 0, 5, 1, 2, 3, 0, 2, 1)));
        await EventuallyAsync(async () => (await PositionAsync(group, topic)).Lag == 2, "two are left");
        Assert.Equal("1-1:2 4-4:2", await member.AcquireAsync());
    }

    [Theory]
    [InlineData(0, 5, KafkaErrorCode.InvalidRequest, (sbyte)1)]
    [InlineData(3, 2, KafkaErrorCode.InvalidRequest, (sbyte)1)]
    [InlineData(0, 2, KafkaErrorCode.InvalidRequest, (sbyte)5)]
    [InlineData(0, 2, KafkaErrorCode.InvalidRequest, (sbyte)-1)]
    [InlineData(0, 2, KafkaErrorCode.InvalidRequest, (sbyte)4)]
    [InlineData(0, 2, KafkaErrorCode.InvalidRequest, (sbyte)1, (sbyte)1)]
    [InlineData(0, 2, KafkaErrorCode.InvalidRequest)]
    [InlineData(10, 12, KafkaErrorCode.InvalidRequest, (sbyte)1)]
    public async Task KIP932_What_makes_no_sense_is_refused(long first, long last, KafkaErrorCode expected, params sbyte[] types)
    {
        (string group, TestTopic topic, ShareMember member) = await AcquiredAsync(4);
        Assert.Equal(expected, await member.AcknowledgeAsync(new ShareAck(0, first, last, types)));
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 0, 3, ShareAck.Accept)));
        await EventuallyAsync(async () => (await PositionAsync(group, topic)).Lag == 0, "all is done");
    }

    [Fact]
    public async Task KIP932_What_a_member_does_not_have_it_can_not_acknowledge()
    {
        (string group, TestTopic topic, ShareMember first) = await AcquiredAsync(4);
        ShareMember second = await MemberAsync(group, topic);
        await second.AskAsync(second.FetchRequest());
        Assert.Equal(KafkaErrorCode.InvalidRecordState, await second.AcknowledgeAsync(new ShareAck(0, 0, 3, ShareAck.Accept)));
        Assert.Equal(KafkaErrorCode.None, await first.AcknowledgeAsync(new ShareAck(0, 1, 2, ShareAck.Release)));
        Assert.Equal(KafkaErrorCode.InvalidRecordState, await first.AcknowledgeAsync(new ShareAck(0, 0, 3, ShareAck.Accept)));
        Assert.Equal(KafkaErrorCode.None, await first.AcknowledgeAsync(new ShareAck(0, 0, 0, ShareAck.Accept)));
        Assert.Equal(KafkaErrorCode.None, await first.AcknowledgeAsync(new ShareAck(0, 0, 0, ShareAck.Accept)));
    }

    [Fact]
    public async Task KIP932_Sessions_have_their_epochs()
    {
        (_, TestTopic topic, ShareMember member) = await AcquiredAsync(4);
        ShareAck all = new(0, 0, 3, ShareAck.Accept);
        Assert.Equal(KafkaErrorCode.InvalidShareSessionEpoch, (await member.SendAcknowledgeAsync(0, all)).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidShareSessionEpoch, (await member.SendAcknowledgeAsync(member.SessionEpoch + 1, all)).ErrorCode);
        ShareAcknowledgeResponse unknown = await member.SendAcknowledgeAsync(member.SessionEpoch++, Guid.NewGuid(), [all]);
        Assert.Equal(KafkaErrorCode.UnknownTopicId, Assert.Single(Assert.Single(unknown.Responses).Partitions).ErrorCode);
        ShareAcknowledgeResponse last = await member.SendAcknowledgeAsync(-1, all);
        Assert.Equal(KafkaErrorCode.None, Assert.Single(Assert.Single(last.Responses).Partitions).ErrorCode);
        Assert.Equal(KafkaErrorCode.ShareSessionNotFound, (await member.SendAcknowledgeAsync(member.SessionEpoch, all)).ErrorCode);
    }

    [Fact]
    public async Task KIP932_What_fails_too_often_is_given_up()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a"));
        string group = await GroupAsync(("share.delivery.count.limit", "2"));
        ShareMember member = await MemberAsync(group, topic);
        Assert.Equal("0-0:1", await member.AcquireAsync());
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 0, 0, ShareAck.Release)));
        Assert.Equal("0-0:2", await member.AcquireAsync());
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 0, 0, ShareAck.Release)));
        await EventuallyAsync(async () => (await PositionAsync(group, topic)).Lag == 0, "it is given up");
    }

    [Fact]
    public async Task KIP1222_Locks_are_renewed_where_the_group_allows_it()
    {
        (string group, TestTopic topic, ShareMember member) = await AcquiredAsync(4);
        ShareAcknowledgeResponse renewed = await member.SendAcknowledgeAsync(member.SessionEpoch++, topic.Id, [new ShareAck(0, 0, 3, ShareAck.Renew)], isRenewal: true);
        Assert.Equal((30_000, KafkaErrorCode.None), (renewed.AcquisitionLockTimeoutMs, Assert.Single(Assert.Single(renewed.Responses).Partitions).ErrorCode));
        ShareFetchRequest fetch = member.FetchRequest(acks: new ShareAck(0, 0, 1, ShareAck.Renew));
        (fetch.IsRenewAck, fetch.MinBytes, fetch.MaxBytes, fetch.MaxRecords, fetch.MaxWaitMs) = (true, 0, 0, 0, 0);
        Assert.Equal(KafkaErrorCode.None, Assert.Single(Assert.Single((await member.AskAsync(fetch)).Responses).Partitions).AcknowledgeErrorCode);
        Assert.Equal((KafkaErrorCode.None, null), await ConfigureAsync(group, ("share.renew.acknowledge.enable", "false")));
        await EventuallyAsync(
            async () => (await member.SendAcknowledgeAsync(member.SessionEpoch++, topic.Id, [new ShareAck(0, 0, 3, ShareAck.Renew)], isRenewal: true)).Responses[0].Partitions[0].ErrorCode == KafkaErrorCode.InvalidRecordState,
            "renewing is not allowed any more");
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 0, 3, ShareAck.Accept)));
    }
}
