using Sluice.Base.Compression;
using Sluice.BlackBox;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>What was acknowledged with acks=all is there after the broker was killed, read from files as it was from memory.</summary>
public sealed class RestartTests(BrokerFixture fixture) : KafkaTest(fixture)
{
    private BrokerProcess _broker = null!;

    public override async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "the run does not own the broker");
        _broker = await BrokerProcess.StartAsync();
        await ReconnectAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_broker is not null)
        {
            IReadOnlyList<string> errors = _broker.ErrorLines;
            await _broker.DisposeAsync();
            Assert.Empty(errors);
        }
    }

    [Fact]
    public async Task Killed_broker_has_topics_records_times_and_starts_of_logs()
    {
        TestTopic topic = await TopicAsync(2, ("retention.bytes", "123456789"));
        long now = BatchBuilder.NowMs - 1_000_000;
        var sent = new List<byte[]>();
        for (int i = 0; i < 300; i++)
        {
            byte[] batch = new BatchBuilder
            {
                Records = [.. Enumerable.Range(0, 10).Select(k => new SentRecord($"{i}.{k} {new string('x', 900)}", $"{k}", k, null, ("h", "v")))],
                BaseTimestamp = now + (i * 100),
                Compression = (CompressionType)(i % 5),
            }.Build();
            sent.Add(batch);
            Assert.Equal(10 * i, await AppendAsync(topic, batch));
        }

        DeleteRecordsRequest delete = new()
        {
            Topics = [new DeleteRecordsRequest.DeleteRecordsTopic { Name = topic.Name, Partitions = [new DeleteRecordsRequest.DeleteRecordsPartition { PartitionIndex = 0, Offset = 55 }] }],
            TimeoutMs = 10_000,
        };
        Assert.Equal(55, (await Client.AskAsync<DeleteRecordsResponse>(delete, 2)).Topics[0].Partitions[0].LowWatermark);
        await CrashAsync();

        MetadataResponse.MetadataResponseTopic described = Assert.Single((await Client.AskAsync<MetadataResponse>(
            new MetadataRequest { Topics = [new MetadataRequest.MetadataRequestTopic { TopicId = topic.Id, Name = null }] }, 12)).Topics);
        Assert.Equal((topic.Name, 2), (described.Name, described.Partitions.Length));
        Assert.Equal(KafkaErrorCode.OffsetOutOfRange, (await FetchAsync(topic, 54)).ErrorCode);
        foreach (int bytesMax in (int[])[1, 5000, 1 << 20])
        {
            long offset = 55;
            int batch = 5;
            while (offset < 3000)
            {
                FetchRequest request = Fetch(topic);
                request.Topics = [FetchTopic(topic, bytesMax, (0, offset))];
                FetchResponse.PartitionData data = (await Client.AskAsync<FetchResponse>(request, 13)).Responses[0].Partitions[0];
                Assert.Equal((KafkaErrorCode.None, 3000, 55), (data.ErrorCode, data.HighWatermark, data.LogStartOffset));
                List<FetchedBatch> batches = FetchedBatch.ReadAll(data.Records.Memory);
                Assert.NotEmpty(batches);
                foreach (FetchedBatch fetched in batches)
                {
                    Assert.Equal(batch * 10, fetched.BaseOffset);
                    Assert.Equal(sent[batch][21..], fetched.Summed);
                    batch++;
                }

                offset = batch * 10;
            }
        }

        ListOffsetsResponse.ListOffsetsPartitionResponse found = await ListOffsetAsync(topic, now + 20_003);
        Assert.Equal((2003, now + 20_003), (found.Offset, found.Timestamp));
        Assert.Equal(3000, await AppendAsync(topic, BatchBuilder.Of("next")));
        Assert.Empty(await ReadValuesAsync(topic, partition: 1));
    }

    [Fact]
    public async Task Killed_broker_knows_its_producers()
    {
        TestTopic topic = await TopicAsync();
        long id = await ProducerIdAsync();
        await AppendAsync(topic, BatchBuilder.Of(id, 0, 0, "a", "b"));
        await AppendAsync(topic, BatchBuilder.Of(id, 0, 2, "c"));
        await CrashAsync();
        ProduceResponse.PartitionProduceResponse repeated = await ProduceAsync(topic, BatchBuilder.Of(id, 0, 2, "c"));
        Assert.Equal((KafkaErrorCode.None, 2), (repeated.ErrorCode, repeated.BaseOffset));
        Assert.Equal(KafkaErrorCode.OutOfOrderSequenceNumber, (await ProduceAsync(topic, BatchBuilder.Of(id, 0, 7, "x"))).ErrorCode);
        await AppendAsync(topic, BatchBuilder.Of(id, 0, 3, "d"));
        Assert.Equal(["a", "b", "c", "d"], await ReadValuesAsync(topic));

        // No id is given out twice.
        Assert.NotEqual(id, await ProducerIdAsync());
    }

    private async Task CrashAsync()
    {
        await _broker.KillAsync();
        await _broker.RestartAsync();
        await ReconnectAsync();
    }

    private async Task ReconnectAsync() => Client = await ConnectAsync("127.0.0.1", _broker.KafkaPort);
}
