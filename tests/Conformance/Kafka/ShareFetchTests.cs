using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>ShareFetch: KIP-932, KIP-1206, KIP-1222.</summary>
public sealed class ShareFetchTests(BrokerFixture broker) : ShareTest(broker)
{
    private const sbyte RecordLimit = 1;

    [Fact]
    public async Task KIP932_A_session_has_a_limited_number_of_partitions()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka's sessions have any number of partitions");
        TestTopic topic = await TopicAsync();
        var member = new ShareMember(Client, await GroupAsync(), topic, partitions: 10_001);
        ShareFetchResponse refused = await Client.AskAsync<ShareFetchResponse>(member.FetchRequest(), 2);
        Assert.Equal((KafkaErrorCode.ShareSessionLimitReached, 0), (refused.ErrorCode, refused.Responses.Length));

        // Nothing is left of it.
        member.SessionEpoch = 1;
        Assert.Equal(KafkaErrorCode.ShareSessionNotFound, (await Client.AskAsync<ShareFetchResponse>(member.FetchRequest(), 2)).ErrorCode);
    }

    [Fact]
    public async Task KIP932_Records_come_as_they_were_sent_with_offsets_and_delivery_counts()
    {
        TestTopic topic = await TopicAsync();
        byte[] sent = BatchBuilder.Of("a", "b", "c");
        await AppendAsync(topic, sent);
        ShareMember member = await MemberAsync(await GroupAsync(), topic);
        ShareFetchResponse.PartitionData data = await member.FetchAsync();
        ShareFetchResponse.AcquiredRecordsData acquired = Assert.Single(data.AcquiredRecords);
        Assert.Equal((0, 2, (short)1), (acquired.FirstOffset, acquired.LastOffset, acquired.DeliveryCount));
        Assert.Equal(sent[21..], Assert.Single(FetchedBatch.ReadAll(data.Records.Memory)).Summed);
        Assert.Equal("", await member.TryAcquireAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task KIP932_Answers_say_how_long_records_are_the_members(int version)
    {
        TestTopic topic = await TopicAsync();
        ShareMember member = await MemberAsync(await GroupAsync(("share.record.lock.duration.ms", "20000")), topic);
        ShareFetchResponse response = await member.AskAsync(member.FetchRequest(), version);
        Assert.Equal(20_000, response.AcquisitionLockTimeoutMs);
    }

    [Fact]
    public async Task KIP932_Members_do_not_get_the_same_records()
    {
        (string group, TestTopic topic, ShareMember first) = await AcquiredAsync(2, 3);
        ShareMember second = await MemberAsync(group, topic);
        Assert.Equal("", await second.TryAcquireAsync());
        await AppendAsync(topic, BatchBuilder.Of("x", "y"));
        Assert.Equal("5-6:1", await second.AcquireAsync());
        Assert.Equal("", await first.TryAcquireAsync());
    }

    [Fact]
    public async Task KIP932_What_is_released_comes_again_to_whoever_asks()
    {
        (string group, TestTopic topic, ShareMember first) = await AcquiredAsync(2, 3);
        Assert.Equal(KafkaErrorCode.None, await first.AcknowledgeAsync(new ShareAck(0, 1, 3, ShareAck.Release)));
        ShareMember second = await MemberAsync(group, topic);
        ShareFetchResponse.PartitionData data = await second.FetchAsync();
        Assert.Equal((1, 3, (short)2), (data.AcquiredRecords[0].FirstOffset, data.AcquiredRecords[^1].LastOffset, data.AcquiredRecords[0].DeliveryCount));
        Assert.Equal([0, 2], FetchedBatch.ReadAll(data.Records.Memory).Select(static batch => batch.BaseOffset));
    }

    [Fact]
    public async Task KIP932_A_fetch_waits_for_records()
    {
        TestTopic topic = await TopicAsync();
        RawClient client = await ConnectAsync();
        ShareMember member = await MemberAsync(await GroupAsync(), topic, client);
        await member.AskAsync(member.FetchRequest());
        int id = await client.SendAsync(member.FetchRequest(maxWaitMs: 25_000), 2);
        await AppendAsync(topic, BatchBuilder.Of("a"));
        ShareFetchResponse response = await client.ReceiveAsync<ShareFetchResponse>(2, id);
        Assert.Equal(0, Assert.Single(Assert.Single(Assert.Single(response.Responses).Partitions).AcquiredRecords).FirstOffset);
    }

    [Fact]
    public async Task KIP932_A_fetch_waits_for_what_another_member_releases()
    {
        (string group, TestTopic topic, ShareMember first) = await AcquiredAsync(3);
        RawClient client = await ConnectAsync();
        ShareMember second = await MemberAsync(group, topic, client);
        await second.AskAsync(second.FetchRequest());
        int id = await client.SendAsync(second.FetchRequest(maxWaitMs: 25_000), 2);
        Assert.Equal(KafkaErrorCode.None, await first.AcknowledgeAsync(new ShareAck(0, 0, 2, ShareAck.Release)));
        ShareFetchResponse response = await client.ReceiveAsync<ShareFetchResponse>(2, id);
        ShareFetchResponse.AcquiredRecordsData acquired = Assert.Single(Assert.Single(Assert.Single(response.Responses).Partitions).AcquiredRecords);
        Assert.Equal((0, 2, (short)2), (acquired.FirstOffset, acquired.LastOffset, acquired.DeliveryCount));
    }

    [Fact]
    public async Task KIP932_A_fetch_with_nothing_to_give_ends_with_its_time()
    {
        TestTopic topic = await TopicAsync();
        ShareMember member = await MemberAsync(await GroupAsync(), topic);
        Assert.DoesNotContain((await member.AskAsync(member.FetchRequest(maxWaitMs: 100))).Responses.SelectMany(static one => one.Partitions), static partition => partition.AcquiredRecords.Length > 0);
    }

    [Fact]
    public async Task KIP1206_A_batch_is_given_out_whole_unless_the_member_wants_no_more_than_it_says()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("0", "1", "2", "3"));
        await AppendAsync(topic, BatchBuilder.Of("4", "5", "6", "7"));
        ShareMember member = await MemberAsync(await GroupAsync(), topic);
        ShareFetchResponse.PartitionData data = await member.FetchAsync(maxRecords: 2);
        Assert.Equal((0, 3), (data.AcquiredRecords[0].FirstOffset, data.AcquiredRecords[^1].LastOffset));
        Assert.Single(FetchedBatch.ReadAll(data.Records.Memory));
        Assert.Equal("4-4:1", await member.AcquireAsync(maxRecords: 1, RecordLimit));
        Assert.Equal("5-6:1", await member.AcquireAsync(maxRecords: 2, RecordLimit));
        Assert.Equal("7-7:1", await member.AcquireAsync(maxRecords: 10, RecordLimit));
    }

    [Fact]
    public async Task KIP932_Acknowledgements_may_come_with_a_fetch()
    {
        (string group, TestTopic topic, ShareMember member) = await AcquiredAsync(3);
        await AppendAsync(topic, BatchBuilder.Of("x"));
        ShareFetchResponse response = await member.AskAsync(member.FetchRequest(acks: new ShareAck(0, 0, 2, ShareAck.Accept)));
        Assert.Equal(KafkaErrorCode.None, Assert.Single(Assert.Single(response.Responses).Partitions).AcknowledgeErrorCode);
        await EventuallyAsync(async () => (await PositionAsync(group, topic)).Lag == 1, "three of four are done");
        response = await member.AskAsync(member.FetchRequest(acks: new ShareAck(0, 0, 2, 9)));
        Assert.Equal(KafkaErrorCode.InvalidRequest, Assert.Single(Assert.Single(response.Responses).Partitions).AcknowledgeErrorCode);
    }

    [Fact]
    public async Task KIP932_Sessions_have_their_epochs()
    {
        TestTopic topic = await TopicAsync();
        RawClient client = await ConnectAsync();
        ShareMember member = await MemberAsync(await GroupAsync(), topic, client);
        member.SessionEpoch = 1;
        Assert.Equal(KafkaErrorCode.ShareSessionNotFound, await ErrorAsync(member.FetchRequest()));
        member.SessionEpoch = -1;
        Assert.Equal(KafkaErrorCode.ShareSessionNotFound, await ErrorAsync(member.FetchRequest()));
        member.SessionEpoch = 0;
        Assert.Equal(KafkaErrorCode.InvalidRequest, await ErrorAsync(member.FetchRequest(acks: new ShareAck(0, 0, 0, 1))));
        await member.AskAsync(member.FetchRequest());
        member.SessionEpoch = 2;
        Assert.Equal(KafkaErrorCode.InvalidShareSessionEpoch, await ErrorAsync(member.FetchRequest()));
        member.SessionEpoch = 1;
        Assert.Equal(KafkaErrorCode.None, await ErrorAsync(member.FetchRequest()));
        Assert.Equal(KafkaErrorCode.InvalidShareSessionEpoch, await ErrorAsync(member.FetchRequest()));

        async Task<KafkaErrorCode> ErrorAsync(ShareFetchRequest request) => (await client.AskAsync<ShareFetchResponse>(request, 2)).ErrorCode;
    }

    [Fact]
    public async Task KIP932_What_a_member_has_is_available_when_its_session_ends()
    {
        (string group, TestTopic topic, ShareMember first) = await AcquiredAsync(3);
        ShareMember second = await MemberAsync(group, topic);
        first.SessionEpoch = -1;
        await first.AskAsync(first.FetchRequest());
        Assert.Equal("0-2:2", await second.AcquireAsync());
    }

    [Fact]
    public async Task KIP932_What_a_member_has_is_available_when_its_connection_ends()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a", "b"));
        string group = await GroupAsync();
        RawClient client = await ConnectAsync();
        ShareMember first = await MemberAsync(group, topic, client);
        Assert.Equal("0-1:1", await first.AcquireAsync());
        await client.DisposeAsync();
        ShareMember second = await MemberAsync(group, topic);
        Assert.Equal("0-1:2", await second.AcquireAsync());
    }

    [Fact]
    public async Task KIP932_Topics_and_partitions_that_are_not_there_are_told_of()
    {
        TestTopic topic = await TopicAsync();
        ShareMember member = await MemberAsync(await GroupAsync(), topic);
        ShareFetchRequest request = member.FetchRequest();
        request.Topics = [new ShareFetchRequest.FetchTopic { TopicId = topic.Id, Partitions = [new ShareFetchRequest.FetchPartition { PartitionIndex = 7 }] }];
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, Assert.Single(Assert.Single((await member.AskAsync(request)).Responses).Partitions).ErrorCode);
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka 4.3.1 fails the whole request for a topic that it does not know");
        request.Topics = [new ShareFetchRequest.FetchTopic { TopicId = Guid.NewGuid(), Partitions = [new ShareFetchRequest.FetchPartition { PartitionIndex = 0 }] }];
        Assert.Equal(KafkaErrorCode.UnknownTopicId, Assert.Single(Assert.Single((await member.AskAsync(request)).Responses).Partitions).ErrorCode);
    }

    [Theory]
    [InlineData("")]
    [InlineData("0123456789012345678901234567890123456")]
    public async Task KIP932_Names_of_members_have_from_1_to_36_characters(string member)
    {
        var request = new ShareFetchRequest { GroupId = Name("share"), MemberId = member, MaxWaitMs = 0, MaxRecords = 1, BatchSize = 1 };
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await Client.AskAsync<ShareFetchResponse>(request, 2)).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await Client.AskAsync<ShareAcknowledgeResponse>(new ShareAcknowledgeRequest { GroupId = Name("share"), MemberId = member, ShareSessionEpoch = 1 }, 2)).ErrorCode);
    }

    [Fact]
    public async Task KIP932_Records_that_are_gone_are_passed_over()
    {
        (string group, TestTopic topic, ShareMember first) = await AcquiredAsync(3);
        await AppendAsync(topic, BatchBuilder.Of("x", "y"));
        DeleteRecordsRequest delete = new()
        {
            Topics = [new DeleteRecordsRequest.DeleteRecordsTopic { Name = topic.Name, Partitions = [new DeleteRecordsRequest.DeleteRecordsPartition { PartitionIndex = 0, Offset = 4 }] }],
            TimeoutMs = 10_000,
        };
        Assert.Equal(KafkaErrorCode.None, (await Client.AskAsync<DeleteRecordsResponse>(delete, 2)).Topics[0].Partitions[0].ErrorCode);
        ShareMember second = await MemberAsync(group, topic);
        ShareFetchResponse.AcquiredRecordsData acquired = Assert.Single((await second.FetchAsync()).AcquiredRecords);

        // Kafka gives out the beginning of the batch too, although that is gone.
        Assert.Equal((BrokerFixture.IsKafka ? 3 : 4, 4), (acquired.FirstOffset, acquired.LastOffset));
        Assert.Equal(KafkaErrorCode.None, await second.AcknowledgeAsync(new ShareAck(0, 4, 4, ShareAck.Accept)));
        Assert.Equal(KafkaErrorCode.None, await first.AcknowledgeAsync(new ShareAck(0, 0, 2, ShareAck.Accept)));
        await EventuallyAsync(async () => (await PositionAsync(group, topic)).Lag == 0, "all is done");
    }

    [Fact]
    public async Task KIP932_Groups_that_read_committed_records_get_no_others()
    {
        TestTopic topic = await TopicAsync();
        string id = Name("transactional-id");
        var producer = new InitProducerIdResponse();
        await EventuallyAsync(
            async () =>
            {
                await Client.AskAsync<FindCoordinatorResponse>(new FindCoordinatorRequest { KeyType = 1, CoordinatorKeys = [id] }, 6);
                producer = await Client.AskAsync<InitProducerIdResponse>(new InitProducerIdRequest { TransactionalId = id, TransactionTimeoutMs = 60_000 }, 4);
                return producer.ErrorCode == KafkaErrorCode.None;
            },
            "transactions are served");
        await AppendAsync(topic, BatchBuilder.Of("plain"));
        await WriteAsync(0, isCommit: false, "rolled back 1", "rolled back 2");
        await WriteAsync(2, isCommit: true, "committed");
        ShareMember all = await MemberAsync(await GroupAsync(), topic);
        ShareMember committed = await MemberAsync(await GroupAsync(("share.isolation.level", "read_committed")), topic);
        Assert.Equal("0 1 2 3 4 5", await OffsetsAsync(all));
        Assert.Equal("0 3 4 5", await OffsetsAsync(committed));

        async Task WriteAsync(int sequence, bool isCommit, params string[] values)
        {
            AddPartitionsToTxnRequest add = new()
            {
                V3AndBelowTransactionalId = id,
                V3AndBelowProducerId = producer.ProducerId,
                V3AndBelowProducerEpoch = producer.ProducerEpoch,
                V3AndBelowTopics = [new AddPartitionsToTxnRequest.AddPartitionsToTxnTopic { Name = topic.Name, Partitions = [0] }],
            };
            await EventuallyAsync(async () => (await Client.AskAsync<AddPartitionsToTxnResponse>(add, 3)).ResultsByTopicV3AndBelow[0].ResultsByPartition[0].PartitionErrorCode == KafkaErrorCode.None, "the partition is added");
            ProduceRequest produce = Produce(topic, -1, (0, new BatchBuilder
            {
                Records = [.. values.Select(static value => new SentRecord(value))],
                ProducerId = producer.ProducerId,
                ProducerEpoch = producer.ProducerEpoch,
                BaseSequence = sequence,
                Attributes = 0x10,
            }.Build()));
            produce.TransactionalId = id;
            Assert.Equal(KafkaErrorCode.None, (await Client.AskAsync<ProduceResponse>(produce, 11)).Responses[0].PartitionResponses[0].ErrorCode);
            EndTxnRequest end = new() { TransactionalId = id, ProducerId = producer.ProducerId, ProducerEpoch = producer.ProducerEpoch, Committed = isCommit };
            Assert.Equal(KafkaErrorCode.None, (await Client.AskAsync<EndTxnResponse>(end, 3)).ErrorCode);
        }

        static async Task<string> OffsetsAsync(ShareMember member)
        {
            var offsets = new SortedSet<long>();
            while (!offsets.Contains(5))
            {
                offsets.UnionWith((await member.FetchAsync()).AcquiredRecords.SelectMany(static run => Enumerable.Range((int)run.FirstOffset, (int)(run.LastOffset - run.FirstOffset + 1)).Select(static offset => (long)offset)));
            }

            return string.Join(' ', offsets);
        }
    }
}
