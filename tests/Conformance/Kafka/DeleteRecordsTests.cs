using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>DeleteRecords: KIP-107.</summary>
public sealed class DeleteRecordsTests(BrokerFixture broker) : KafkaTest(broker)
{
    public static TheoryData<int> Versions => VersionsOf(KafkaApiKey.DeleteRecords);

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task KIP107_DeleteRecords_moves_the_start_of_the_log(int version)
    {
        TestTopic topic = await TopicAsync();
        for (int i = 0; i < 5; i++)
        {
            await AppendAsync(topic, BatchBuilder.Of($"{i}"));
        }

        await IsAsync(topic, version, 3, KafkaErrorCode.None, 3);
        Assert.Equal(KafkaErrorCode.OffsetOutOfRange, (await FetchAsync(topic, 2)).ErrorCode);
        FetchResponse.PartitionData data = await FetchAsync(topic, 3);
        Assert.Equal((KafkaErrorCode.None, 3, 5), (data.ErrorCode, data.LogStartOffset, data.HighWatermark));
        Assert.Equal(["3", "4"], await ReadValuesAsync(topic, 3));

        // What is deleted already stays so.
        await IsAsync(topic, version, 1, KafkaErrorCode.None, 3);
        await IsAsync(topic, version, -1, KafkaErrorCode.None, 5);
        Assert.Equal(5, await AppendAsync(topic, BatchBuilder.Of("5")));
        Assert.Equal(["5"], await ReadValuesAsync(topic, 5));
        Assert.Equal(5, (await ProduceAsync(topic, BatchBuilder.Of("6"))).LogStartOffset);
    }

    [Fact]
    public async Task KIP107_DeleteRecords_within_a_batch()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a", "b", "c"));
        await IsAsync(topic, 2, 1, KafkaErrorCode.None, 1);

        // The batch comes whole; the client skips what lies before its offset.
        Assert.Equal(["a", "b", "c"], await ReadValuesAsync(topic, 1));
        Assert.Equal(KafkaErrorCode.OffsetOutOfRange, (await FetchAsync(topic, 0)).ErrorCode);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task KIP107_DeleteRecords_errors(int version)
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a", "b"));
        await IsAsync(topic, version, 3, KafkaErrorCode.OffsetOutOfRange, -1);
        await IsAsync(topic, version, -2, KafkaErrorCode.OffsetOutOfRange, -1);
        await IsAsync(topic, version, 0, KafkaErrorCode.UnknownTopicOrPartition, -1, partition: 1);
        await IsAsync(new TestTopic(Name(), Guid.Empty), version, 0, KafkaErrorCode.UnknownTopicOrPartition, -1);
        Assert.Equal(["a", "b"], await ReadValuesAsync(topic));
    }

    private async Task IsAsync(TestTopic topic, int version, long before, KafkaErrorCode error, long lowWatermark, int partition = 0)
    {
        DeleteRecordsResponse response = await Client.AskAsync<DeleteRecordsResponse>(
            new DeleteRecordsRequest
            {
                Topics = [new DeleteRecordsRequest.DeleteRecordsTopic { Name = topic.Name, Partitions = [new DeleteRecordsRequest.DeleteRecordsPartition { PartitionIndex = partition, Offset = before }] }],
                TimeoutMs = 10_000,
            },
            version);
        DeleteRecordsResponse.DeleteRecordsTopicResult result = Assert.Single(response.Topics);
        Assert.Equal(topic.Name, result.Name);
        DeleteRecordsResponse.DeleteRecordsPartitionResult deleted = Assert.Single(result.Partitions);
        Assert.Equal((partition, error, lowWatermark), (deleted.PartitionIndex, deleted.ErrorCode, deleted.LowWatermark));
    }
}
