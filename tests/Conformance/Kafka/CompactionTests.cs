using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Topics that keep the newest record of each key: https://kafka.apache.org/documentation/#compaction.</summary>
public sealed class CompactionTests(BrokerFixture broker) : KafkaTest(broker)
{
    [Fact]
    public async Task Compaction_keeps_the_newest_record_of_each_key_at_its_offset()
    {
        TestTopic topic = await TopicAsync(1, ("cleanup.policy", "compact"), ("segment.ms", "100"), ("min.cleanable.dirty.ratio", "0.01"), ("delete.retention.ms", "0"));
        await AppendAsync(topic, Keyed(("a", "1"), ("b", "1"), ("a", "2"), ("c", "1")));
        await AppendAsync(topic, Keyed(("b", "2"), ("c", null)));

        // What a later record supersedes goes; a tombstone goes too, but not before it has been seen by a pass.
        await EventuallyAsync(
            async () =>
            {
                await AppendAsync(topic, Keyed(("last", "x")));
                List<string> values = await ReadValuesAsync(topic);
                return !values.Contains("1") && !values.Contains("null");
            },
            "compacted",
            patience: 3);
        FetchedRecord[] left = [.. (await ReadAsync(topic)).SelectMany(static batch => batch.Records)];
        Assert.Equal([(2L, "a", "2"), (4L, "b", "2")], left.Take(2).Select(static record => (record.Offset, record.Key, record.Value)));
        Assert.All(left.Skip(2), static record => Assert.Equal("last", record.Key));
        Assert.Equal(0, (await ListOffsetAsync(topic, -2)).Offset);
    }

    [Fact]
    public async Task Produce_without_a_key_to_a_compacted_topic()
    {
        TestTopic topic = await TopicAsync(1, ("cleanup.policy", "compact,delete"));
        ProduceResponse.PartitionProduceResponse refused = await ProduceAsync(topic, new BatchBuilder { Records = [new SentRecord("1", "a"), new SentRecord("2"), new SentRecord("3", "")] }.Build());
        Assert.Equal((KafkaErrorCode.InvalidRecord, -1L), (refused.ErrorCode, refused.BaseOffset));
        Assert.Equal([1], refused.RecordErrors.Select(static error => error.BatchIndex));
        Assert.NotNull(refused.ErrorMessage);
        Assert.Equal(0, await AppendAsync(topic, Keyed(("", "empty is a key"))));
    }

    [Theory]
    [InlineData("cleanup.policy", "keep")]
    [InlineData("cleanup.policy", "compact,keep")]
    [InlineData("min.cleanable.dirty.ratio", "1.1")]
    [InlineData("min.cleanable.dirty.ratio", "-0.1")]
    [InlineData("min.cleanable.dirty.ratio", "half")]
    [InlineData("segment.ms", "0")]
    [InlineData("max.compaction.lag.ms", "0")]
    [InlineData("min.compaction.lag.ms", "-1")]
    [InlineData("delete.retention.ms", "-1")]
    public async Task Settings_of_compaction_that_cannot_be(string key, string value) =>
        Assert.Equal(KafkaErrorCode.InvalidConfig, await CreateAsync((key, value)));

    [Fact]
    public async Task Lags_of_compaction_that_contradict_each_other() =>
        Assert.Equal(KafkaErrorCode.InvalidConfig, await CreateAsync(("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")));

    private static byte[] Keyed(params (string Key, string? Value)[] records) =>
        new BatchBuilder { Records = [.. records.Select(static record => new SentRecord(record.Value, record.Key))] }.Build();

    private async Task<KafkaErrorCode> CreateAsync(params (string Key, string Value)[] configs)
    {
        CreateTopicsResponse created = await Client.AskAsync<CreateTopicsResponse>(
            new CreateTopicsRequest
            {
                Topics =
                [
                    new CreateTopicsRequest.CreatableTopic
                    {
                        Name = Name(),
                        NumPartitions = 1,
                        ReplicationFactor = 1,
                        Configs = [.. configs.Select(static config => new CreateTopicsRequest.CreatableTopicConfig { Name = config.Key, Value = config.Value })],
                    },
                ],
                ValidateOnly = true,
                TimeoutMs = 10_000,
            },
            7);
        return Assert.Single(created.Topics).ErrorCode;
    }
}
