using Sluice.Base.Compression;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Compression of batches and of topics (compression.type), and their timestamps (message.timestamp.*).</summary>
public sealed class ProduceFormTests(BrokerFixture broker) : KafkaTest(broker)
{
    private const long HourMs = 3_600_000;

    public static MatrixTheoryData<CompressionType, string> Conversions => new(
        [CompressionType.None, CompressionType.Gzip, CompressionType.Snappy, CompressionType.Lz4, CompressionType.Zstd],
        ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]);

    [Theory]
    [MemberData(nameof(Conversions))]
    public async Task Produce_brings_batches_into_the_topics_compression_type(CompressionType sent, string wanted)
    {
        TestTopic topic = await TopicAsync(1, ("compression.type", wanted));
        var records = new BatchBuilder
        {
            Records = [new SentRecord(new string('a', 3000), "k", 0, null, ("h", "1")), new SentRecord("b", null, -7), new SentRecord(null, "c", 12)],
            Compression = sent,
        };
        Assert.Equal(0, await AppendAsync(topic, records.Build()));
        Assert.Equal(3, await AppendAsync(topic, records.Build()));
        List<FetchedBatch> batches = await ReadAsync(topic);
        Assert.Equal(2, batches.Count);
        foreach (FetchedBatch batch in batches)
        {
            Assert.Equal(wanted switch { "producer" => sent, "uncompressed" => CompressionType.None, _ => Enum.Parse<CompressionType>(wanted, ignoreCase: true) }, batch.Compression);
            Assert.Equal([new string('a', 3000), "b", null], batch.Records.Select(static record => record.Value));
            Assert.Equal(["k", null, "c"], batch.Records.Select(static record => record.Key));
            Assert.Equal([0L, -7L, 12L], batch.Records.Select(record => record.Timestamp - records.BaseTimestamp));
            Assert.Equal(records.BaseTimestamp + 12, batch.MaxTimestamp);
            Assert.Equal([("h", "1")], batch.Records[0].Headers);
        }

        Assert.Equal([0L, 1, 2, 3, 4, 5], batches.SelectMany(static batch => batch.Records).Select(static record => record.Offset));
    }

    [Theory]
    [InlineData(CompressionType.None)]
    [InlineData(CompressionType.Gzip)]
    [InlineData(CompressionType.Zstd)]
    public async Task Produce_to_a_topic_with_log_append_time(CompressionType type)
    {
        TestTopic topic = await TopicAsync(1, ("message.timestamp.type", "LogAppendTime"));
        var records = new BatchBuilder { Records = [new SentRecord("one"), new SentRecord("two", TimestampDelta: 50)], BaseTimestamp = 1000, Compression = type };
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, records.Build());
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        Assert.InRange(response.LogAppendTimeMs, BatchBuilder.NowMs - HourMs, BatchBuilder.NowMs + HourMs);
        FetchedBatch batch = Assert.Single(await ReadAsync(topic));
        Assert.Equal((true, response.LogAppendTimeMs, type), (batch.HasAppendTime, batch.MaxTimestamp, batch.Compression));
        Assert.All(batch.Records, record => Assert.Equal(response.LogAppendTimeMs, record.Timestamp));
    }

    [Theory]
    [InlineData(CompressionType.None)]
    [InlineData(CompressionType.Gzip)]
    public async Task KIP937_Produce_of_a_timestamp_too_far_ahead(CompressionType type)
    {
        TestTopic topic = await TopicAsync();
        long now = BatchBuilder.NowMs;
        await AppendAsync(topic, new BatchBuilder { Records = [new SentRecord("in half an hour")], BaseTimestamp = now + (HourMs / 2), Compression = type }.Build());
        byte[] late = new BatchBuilder { Records = [new SentRecord("now"), new SentRecord("in two hours", TimestampDelta: 2 * HourMs), new SentRecord("now")], BaseTimestamp = now, Compression = type }.Build();
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, late);
        Assert.Equal((KafkaErrorCode.InvalidTimestamp, -1), (response.ErrorCode, response.BaseOffset));
        Assert.NotNull(response.ErrorMessage);
        ProduceResponse.BatchIndexAndErrorMessage record = Assert.Single(response.RecordErrors);
        Assert.Equal(1, record.BatchIndex);
        Assert.NotNull(record.BatchIndexErrorMessage);
        Assert.Equal(["in half an hour"], await ReadValuesAsync(topic));
    }

    [Fact]
    public async Task KIP937_Produce_of_a_timestamp_too_far_back()
    {
        TestTopic topic = await TopicAsync(1, ("message.timestamp.before.max.ms", "60000"));
        long now = BatchBuilder.NowMs;
        await AppendAsync(topic, new BatchBuilder { Records = [new SentRecord("now")], BaseTimestamp = now }.Build());

        // Each record counts, not the batch's newest.
        byte[] old = new BatchBuilder { Records = [new SentRecord("old", TimestampDelta: -HourMs), new SentRecord("now")], BaseTimestamp = now }.Build();
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, old);
        Assert.Equal(KafkaErrorCode.InvalidTimestamp, response.ErrorCode);
        Assert.Equal([0], response.RecordErrors.Select(static record => record.BatchIndex));
        Assert.Equal(["now"], await ReadValuesAsync(topic));
    }

    [Fact]
    public async Task Produce_of_records_without_a_timestamp()
    {
        TestTopic topic = await TopicAsync(1, ("message.timestamp.before.max.ms", "60000"));
        byte[] batch = new BatchBuilder { Records = [new SentRecord("timeless")], BaseTimestamp = -1, MaxTimestamp = -1 }.Build();
        Assert.Equal(0, await AppendAsync(topic, batch));
        Assert.Equal(-1, Assert.Single(Assert.Single(await ReadAsync(topic)).Records).Timestamp);
    }

    [Fact]
    public async Task Produce_of_a_max_timestamp_that_lies()
    {
        TestTopic topic = await TopicAsync();
        long now = BatchBuilder.NowMs;
        byte[] batch = new BatchBuilder { Records = [new SentRecord("a"), new SentRecord("b", TimestampDelta: 10)], BaseTimestamp = now, MaxTimestamp = now + 500 }.Build();
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, batch);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);

        // The broker writes what is true, so that searches by time find the records.
        Assert.Equal(now + 10, Assert.Single(await ReadAsync(topic)).MaxTimestamp);
    }
}
