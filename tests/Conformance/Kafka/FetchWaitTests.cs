using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Fetches that wait: min_bytes and max_wait_ms.</summary>
public sealed class FetchWaitTests(BrokerFixture broker) : KafkaTest(broker)
{
    private const int LongMs = 600_000;

    [Theory]
    [InlineData(4)]
    [InlineData(12)]
    [InlineData(18)]
    public async Task Fetch_that_waits_is_woken_by_a_produce(int version)
    {
        TestTopic topic = await TopicAsync(partitions: 2);
        int id = await Client.SendAsync(Waiting(Fetch(topic, (0, 0), (1, 0))), version);
        RawClient producer = await ConnectAsync();
        await producer.AskAsync<ProduceResponse>(Produce(topic, 1, (1, BatchBuilder.Of("woken"))), 13);
        FetchResponse response = await Client.ReceiveAsync<FetchResponse>(version, id);
        Assert.Equal("woken", FetchedBatch.ReadAll(response.Responses[0].Partitions[1].Records.Memory)[0].Records[0].Value);
    }

    [Fact]
    public async Task Fetch_waits_until_there_are_min_bytes_over_all_partitions()
    {
        TestTopic topic = await TopicAsync(partitions: 2);
        FetchRequest request = Waiting(Fetch(topic, (0, 0), (1, 0)));
        request.MinBytes = 3000;
        int id = await Client.SendAsync(request, 12);
        RawClient producer = await ConnectAsync();
        byte[] batch = BatchBuilder.Of(new string('x', 1000));
        foreach (int partition in (int[])[0, 1])
        {
            await producer.AskAsync<ProduceResponse>(Produce(topic, 1, (partition, batch)), 13);
        }

        Assert.False(Client.HasAnswer);
        await producer.AskAsync<ProduceResponse>(Produce(topic, 1, (0, batch)), 13);
        FetchResponse response = await Client.ReceiveAsync<FetchResponse>(12, id);
        Assert.Equal(3 * batch.Length, response.Responses[0].Partitions.Sum(static partition => partition.Records.Length));
    }

    [Fact]
    public async Task Fetch_ends_when_its_time_is_over_with_what_there_is()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a"));
        FetchRequest request = Fetch(topic, (0, 0));
        (request.MaxWaitMs, request.MinBytes) = (50, 1 << 20);
        FetchResponse response = await Client.AskAsync<FetchResponse>(request, 12);
        Assert.Single(FetchedBatch.ReadAll(response.Responses[0].Partitions[0].Records.Memory));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    public async Task Fetch_that_wants_no_bytes_or_has_no_time_does_not_wait(int none)
    {
        TestTopic topic = await TopicAsync();
        FetchRequest noBytes = Waiting(Fetch(topic, (0, 0)));
        noBytes.MinBytes = none;
        Assert.Equal(0, (await Client.AskAsync<FetchResponse>(noBytes, 12)).Responses[0].Partitions[0].Records.Length);
        FetchRequest noTime = Fetch(topic, (0, 0));
        noTime.MaxWaitMs = none;
        Assert.Equal(0, (await Client.AskAsync<FetchResponse>(noTime, 12)).Responses[0].Partitions[0].Records.Length);
    }

    [Fact]
    public async Task Fetch_with_an_offset_out_of_range_or_of_nothing_known_does_not_wait()
    {
        TestTopic topic = await TopicAsync(partitions: 2);
        FetchResponse response = await Client.AskAsync<FetchResponse>(Waiting(Fetch(topic, (0, 0), (1, 8))), 12);
        Assert.Equal([KafkaErrorCode.None, KafkaErrorCode.OffsetOutOfRange], response.Responses[0].Partitions.Select(static partition => partition.ErrorCode));
        response = await Client.AskAsync<FetchResponse>(Waiting(Fetch(topic, (5, 0))), 12);
        Assert.Equal([KafkaErrorCode.UnknownTopicOrPartition], response.Responses[0].Partitions.Select(static partition => partition.ErrorCode));
    }

    [Theory]
    [InlineData(12)]
    [InlineData(13)]
    public async Task Fetch_waits_for_the_partitions_that_are_there_when_others_are_not(int version)
    {
        // Else a client whose topic was deleted would ask in a busy loop.
        TestTopic topic = await TopicAsync();
        FetchRequest request = Waiting(Fetch(topic, (0, 0), (5, 0)));
        request.Topics = [.. request.Topics, FetchTopic(new TestTopic(Name(), Guid.NewGuid()), 1000, (0, 0))];
        request.SessionEpoch = 0;
        int id = await Client.SendAsync(request, version);
        RawClient producer = await ConnectAsync();
        await ServesAsync(producer);
        Assert.False(Client.HasAnswer);
        await producer.AskAsync<ProduceResponse>(Produce(topic, 1, (0, BatchBuilder.Of("woken"))), 13);
        FetchResponse opened = await Client.ReceiveAsync<FetchResponse>(version, id);
        Assert.NotEqual(0, opened.Responses.SelectMany(static fetched => fetched.Partitions).Single(static data => data.ErrorCode == KafkaErrorCode.None).Records.Length);
        Assert.Equal(2, opened.Responses.SelectMany(static fetched => fetched.Partitions).Count(static data => data.ErrorCode != KafkaErrorCode.None));

        // The same goes for a session that has told of them before.
        FetchRequest next = Waiting(Fetch(topic, (0, 1)));
        (next.SessionId, next.SessionEpoch) = (opened.SessionId, 1);
        id = await Client.SendAsync(next, version);
        await ServesAsync(producer);
        Assert.False(Client.HasAnswer);
        await producer.AskAsync<ProduceResponse>(Produce(topic, 1, (0, BatchBuilder.Of("again"))), 13);
        FetchResponse news = await Client.ReceiveAsync<FetchResponse>(version, id);
        Assert.NotEqual(0, news.Responses.SelectMany(static fetched => fetched.Partitions).Single(static data => data.ErrorCode == KafkaErrorCode.None).Records.Length);
    }

    [Fact]
    public async Task Fetch_that_waits_holds_nothing_when_its_client_has_gone()
    {
        TestTopic topic = await TopicAsync();
        for (int i = 0; i < 20; i++)
        {
            RawClient gone = await ConnectAsync();
            await gone.SendAsync(Waiting(Fetch(topic, (0, 0))), 12);
            await gone.DisposeAsync();
        }

        await AppendAsync(topic, BatchBuilder.Of("a"));
        Assert.Equal(["a"], await ReadValuesAsync(topic));
    }

    [Fact]
    public async Task Fetch_of_many_clients_that_wait_wakes_all()
    {
        TestTopic topic = await TopicAsync();
        var waiting = new List<(RawClient Client, int Id)>();
        for (int i = 0; i < 30; i++)
        {
            RawClient client = await ConnectAsync();
            waiting.Add((client, await client.SendAsync(Waiting(Fetch(topic, (0, 0))), 12)));
        }

        await AppendAsync(topic, BatchBuilder.Of("for all"));
        foreach ((RawClient client, int id) in waiting)
        {
            FetchResponse response = await client.ReceiveAsync<FetchResponse>(12, id);
            Assert.Single(FetchedBatch.ReadAll(response.Responses[0].Partitions[0].Records.Memory));
        }
    }

    private static FetchRequest Waiting(FetchRequest request)
    {
        request.MaxWaitMs = LongMs;
        return request;
    }
}
