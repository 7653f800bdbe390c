using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Produce: versions, acknowledgements, and topics and partitions that are not there.</summary>
public sealed class ProduceTests(BrokerFixture broker) : KafkaTest(broker)
{
    public static TheoryData<int> Versions => VersionsOf(KafkaApiKey.Produce);

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Produce_appends_a_batch_as_it_came(int version)
    {
        TestTopic topic = await TopicAsync();
        var records = new BatchBuilder
        {
            Records =
            [
                new SentRecord("value", "key"),
                new SentRecord(null, "deleted", TimestampDelta: 5),
                new SentRecord("", "", 10, null, ("header", "x"), ("header", null), ("", "")),
            ],
        };
        byte[] batch = records.Build();
        foreach (short acks in (short[])[1, -1])
        {
            ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, batch, version, acks);
            Assert.Equal((0, KafkaErrorCode.None, null), (response.Index, response.ErrorCode, response.ErrorMessage));
            Assert.Equal((acks == 1 ? 0 : 3, -1, version >= 5 ? 0 : -1), (response.BaseOffset, response.LogAppendTimeMs, response.LogStartOffset));
            Assert.Empty(response.RecordErrors);
        }

        List<FetchedBatch> batches = await ReadAsync(topic);
        Assert.Equal([0L, 3L], batches.Select(static fetched => fetched.BaseOffset));
        Assert.All(batches, fetched =>
        {
            Assert.Equal(batch[21..], fetched.Summed);
            Assert.Equal(0, fetched.LeaderEpoch);
        });
        FetchedRecord third = batches[1].Records[2];
        Assert.Equal((5, records.BaseTimestamp + 10, "", ""), (third.Offset, third.Timestamp, third.Key, third.Value));
        Assert.Equal([("header", "x"), ("header", null), ("", "")], third.Headers);
        Assert.Null(batches[1].Records[1].Value);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(12)]
    public async Task Produce_to_a_topic_or_partition_that_is_not_there(int version)
    {
        TestTopic topic = await TopicAsync();
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(new TestTopic(Name(), Guid.Empty), BatchBuilder.Of("a"), version);
        Assert.Equal((KafkaErrorCode.UnknownTopicOrPartition, -1), (response.ErrorCode, response.BaseOffset));
        foreach (int partition in (int[])[1, -1, int.MaxValue])
        {
            response = await ProduceAsync(topic, BatchBuilder.Of("a"), version, partition: partition);
            Assert.Equal((partition, KafkaErrorCode.UnknownTopicOrPartition, -1), (response.Index, response.ErrorCode, response.BaseOffset));
        }
    }

    [Fact]
    public async Task KIP516_Produce_v13_to_an_unknown_topic_id()
    {
        TestTopic topic = await TopicAsync();
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic with { Id = Guid.NewGuid() }, BatchBuilder.Of("a"));
        Assert.Equal((KafkaErrorCode.UnknownTopicId, -1), (response.ErrorCode, response.BaseOffset));
        response = await ProduceAsync(topic with { Id = Guid.Empty }, BatchBuilder.Of("a"));
        Assert.Equal((KafkaErrorCode.UnknownTopicId, -1), (response.ErrorCode, response.BaseOffset));
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, (await ProduceAsync(topic, BatchBuilder.Of("a"), partition: 1)).ErrorCode);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(-2)]
    [InlineData(short.MaxValue)]
    public async Task Produce_with_a_number_of_acknowledgements_that_cannot_be(int acks)
    {
        TestTopic topic = await TopicAsync();
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, BatchBuilder.Of("a"), 9, (short)acks);
        Assert.Equal((KafkaErrorCode.InvalidRequiredAcks, -1), (response.ErrorCode, response.BaseOffset));
        Assert.Empty(await ReadValuesAsync(topic));
    }

    [Fact]
    public async Task Produce_to_many_partitions_answers_for_each()
    {
        TestTopic topic = await TopicAsync(partitions: 3);
        byte[] damaged = BatchBuilder.Of("damaged");
        damaged[^1] ^= 1;
        ProduceResponse response = await Client.AskAsync<ProduceResponse>(
            Produce(topic, -1, (2, BatchBuilder.Of("two")), (0, damaged), (7, BatchBuilder.Of("nowhere")), (1, BatchBuilder.Of("one"))), 9);
        Assert.Equal(
            [(2, KafkaErrorCode.None), (0, KafkaErrorCode.CorruptMessage), (7, KafkaErrorCode.UnknownTopicOrPartition), (1, KafkaErrorCode.None)],
            response.Responses.SelectMany(static topic => topic.PartitionResponses).Select(static partition => (partition.Index, partition.ErrorCode)).OrderBy(static found => Array.IndexOf([2, 0, 7, 1], found.Index)));
        Assert.Equal(["one"], await ReadValuesAsync(topic, partition: 1));
        Assert.Equal(["two"], await ReadValuesAsync(topic, partition: 2));
        Assert.Empty(await ReadValuesAsync(topic));
    }

    [Fact]
    public async Task Produce_without_acknowledgement_that_fails_ends_the_connection()
    {
        RawClient other = await ConnectAsync();
        await other.SendAsync(Produce(new TestTopic(Name(), Guid.NewGuid()), 0, (0, BatchBuilder.Of("a"))), 9);
        await other.IsClosedAsync();
        await ServesAsync(Client);
    }

    [Fact]
    public async Task Produce_of_no_topics_is_answered()
    {
        ProduceResponse response = await Client.AskAsync<ProduceResponse>(new ProduceRequest { Acks = -1, TimeoutMs = 1000, TopicData = [] }, 9);
        Assert.Empty(response.Responses);
    }

    [Fact]
    public async Task KIP966_Produce_where_more_replicas_are_wanted_in_sync_than_there_are_takes_all_there_are()
    {
        TestTopic topic = await TopicAsync(1, ("min.insync.replicas", "2"));
        await AppendAsync(topic, BatchBuilder.Of("all"));
        Assert.Equal(["all"], await ReadValuesAsync(topic));
    }

    [Fact]
    public async Task Produce_to_an_internal_topic_is_refused()
    {
        // Asking for a group's coordinator makes the topic where it is not there.
        await EventuallyAsync(
            async () => (await Client.AskAsync<FindCoordinatorResponse>(new FindCoordinatorRequest { Key = Name("group") }, 2)).ErrorCode == KafkaErrorCode.None, "coordinator");
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(new TestTopic("__consumer_offsets", Guid.Empty), BatchBuilder.Of("a"), 9);
        Assert.Contains(response.ErrorCode, new[] { KafkaErrorCode.InvalidTopicException, KafkaErrorCode.UnknownTopicOrPartition });
        if (BrokerFixture.IsKafka)
        {
            Assert.Equal(KafkaErrorCode.InvalidTopicException, response.ErrorCode);
        }
    }
}
