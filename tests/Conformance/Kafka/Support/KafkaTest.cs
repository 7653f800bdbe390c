using System.Text;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka.Support;

/// <summary>A topic of a test.</summary>
public sealed record TestTopic(string Name, Guid Id);

/// <summary>A test with a connection of its own, and the moves that most tests make.</summary>
public abstract class KafkaTest(BrokerFixture broker) : IAsyncLifetime
{
    public static readonly TimeSpan Patience = RawClient.Patience;

    private readonly List<RawClient> _clients = [];

    protected BrokerFixture Broker { get; } = broker;

    protected RawClient Client { get; set; } = null!;

    public virtual async ValueTask InitializeAsync() => Client = await ConnectAsync();

    public virtual async ValueTask DisposeAsync()
    {
        foreach (RawClient client in _clients)
        {
            await client.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Every version of an API, for theories.</summary>
    protected static TheoryData<int> VersionsOf(KafkaApiKey key, int from = 0)
    {
        KafkaApi api = KafkaApis.Get(key);
        return [.. Enumerable.Range(Math.Max(from, api.MinVersion), api.MaxVersion - Math.Max(from, api.MinVersion) + 1)];
    }

    /// <summary>A name that no other test uses.</summary>
    protected static string Name(string role = "topic") => $"conformance.{role}.{Guid.NewGuid().ToString("N")[..12]}";

    /// <summary>Another connection, which ends with the test.</summary>
    protected Task<RawClient> ConnectAsync() => ConnectAsync(Broker.Host, Broker.Port);

    protected async Task<RawClient> ConnectAsync(string host, int port)
    {
        RawClient client = await RawClient.ConnectAsync(host, port);
        _clients.Add(client);
        return client;
    }

    /// <summary>A topic whose partitions can be written to.</summary>
    protected async Task<TestTopic> TopicAsync(int partitions = 1, params (string Key, string Value)[] configs)
    {
        string name = Name();
        CreateTopicsResponse created = await Client.AskAsync<CreateTopicsResponse>(
            new CreateTopicsRequest
            {
                Topics =
                [
                    new CreateTopicsRequest.CreatableTopic
                    {
                        Name = name,
                        NumPartitions = partitions,
                        ReplicationFactor = 1,
                        Configs = [.. configs.Select(static config => new CreateTopicsRequest.CreatableTopicConfig { Name = config.Key, Value = config.Value })],
                    },
                ],
                TimeoutMs = 10_000,
            },
            7);
        CreateTopicsResponse.CreatableTopicResult topic = Assert.Single(created.Topics);
        Assert.Equal((KafkaErrorCode.None, null), (topic.ErrorCode, topic.ErrorMessage));
        await IsReadyAsync(name, partitions);
        return new TestTopic(name, topic.TopicId);
    }

    /// <summary>Waits until so many partitions of a topic are led by someone.</summary>
    protected Task IsReadyAsync(string topic, int partitions) => EventuallyAsync(
        async () =>
        {
            ListOffsetsResponse.ListOffsetsPartitionResponse[] offsets = await ListOffsetsAsync(topic, [.. Enumerable.Range(0, partitions).Select(static index => (index, -1L))]);
            return offsets.All(static partition => partition.ErrorCode == KafkaErrorCode.None);
        },
        $"{partitions} partitions of {topic} led");

    protected async Task<ListOffsetsResponse.ListOffsetsPartitionResponse[]> ListOffsetsAsync(string topic, (int Partition, long Timestamp)[] wanted, int version = 11, sbyte isolation = 0, int epoch = -1)
    {
        ListOffsetsResponse response = await Client.AskAsync<ListOffsetsResponse>(
            new ListOffsetsRequest
            {
                ReplicaId = -1,
                IsolationLevel = isolation,
                TimeoutMs = 10_000,
                Topics =
                [
                    new ListOffsetsRequest.ListOffsetsTopic
                    {
                        Name = topic,
                        Partitions = [.. wanted.Select(partition => new ListOffsetsRequest.ListOffsetsPartition { PartitionIndex = partition.Partition, Timestamp = partition.Timestamp, CurrentLeaderEpoch = epoch })],
                    },
                ],
            },
            version);
        return Assert.Single(response.Topics).Partitions;
    }

    /// <summary>The offset for a timestamp or one of the special values.</summary>
    protected async Task<ListOffsetsResponse.ListOffsetsPartitionResponse> ListOffsetAsync(TestTopic topic, long timestamp, int version = 11, int partition = 0) =>
        Assert.Single(await ListOffsetsAsync(topic.Name, [(partition, timestamp)], version));

    protected static ProduceRequest Produce(TestTopic topic, short acks, params (int Partition, byte[]? Records)[] partitions) => new()
    {
        Acks = acks,
        TimeoutMs = 30_000,
        TopicData =
        [
            new ProduceRequest.TopicProduceData
            {
                Name = topic.Name,
                TopicId = topic.Id,
                PartitionData = [.. partitions.Select(static partition => new ProduceRequest.PartitionProduceData { Index = partition.Partition, Records = partition.Records })],
            },
        ],
    };

    /// <summary>Sends one batch and returns the answer for its partition.</summary>
    protected async Task<ProduceResponse.PartitionProduceResponse> ProduceAsync(TestTopic topic, byte[]? records, int version = 13, short acks = -1, int partition = 0)
    {
        ProduceResponse response = await Client.AskAsync<ProduceResponse>(Produce(topic, acks, (partition, records)), version);
        return Assert.Single(Assert.Single(response.Responses).PartitionResponses);
    }

    /// <summary>Sends a batch that must be taken; returns its first offset.</summary>
    protected async Task<long> AppendAsync(TestTopic topic, byte[] records, int partition = 0)
    {
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, records, partition: partition);
        Assert.Equal((KafkaErrorCode.None, null), (response.ErrorCode, response.ErrorMessage));
        return response.BaseOffset;
    }

    protected static FetchRequest Fetch(TestTopic topic, params (int Partition, long Offset)[] partitions) => new()
    {
        MaxWaitMs = 0,
        MinBytes = 1,
        MaxBytes = 50 << 20,
        Topics = [FetchTopic(topic, 1 << 20, partitions)],
    };

    protected static FetchRequest.FetchTopic FetchTopic(TestTopic topic, int bytesMax, params (int Partition, long Offset)[] partitions) => new()
    {
        Topic = topic.Name,
        TopicId = topic.Id,
        Partitions = [.. partitions.Select(partition => new FetchRequest.FetchPartition { Partition = partition.Partition, FetchOffset = partition.Offset, PartitionMaxBytes = bytesMax })],
    };

    /// <summary>Fetches without waiting; returns the one partition's answer.</summary>
    protected async Task<FetchResponse.PartitionData> FetchAsync(TestTopic topic, long offset, int version = 18, int partition = 0)
    {
        FetchResponse response = await Client.AskAsync<FetchResponse>(Fetch(topic, (partition, offset)), version);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        return Assert.Single(Assert.Single(response.Responses).Partitions);
    }

    /// <summary>Everything in a partition from an offset on.</summary>
    protected async Task<List<FetchedBatch>> ReadAsync(TestTopic topic, long offset = 0, int partition = 0)
    {
        FetchResponse.PartitionData data = await FetchAsync(topic, offset, partition: partition);
        Assert.Equal(KafkaErrorCode.None, data.ErrorCode);
        return FetchedBatch.ReadAll(data.Records.Memory);
    }

    /// <summary>The values of everything in a partition from an offset on.</summary>
    protected async Task<List<string>> ReadValuesAsync(TestTopic topic, long offset = 0, int partition = 0) =>
        [.. (await ReadAsync(topic, offset, partition)).SelectMany(static batch => batch.Records).Select(static record => record.Value ?? "null")];

    /// <summary>A producer id of its own.</summary>
    protected async Task<long> ProducerIdAsync()
    {
        InitProducerIdResponse response = await Client.AskAsync<InitProducerIdResponse>(new InitProducerIdRequest { TransactionalId = null, TransactionTimeoutMs = 60_000 }, 5);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        return response.ProducerId;
    }

    /// <summary>The test's connection serves; and so does the broker.</summary>
    protected static async Task ServesAsync(RawClient client) =>
        Assert.Equal(KafkaErrorCode.None, (await client.AskAsync<ApiVersionsResponse>(new ApiVersionsRequest { ClientSoftwareName = "conformance", ClientSoftwareVersion = "1" }, 4)).ErrorCode);

    /// <summary>Polls until the condition holds; fails the test when it does not within <see cref="Patience"/>, or so many times that.</summary>
    protected static async Task EventuallyAsync(Func<Task<bool>> condition, string what, int patience = 1)
    {
        long deadline = Environment.TickCount64 + (patience * (long)Patience.TotalMilliseconds);
        while (!await condition())
        {
            Assert.True(Environment.TickCount64 < deadline, $"not within {patience * Patience}: {what}");
            await Task.Delay(10);
        }
    }

    protected static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    protected static byte[] Hex(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
}
