using Sluice.Base.Compression;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>ListOffsets: KIP-79, KIP-734 (max timestamp), KIP-405 and KIP-1005 (tiers).</summary>
public sealed class ListOffsetsTests(BrokerFixture broker) : KafkaTest(broker)
{
    private const long Latest = -1, Earliest = -2, MaxTimestamp = -3, EarliestLocal = -4, LatestTiered = -5, EarliestPendingUpload = -6;

    public static TheoryData<int> Versions => VersionsOf(KafkaApiKey.ListOffsets);

    public static MatrixTheoryData<CompressionType, string> Forms => new(
        [CompressionType.None, CompressionType.Gzip, CompressionType.Lz4, CompressionType.Snappy, CompressionType.Zstd], ["one batch", "batches"]);

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task ListOffsets_of_the_ends_and_by_time(int version)
    {
        TestTopic topic = await TopicAsync();
        long now = BatchBuilder.NowMs;
        await AppendAsync(topic, new BatchBuilder { Records = [new SentRecord("a"), new SentRecord("b", TimestampDelta: 10), new SentRecord("c", TimestampDelta: 20)], BaseTimestamp = now }.Build());
        int epoch = version >= 4 ? 0 : -1;
        await IsAsync(topic, version, Earliest, 0, -1, epoch);
        await IsAsync(topic, version, Latest, 3, -1, epoch);
        await IsAsync(topic, version, 0, 0, now, epoch);
        await IsAsync(topic, version, now + 1, 1, now + 10, epoch);
        await IsAsync(topic, version, now + 20, 2, now + 20, epoch);
        await IsAsync(topic, version, now + 21, -1, -1, -1);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task ListOffsets_special_timestamps_are_for_the_versions_that_know_them(int version)
    {
        TestTopic topic = await TopicAsync();
        long now = BatchBuilder.NowMs;
        await AppendAsync(topic, new BatchBuilder { Records = [new SentRecord("a", TimestampDelta: 9), new SentRecord("b", TimestampDelta: 30), new SentRecord("c")], BaseTimestamp = now }.Build());
        await IsAsync(topic, version, MaxTimestamp, 1, now + 30, 0, from: 7);
        await IsAsync(topic, version, EarliestLocal, 0, -1, 0, from: 8);
        await IsAsync(topic, version, LatestTiered, -1, -1, -1, from: 9);
        await IsAsync(topic, version, EarliestPendingUpload, -1, -1, -1, from: 11);
        await IsAsync(topic, version, -7, -1, -1, -1, from: int.MaxValue);
        await IsAsync(topic, version, long.MinValue, -1, -1, -1, from: int.MaxValue);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task ListOffsets_by_time_finds_records_within_batches(CompressionType type, string form)
    {
        TestTopic topic = await TopicAsync();
        long now = BatchBuilder.NowMs - 100_000;
        SentRecord[] records = [.. Enumerable.Range(0, 30).Select(static i => new SentRecord($"{i}", TimestampDelta: i * 100))];
        if (form == "one batch")
        {
            await AppendAsync(topic, new BatchBuilder { Records = [.. records], BaseTimestamp = now, Compression = type }.Build());
        }
        else
        {
            foreach (SentRecord[] three in records.Chunk(3))
            {
                await AppendAsync(topic, new BatchBuilder { Records = [.. three], BaseTimestamp = now, Compression = type }.Build());
            }
        }

        foreach (int wanted in (int[])[0, 1, 7, 15, 29])
        {
            await IsAsync(topic, 11, now + (wanted * 100), wanted, now + (wanted * 100), 0);
            await IsAsync(topic, 11, now + (wanted * 100) - 1, wanted, now + (wanted * 100), 0);
        }

        await IsAsync(topic, 11, now + 2901, -1, -1, -1);
        await IsAsync(topic, 11, MaxTimestamp, 29, now + 2900, 0);
    }

    [Theory]
    [InlineData(CompressionType.None)]
    [InlineData(CompressionType.Gzip)]
    public async Task ListOffsets_by_time_where_times_go_back(CompressionType type)
    {
        TestTopic topic = await TopicAsync();
        long now = BatchBuilder.NowMs - 100_000;
        foreach (int delta in (int[])[500, 100, 900, 300, 900, 200])
        {
            await AppendAsync(topic, new BatchBuilder { Records = [new SentRecord("x", TimestampDelta: delta)], BaseTimestamp = now, Compression = type }.Build());
        }

        await IsAsync(topic, 11, now + 100, 0, now + 500, 0);
        await IsAsync(topic, 11, now + 501, 2, now + 900, 0);
        await IsAsync(topic, 11, now + 901, -1, -1, -1);

        // The first of those with the largest time.
        await IsAsync(topic, 11, MaxTimestamp, 2, now + 900, 0);
    }

    [Fact]
    public async Task ListOffsets_of_a_log_with_append_time()
    {
        TestTopic topic = await TopicAsync(1, ("message.timestamp.type", "LogAppendTime"));
        ProduceResponse.PartitionProduceResponse first = await ProduceAsync(topic, BatchBuilder.Of("a", "b"));
        await IsAsync(topic, 11, first.LogAppendTimeMs, 0, first.LogAppendTimeMs, 0);
        ListOffsetsResponse.ListOffsetsPartitionResponse max = await ListOffsetAsync(topic, MaxTimestamp);
        Assert.Equal((0, first.LogAppendTimeMs), (max.Offset, max.Timestamp));
    }

    [Fact]
    public async Task ListOffsets_of_an_empty_log()
    {
        TestTopic topic = await TopicAsync();
        await IsAsync(topic, 11, Earliest, 0, -1, 0);
        await IsAsync(topic, 11, Latest, 0, -1, 0);
        await IsAsync(topic, 11, EarliestLocal, 0, -1, 0);
        await IsAsync(topic, 11, 0, -1, -1, -1);
        await IsAsync(topic, 11, MaxTimestamp, -1, -1, -1);
    }

    [Fact]
    public async Task ListOffsets_after_records_were_deleted()
    {
        TestTopic topic = await TopicAsync();
        long now = BatchBuilder.NowMs;
        await AppendAsync(topic, new BatchBuilder { Records = [new SentRecord("a"), new SentRecord("b", TimestampDelta: 10), new SentRecord("c", TimestampDelta: 20)], BaseTimestamp = now }.Build());
        await DeleteRecordsAsync(topic, 2);
        await IsAsync(topic, 11, Earliest, 2, -1, 0);
        await IsAsync(topic, 11, EarliestLocal, 2, -1, 0);
        await IsAsync(topic, 11, Latest, 3, -1, 0);

        // A search by time does not find what is deleted.
        await IsAsync(topic, 11, now, 2, now + 20, 0);
    }

    [Fact]
    public async Task ListOffsets_errors()
    {
        TestTopic topic = await TopicAsync();
        foreach (int version in (int[])[1, 5, 11])
        {
            Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, Assert.Single(await ListOffsetsAsync(Name(), [(0, Latest)], version)).ErrorCode);
            ListOffsetsResponse.ListOffsetsPartitionResponse unknown = Assert.Single(await ListOffsetsAsync(topic.Name, [(1, Latest)], version));
            Assert.Equal((KafkaErrorCode.UnknownTopicOrPartition, -1, -1, -1), (unknown.ErrorCode, unknown.Offset, unknown.Timestamp, unknown.LeaderEpoch));
            Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, Assert.Single(await ListOffsetsAsync(topic.Name, [(-1, Latest)], version)).ErrorCode);
        }

        Assert.Equal(KafkaErrorCode.None, Assert.Single(await ListOffsetsAsync(topic.Name, [(0, Latest)], epoch: 0)).ErrorCode);
        Assert.Equal(KafkaErrorCode.UnknownLeaderEpoch, Assert.Single(await ListOffsetsAsync(topic.Name, [(0, Latest)], epoch: 1)).ErrorCode);
    }

    [Fact]
    public async Task ListOffsets_of_a_partition_twice()
    {
        TestTopic topic = await TopicAsync();
        ListOffsetsResponse.ListOffsetsPartitionResponse[] found = await ListOffsetsAsync(topic.Name, [(0, Latest), (0, Earliest)]);
        Assert.NotEmpty(found);
        Assert.All(found, static partition => Assert.Equal(KafkaErrorCode.InvalidRequest, partition.ErrorCode));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(11)]
    public async Task KIP98_ListOffsets_of_committed_records_where_there_are_no_transactions(int version)
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a", "b"));
        Assert.Equal(2, Assert.Single(await ListOffsetsAsync(topic.Name, [(0, Latest)], version, isolation: 1)).Offset);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task KIP320_OffsetForLeaderEpoch(int version)
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a", "b"));
        await IsAsync(0, -1, KafkaErrorCode.None, 0, 2);
        await IsAsync(0, 0, KafkaErrorCode.None, 0, 2);
        await IsAsync(1, -1, KafkaErrorCode.None, -1, -1);
        await IsAsync(-1, -1, KafkaErrorCode.None, -1, -1);
        await IsAsync(0, 1, KafkaErrorCode.UnknownLeaderEpoch, -1, -1);
        await IsAsync(0, -1, KafkaErrorCode.UnknownTopicOrPartition, -1, -1, partition: 3);

        async Task IsAsync(int epoch, int current, KafkaErrorCode error, int foundEpoch, long end, int partition = 0)
        {
            OffsetForLeaderEpochResponse response = await Client.AskAsync<OffsetForLeaderEpochResponse>(
                new OffsetForLeaderEpochRequest
                {
                    ReplicaId = version >= 3 ? -1 : -2,
                    Topics =
                    [
                        new OffsetForLeaderEpochRequest.OffsetForLeaderTopic
                        {
                            Topic = topic.Name,
                            Partitions = [new OffsetForLeaderEpochRequest.OffsetForLeaderPartition { Partition = partition, CurrentLeaderEpoch = current, LeaderEpoch = epoch }],
                        },
                    ],
                },
                version);
            OffsetForLeaderEpochResponse.EpochEndOffset found = Assert.Single(Assert.Single(response.Topics).Partitions);
            Assert.Equal((partition, error, foundEpoch, end), (found.Partition, found.ErrorCode, found.LeaderEpoch, found.EndOffset));
        }
    }

    private async Task IsAsync(TestTopic topic, int version, long timestamp, long offset, long time, int epoch, int from = 1)
    {
        ListOffsetsResponse.ListOffsetsPartitionResponse found = await ListOffsetAsync(topic, timestamp, version);
        Assert.Equal(
            version >= from ? (timestamp, KafkaErrorCode.None, offset, time, epoch) : (timestamp, KafkaErrorCode.UnsupportedVersion, -1, -1, -1),
            (timestamp, found.ErrorCode, found.Offset, found.Timestamp, found.LeaderEpoch));
    }

    private async Task DeleteRecordsAsync(TestTopic topic, long before)
    {
        DeleteRecordsResponse response = await Client.AskAsync<DeleteRecordsResponse>(
            new DeleteRecordsRequest
            {
                Topics = [new DeleteRecordsRequest.DeleteRecordsTopic { Name = topic.Name, Partitions = [new DeleteRecordsRequest.DeleteRecordsPartition { PartitionIndex = 0, Offset = before }] }],
                TimeoutMs = 10_000,
            },
            2);
        Assert.Equal(KafkaErrorCode.None, response.Topics[0].Partitions[0].ErrorCode);
    }
}
