using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Fetch sessions: KIP-227.</summary>
public sealed class FetchSessionTests(BrokerFixture broker) : KafkaTest(broker)
{
    public static TheoryData<int> Versions => VersionsOf(KafkaApiKey.Fetch, from: 7);

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task KIP227_Session_gives_only_what_is_new(int version)
    {
        TestTopic topic = await TopicAsync(partitions: 3);
        await AppendAsync(topic, BatchBuilder.Of("zero"));
        FetchResponse full = await Client.AskAsync<FetchResponse>(Session(0, 0, FetchTopic(topic, 1 << 20, (0, 0), (1, 0), (2, 0))), version);
        Assert.Equal(KafkaErrorCode.None, full.ErrorCode);
        Assert.NotEqual(0, full.SessionId);
        Assert.Equal([0, 1, 2], Partitions(full));

        // Offset 0 of partition 0 still stands: its records come again; nothing new in the others.
        FetchResponse again = await Client.AskAsync<FetchResponse>(Session(full.SessionId, 1), version);
        Assert.Equal((KafkaErrorCode.None, full.SessionId), (again.ErrorCode, again.SessionId));
        Assert.Equal([0], Partitions(again));

        FetchResponse advanced = await Client.AskAsync<FetchResponse>(Session(full.SessionId, 2, FetchTopic(topic, 1 << 20, (0, 1))), version);
        Assert.Empty(advanced.Responses);

        await AppendAsync(topic, BatchBuilder.Of("two"), partition: 2);
        FetchResponse news = await Client.AskAsync<FetchResponse>(Session(full.SessionId, 3), version);
        Assert.Equal([2], Partitions(news));
        Assert.Equal("two", FetchedBatch.ReadAll(news.Responses[0].Partitions[0].Records.Memory)[0].Records[0].Value);
        Assert.Equal(version >= 13 ? topic.Id : Guid.Empty, news.Responses[0].TopicId);
    }

    [Theory]
    [InlineData(7)]
    [InlineData(13)]
    public async Task KIP227_Session_forgets_partitions(int version)
    {
        TestTopic topic = await TopicAsync(partitions: 2);
        int id = await OpenAsync(topic, version, (0, 0), (1, 0));
        FetchRequest forget = Session(id, 1);
        forget.ForgottenTopicsData = [new FetchRequest.ForgottenTopic { Topic = topic.Name, TopicId = topic.Id, Partitions = [1, 9] }];
        Assert.Empty((await Client.AskAsync<FetchResponse>(forget, version)).Responses);
        await AppendAsync(topic, BatchBuilder.Of("zero"));
        await AppendAsync(topic, BatchBuilder.Of("one"), partition: 1);
        Assert.Equal([0], Partitions(await Client.AskAsync<FetchResponse>(Session(id, 2), version)));
    }

    [Theory]
    [InlineData(7)]
    [InlineData(13)]
    public async Task KIP227_Session_takes_partitions_up_later(int version)
    {
        TestTopic topic = await TopicAsync(partitions: 2), other = await TopicAsync();
        await AppendAsync(other, BatchBuilder.Of("other"));
        int id = await OpenAsync(topic, version, (0, 0));
        FetchResponse response = await Client.AskAsync<FetchResponse>(Session(id, 1, FetchTopic(other, 1 << 20, (0, 0)), FetchTopic(topic, 1 << 20, (1, 0))), version);

        // What the client was never told of counts as new.
        Assert.Equal([(version >= 13 ? "" : topic.Name, 1), (version >= 13 ? "" : other.Name, 0)], response.Responses
            .SelectMany(static fetched => fetched.Partitions.Select(data => (fetched.Topic, data.PartitionIndex))).OrderByDescending(static found => found.PartitionIndex));
    }

    [Fact]
    public async Task KIP227_Who_fetches_very_many_partitions_does_it_without_a_session()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka's sessions have any number of partitions");
        const int Max = 10_000;
        TestTopic topic = await TopicAsync();
        (int, long)[] all = [.. Enumerable.Range(0, Max + 1).Select(static index => (index, 0L))];
        FetchResponse without = await Client.AskAsync<FetchResponse>(Session(0, 0, FetchTopic(topic, 1 << 20, all)), 13);
        Assert.Equal((KafkaErrorCode.None, 0, Max + 1), (without.ErrorCode, without.SessionId, without.Responses[0].Partitions.Length));

        // One that grows too large ends, and the client names all again.
        int id = await OpenAsync(topic, 13, all[..Max]);
        Assert.Equal(KafkaErrorCode.None, (await Client.AskAsync<FetchResponse>(Session(id, 1, FetchTopic(topic, 1 << 20, all[..1])), 13)).ErrorCode);
        FetchResponse ended = await Client.AskAsync<FetchResponse>(Session(id, 2, FetchTopic(topic, 1 << 20, all[Max..])), 13);
        Assert.Equal(KafkaErrorCode.FetchSessionIdNotFound, ended.ErrorCode);
        Assert.Equal(KafkaErrorCode.FetchSessionIdNotFound, (await Client.AskAsync<FetchResponse>(Session(id, 3), 13)).ErrorCode);
    }

    [Fact]
    public async Task KIP227_Session_errors()
    {
        TestTopic topic = await TopicAsync();
        foreach (int version in (int[])[7, 12, 13, 18])
        {
            FetchResponse unknown = await Client.AskAsync<FetchResponse>(Session(1_234_567, 1), version);
            Assert.Equal((KafkaErrorCode.FetchSessionIdNotFound, 0), (unknown.ErrorCode, unknown.SessionId));
            Assert.Empty(unknown.Responses);

            int id = await OpenAsync(topic, version, (0, 0));
            FetchResponse skipped = await Client.AskAsync<FetchResponse>(Session(id, 5), version);
            Assert.Equal(KafkaErrorCode.InvalidFetchSessionEpoch, skipped.ErrorCode);
            Assert.Empty(skipped.Responses);

            // The session is as it was.
            Assert.Equal(KafkaErrorCode.None, (await Client.AskAsync<FetchResponse>(Session(id, 1), version)).ErrorCode);
            Assert.Equal(KafkaErrorCode.InvalidFetchSessionEpoch, (await Client.AskAsync<FetchResponse>(Session(id, 1), version)).ErrorCode);
        }
    }

    [Theory]
    [InlineData(12, 13)]
    [InlineData(13, 12)]
    public async Task KIP516_Session_by_names_and_by_ids_do_not_mix(int first, int second)
    {
        TestTopic topic = await TopicAsync();
        int id = await OpenAsync(topic, first, (0, 0));
        Assert.Equal(KafkaErrorCode.FetchSessionTopicIdError, (await Client.AskAsync<FetchResponse>(Session(id, 1), second)).ErrorCode);
    }

    [Theory]
    [InlineData(7)]
    [InlineData(18)]
    public async Task KIP227_Session_ends_with_the_final_epoch(int version)
    {
        TestTopic topic = await TopicAsync();
        int id = await OpenAsync(topic, version, (0, 0));
        FetchResponse last = await Client.AskAsync<FetchResponse>(Session(id, -1, FetchTopic(topic, 1 << 20, (0, 0))), version);
        Assert.Equal((KafkaErrorCode.None, 0), (last.ErrorCode, last.SessionId));
        Assert.Equal([0], Partitions(last));
        Assert.Equal(KafkaErrorCode.FetchSessionIdNotFound, (await Client.AskAsync<FetchResponse>(Session(id, 1), version)).ErrorCode);
    }

    [Fact]
    public async Task KIP227_Session_is_replaced_by_a_full_fetch_that_names_it()
    {
        TestTopic topic = await TopicAsync();
        int first = await OpenAsync(topic, 12, (0, 0));
        FetchResponse second = await Client.AskAsync<FetchResponse>(Session(first, 0, FetchTopic(topic, 1 << 20, (0, 0))), 12);
        Assert.Equal(KafkaErrorCode.None, second.ErrorCode);
        Assert.NotEqual(0, second.SessionId);
        Assert.NotEqual(first, second.SessionId);
        Assert.Equal(KafkaErrorCode.FetchSessionIdNotFound, (await Client.AskAsync<FetchResponse>(Session(first, 1), 12)).ErrorCode);
        Assert.Equal(KafkaErrorCode.None, (await Client.AskAsync<FetchResponse>(Session(second.SessionId, 1), 12)).ErrorCode);
    }

    [Fact]
    public async Task KIP227_Session_belongs_to_no_connection()
    {
        TestTopic topic = await TopicAsync();
        int id = await OpenAsync(topic, 12, (0, 0));
        await AppendAsync(topic, BatchBuilder.Of("a"));
        RawClient other = await ConnectAsync();
        Assert.Equal([0], Partitions(await other.AskAsync<FetchResponse>(Session(id, 1), 12)));
    }

    [Fact]
    public async Task KIP227_Session_tells_an_error_and_its_end()
    {
        TestTopic topic = await TopicAsync();
        FetchResponse opened = await Client.AskAsync<FetchResponse>(Session(0, 0, FetchTopic(topic, 1 << 20, (0, 0), (1, 0))), 12);
        Assert.Equal([KafkaErrorCode.None, KafkaErrorCode.UnknownTopicOrPartition], opened.Responses[0].Partitions.Select(static partition => partition.ErrorCode));
        FetchResponse again = await Client.AskAsync<FetchResponse>(Session(opened.SessionId, 1), 12);
        Assert.Equal([(1, KafkaErrorCode.UnknownTopicOrPartition)], again.Responses[0].Partitions.Select(static partition => (partition.PartitionIndex, partition.ErrorCode)));
        await Client.AskAsync<CreatePartitionsResponse>(
            new CreatePartitionsRequest { Topics = [new CreatePartitionsRequest.CreatePartitionsTopic { Name = topic.Name, Count = 2, Assignments = null }], TimeoutMs = 10_000 }, 3);
        await IsReadyAsync(topic.Name, 2);
        FetchResponse healed = await Client.AskAsync<FetchResponse>(Session(opened.SessionId, 2), 12);
        Assert.Equal([(1, KafkaErrorCode.None)], healed.Responses[0].Partitions.Select(static partition => (partition.PartitionIndex, partition.ErrorCode)));
        Assert.Empty((await Client.AskAsync<FetchResponse>(Session(opened.SessionId, 3), 12)).Responses);
    }

    [Fact]
    public async Task KIP227_Session_waits_for_its_partitions()
    {
        TestTopic topic = await TopicAsync();
        int id = await OpenAsync(topic, 13, (0, 0));
        FetchRequest wait = Session(id, 1);
        wait.MaxWaitMs = 600_000;
        RawClient consumer = await ConnectAsync();
        int correlation = await consumer.SendAsync(wait, 13);
        await AppendAsync(topic, BatchBuilder.Of("woken"));
        Assert.Equal([0], Partitions(await consumer.ReceiveAsync<FetchResponse>(13, correlation)));
    }

    [Fact]
    public async Task KIP227_Session_serves_all_partitions_in_turn_when_answers_are_full()
    {
        TestTopic topic = await TopicAsync(partitions: 4);
        byte[] batch = BatchBuilder.Of(new string('x', 1000));
        for (int partition = 0; partition < 4; partition++)
        {
            for (int i = 0; i < 8; i++)
            {
                await AppendAsync(topic, batch, partition);
            }
        }

        // Each answer has room for two batches; the client moves on in what it gets.
        long[] offsets = new long[4];
        FetchRequest request = Session(0, 0, FetchTopic(topic, 1 << 20, (0, 0), (1, 0), (2, 0), (3, 0)));
        int epoch = 0, id = 0;
        for (int round = 0; round < 16; round++)
        {
            request.MaxBytes = 2 * batch.Length;
            FetchResponse response = await Client.AskAsync<FetchResponse>(request, 12);
            Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
            id = response.SessionId;
            var moved = new List<(int, long)>();
            foreach (FetchResponse.PartitionData data in response.Responses.SelectMany(static fetched => fetched.Partitions))
            {
                List<FetchedBatch> batches = FetchedBatch.ReadAll(data.Records.Memory);
                offsets[data.PartitionIndex] += batches.Count;
                moved.Add((data.PartitionIndex, offsets[data.PartitionIndex]));
            }

            if (round == 7)
            {
                Assert.All(offsets, static offset => Assert.True(offset > 0, "a partition has starved"));
            }

            request = Session(id, ++epoch, FetchTopic(topic, 1 << 20, [.. moved]));
        }

        Assert.Equal([8L, 8, 8, 8], offsets);
    }

    private static FetchRequest Session(int id, int epoch, params FetchRequest.FetchTopic[] topics) => new()
    {
        MaxWaitMs = 0,
        MinBytes = 1,
        MaxBytes = 50 << 20,
        SessionId = id,
        SessionEpoch = epoch,
        Topics = topics,
    };

    private static List<int> Partitions(FetchResponse response) => [.. response.Responses.SelectMany(static topic => topic.Partitions).Select(static partition => partition.PartitionIndex)];

    private async Task<int> OpenAsync(TestTopic topic, int version, params (int Partition, long Offset)[] partitions)
    {
        FetchResponse opened = await Client.AskAsync<FetchResponse>(Session(0, 0, FetchTopic(topic, 1 << 20, partitions)), version);
        Assert.Equal(KafkaErrorCode.None, opened.ErrorCode);
        Assert.NotEqual(0, opened.SessionId);
        return opened.SessionId;
    }
}
