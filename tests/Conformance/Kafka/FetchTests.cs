using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Fetch: versions, errors, limits (KIP-74), topic ids (KIP-516), leader epochs (KIP-320, KIP-595).</summary>
public sealed class FetchTests(BrokerFixture broker) : KafkaTest(broker)
{
    public static TheoryData<int> Versions => VersionsOf(KafkaApiKey.Fetch);

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Fetch_gives_records_and_how_the_partition_stands(int version)
    {
        TestTopic topic = await TopicAsync(partitions: 2);
        await AppendAsync(topic, BatchBuilder.Of("a", "b"));
        await AppendAsync(topic, BatchBuilder.Of("c"));
        FetchResponse response = await Client.AskAsync<FetchResponse>(Fetch(topic, (0, 0), (1, 0)), version);
        Assert.Equal((0, KafkaErrorCode.None, 0), (response.ThrottleTimeMs, response.ErrorCode, response.SessionId));
        Assert.Empty(response.NodeEndpoints);
        FetchResponse.FetchableTopicResponse fetched = Assert.Single(response.Responses);
        Assert.Equal((version < 13 ? topic.Name : "", version >= 13 ? topic.Id : Guid.Empty), (fetched.Topic, fetched.TopicId));
        Assert.Equal([0, 1], fetched.Partitions.Select(static partition => partition.PartitionIndex));
        FetchResponse.PartitionData full = fetched.Partitions[0], empty = fetched.Partitions[1];
        Assert.Equal((KafkaErrorCode.None, 3, 3, version >= 5 ? 0 : -1, -1), (full.ErrorCode, full.HighWatermark, full.LastStableOffset, full.LogStartOffset, full.PreferredReadReplica));
        Assert.Equal(["a", "b", "c"], FetchedBatch.ReadAll(full.Records.Memory).SelectMany(static batch => batch.Records).Select(static record => record.Value));
        Assert.Equal((null, null, null), (full.DivergingEpoch, full.CurrentLeader, full.SnapshotId));
        Assert.Null(full.AbortedTransactions);
        Assert.Equal((KafkaErrorCode.None, 0, 0, 0), (empty.ErrorCode, empty.HighWatermark, empty.LastStableOffset, empty.Records.Length));
        Assert.False(empty.Records.IsNull);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(18)]
    public async Task Fetch_from_within_a_batch_gives_the_whole_batch(int version)
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a"));
        await AppendAsync(topic, BatchBuilder.Of("b", "c", "d"));
        FetchResponse.PartitionData data = await FetchAsync(topic, 2, version);
        Assert.Equal(1, Assert.Single(FetchedBatch.ReadAll(data.Records.Memory)).BaseOffset);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(12)]
    [InlineData(18)]
    public async Task Fetch_of_an_offset_out_of_range(int version)
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a", "b"));
        foreach (long offset in (long[])[3, -1, long.MaxValue])
        {
            FetchResponse.PartitionData data = await FetchAsync(topic, offset, version);
            Assert.Equal((KafkaErrorCode.OffsetOutOfRange, -1, -1, -1, 0), (data.ErrorCode, data.HighWatermark, data.LastStableOffset, data.LogStartOffset, data.Records.Length));
        }

        FetchResponse.PartitionData end = await FetchAsync(topic, 2, version);
        Assert.Equal((KafkaErrorCode.None, 2, 0), (end.ErrorCode, end.HighWatermark, end.Records.Length));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(12)]
    public async Task Fetch_of_what_is_not_there(int version)
    {
        TestTopic topic = await TopicAsync();
        FetchRequest request = Fetch(topic, (0, 0), (1, 0), (-1, 0));
        request.Topics = [.. request.Topics, FetchTopic(new TestTopic("conformance.none", Guid.Empty), 1000, (0, 0))];
        FetchResponse response = await Client.AskAsync<FetchResponse>(request, version);
        Dictionary<(string, int), FetchResponse.PartitionData> all = response.Responses.SelectMany(static fetched => fetched.Partitions.Select(data => ((fetched.Topic, data.PartitionIndex), data))).ToDictionary();
        Assert.Equal(4, all.Count);
        Assert.Equal(KafkaErrorCode.None, all[(topic.Name, 0)].ErrorCode);
        foreach ((string, int) unknown in ((string, int)[])[(topic.Name, 1), (topic.Name, -1), ("conformance.none", 0)])
        {
            Assert.Equal((KafkaErrorCode.UnknownTopicOrPartition, -1, 0), (all[unknown].ErrorCode, all[unknown].HighWatermark, all[unknown].Records.Length));
        }
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task KIP516_Fetch_of_an_unknown_topic_id(int version)
    {
        TestTopic topic = await TopicAsync();
        FetchResponse.PartitionData data = await FetchAsync(topic with { Id = Guid.NewGuid() }, 0, version);
        Assert.Equal((KafkaErrorCode.UnknownTopicId, -1), (data.ErrorCode, data.HighWatermark));
        Assert.Equal(KafkaErrorCode.UnknownTopicId, (await FetchAsync(topic with { Id = Guid.Empty }, 0, version)).ErrorCode);
    }

    [Fact]
    public async Task KIP320_Fetch_with_a_leader_epoch()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a"));
        foreach ((int epoch, KafkaErrorCode expected) in ((int, KafkaErrorCode)[])[(-1, KafkaErrorCode.None), (0, KafkaErrorCode.None), (1, KafkaErrorCode.UnknownLeaderEpoch), (int.MaxValue, KafkaErrorCode.UnknownLeaderEpoch)])
        {
            foreach (int version in (int[])[9, 12, 18])
            {
                FetchRequest request = Fetch(topic, (0, 0));
                request.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch;
                FetchResponse.PartitionData data = (await Client.AskAsync<FetchResponse>(request, version)).Responses[0].Partitions[0];
                Assert.Equal((expected, expected == KafkaErrorCode.None), (data.ErrorCode, data.Records.Length > 0));
            }
        }
    }

    [Fact]
    public async Task KIP595_Fetch_v12_with_the_epoch_of_the_last_record_fetched()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a"));
        foreach ((int epoch, KafkaErrorCode expected) in ((int, KafkaErrorCode)[])[(0, KafkaErrorCode.None), (5, KafkaErrorCode.OffsetOutOfRange)])
        {
            FetchRequest request = Fetch(topic, (0, 0));
            request.Topics[0].Partitions[0].LastFetchedEpoch = epoch;
            Assert.Equal(expected, (await Client.AskAsync<FetchResponse>(request, 12)).Responses[0].Partitions[0].ErrorCode);
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(12)]
    [InlineData(18)]
    public async Task KIP74_Fetch_gives_the_first_batch_whole_whatever_the_limits(int version)
    {
        TestTopic topic = await TopicAsync(partitions: 2);
        byte[] batch = BatchBuilder.Of(new string('x', 5000));
        await AppendAsync(topic, batch);
        await AppendAsync(topic, batch);
        await AppendAsync(topic, batch, partition: 1);
        foreach ((int all, int each) in ((int, int)[])[(1, 1), (1, 1 << 20), (1 << 20, 1), (1, 0), (0, 1)])
        {
            FetchRequest request = Fetch(topic);
            request.MaxBytes = all;
            request.MinBytes = 0;
            request.Topics = [FetchTopic(topic, each, (0, 0), (1, 0))];
            FetchResponse response = await Client.AskAsync<FetchResponse>(request, version);
            Assert.Equal([1, 0], response.Responses[0].Partitions.Select(static partition => FetchedBatch.ReadAll(partition.Records.Memory).Count));
        }
    }

    [Fact]
    public async Task Fetch_gives_each_partition_its_limit()
    {
        TestTopic topic = await TopicAsync(partitions: 3);
        byte[] batch = BatchBuilder.Of(new string('x', 1000));
        for (int i = 0; i < 10; i++)
        {
            foreach (int partition in (int[])[0, 1, 2])
            {
                await AppendAsync(topic, batch, partition);
            }
        }

        FetchRequest request = Fetch(topic);
        request.Topics = [FetchTopic(topic, 3 * batch.Length, (0, 0), (1, 0), (2, 0))];
        FetchResponse response = await Client.AskAsync<FetchResponse>(request, 12);
        Assert.Equal([3, 3, 3], response.Responses[0].Partitions.Select(static partition => FetchedBatch.ReadAll(partition.Records.Memory).Count));

        request.MaxBytes = 4 * batch.Length;
        response = await Client.AskAsync<FetchResponse>(request, 12);
        Assert.Equal([3, 1, 0], response.Responses[0].Partitions.Select(static partition => FetchedBatch.ReadAll(partition.Records.Memory).Count));
    }

    [Fact]
    public async Task Fetch_of_many_batches_ends_at_its_limit_and_goes_on_from_there()
    {
        TestTopic topic = await TopicAsync();
        for (int i = 0; i < 300; i++)
        {
            await AppendAsync(topic, BatchBuilder.Of($"{i}", new string('x', 900)));
        }

        long offset = 0;
        var seen = new List<long>();
        while (offset < 600)
        {
            FetchRequest request = Fetch(topic);
            request.Topics = [FetchTopic(topic, 20_000, (0, offset))];
            FetchResponse.PartitionData data = (await Client.AskAsync<FetchResponse>(request, 13)).Responses[0].Partitions[0];
            List<FetchedBatch> batches = FetchedBatch.ReadAll(data.Records.Memory);
            Assert.NotEmpty(batches);
            Assert.InRange(data.Records.Length, 1, 20_000);
            seen.AddRange(batches.SelectMany(static batch => batch.Records).Select(static record => record.Offset));
            offset = seen[^1] + 1;
        }

        Assert.Equal(Enumerable.Range(0, 600).Select(static i => (long)i), seen);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(18)]
    public async Task KIP98_Fetch_of_committed_records_where_there_are_no_transactions(int version)
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a"));
        FetchRequest request = Fetch(topic, (0, 0));
        request.IsolationLevel = 1;
        FetchResponse.PartitionData data = (await Client.AskAsync<FetchResponse>(request, version)).Responses[0].Partitions[0];
        Assert.Equal((KafkaErrorCode.None, 1, 1), (data.ErrorCode, data.HighWatermark, data.LastStableOffset));
        Assert.NotNull(data.AbortedTransactions);
        Assert.Empty(data.AbortedTransactions);
        Assert.Single(FetchedBatch.ReadAll(data.Records.Memory));
    }

    [Fact]
    public async Task Fetch_of_a_partition_named_twice_is_answered()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a"));
        FetchResponse response = await Client.AskAsync<FetchResponse>(Fetch(topic, (0, 0), (0, 1)), 12);
        Assert.NotEmpty(response.Responses);
    }

    [Fact]
    public async Task Fetch_of_nothing_is_answered_at_once()
    {
        FetchResponse response = await Client.AskAsync<FetchResponse>(new FetchRequest { MaxWaitMs = 600_000, MinBytes = 1, Topics = [] }, 12);
        Assert.Equal((KafkaErrorCode.None, 0), (response.ErrorCode, response.SessionId));
        Assert.Empty(response.Responses);
    }

    [Fact]
    public async Task Fetch_of_zstd_in_versions_older_than_it()
    {
        // Earlier brokers refused it below v10.
        TestTopic topic = await TopicAsync(1, ("compression.type", "zstd"));
        await AppendAsync(topic, BatchBuilder.Of("a"));
        foreach (int version in (int[])[4, 9, 10])
        {
            FetchResponse.PartitionData data = await FetchAsync(topic, 0, version);
            Assert.Equal((KafkaErrorCode.None, 1), (data.ErrorCode, FetchedBatch.ReadAll(data.Records.Memory).Count));
        }
    }
}
