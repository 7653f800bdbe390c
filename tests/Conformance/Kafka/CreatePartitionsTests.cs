using RabbitMQ.Client;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>CreatePartitions: KIP-195.</summary>
public sealed class CreatePartitionsTests(BrokerFixture broker) : KafkaTest(broker)
{
    public static TheoryData<int> Versions => VersionsOf(KafkaApiKey.CreatePartitions);

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task CreatePartitions_adds_partitions_that_can_be_written_to(int version)
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("old"));
        CreatePartitionsResponse.CreatePartitionsTopicResult result = await GrowAsync(topic.Name, 3, version);
        Assert.Equal((topic.Name, KafkaErrorCode.None, null), (result.Name, result.ErrorCode, result.ErrorMessage));
        await IsReadyAsync(topic.Name, 3);
        await AppendAsync(topic, BatchBuilder.Of("new"), partition: 2);
        Assert.Equal(["old"], await ReadValuesAsync(topic));
        Assert.Equal(["new"], await ReadValuesAsync(topic, partition: 2));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task CreatePartitions_only_adds(int count)
    {
        TestTopic topic = await TopicAsync(partitions: 2);
        foreach (bool validateOnly in (bool[])[true, false])
        {
            CreatePartitionsResponse.CreatePartitionsTopicResult result = await GrowAsync(topic.Name, count, validateOnly: validateOnly);
            Assert.Equal(KafkaErrorCode.InvalidPartitions, result.ErrorCode);
            Assert.NotNull(result.ErrorMessage);
        }
    }

    [Fact]
    public async Task CreatePartitions_validate_only_adds_nothing()
    {
        TestTopic topic = await TopicAsync();
        Assert.Equal(KafkaErrorCode.None, (await GrowAsync(topic.Name, 2, validateOnly: true)).ErrorCode);
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, (await ListOffsetsAsync(topic.Name, [(1, -1)]))[0].ErrorCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CreatePartitions_does_not_take_over_a_queue(bool validateOnly)
    {
        Assert.SkipWhen(Broker.AmqpAddress is null, "the target serves no AMQP");
        TestTopic topic = await TopicAsync(partitions: 2);
        await using QueueProgram program = await QueueProgram.StartAsync(Broker.AmqpAddress!);
        await program.Channel.QueueDeclareAsync($"{topic.Name}:3", durable: true, exclusive: false, autoDelete: false);
        Assert.Equal(KafkaErrorCode.InvalidPartitions, (await GrowAsync(topic.Name, 4, validateOnly: validateOnly)).ErrorCode);
        Assert.Equal(KafkaErrorCode.None, (await GrowAsync(topic.Name, 3, validateOnly: validateOnly)).ErrorCode);
        await program.Channel.QueueDeleteAsync($"{topic.Name}:3");
    }

    [Theory]
    [InlineData("classic", false)]
    [InlineData("classic", true)]
    [InlineData("stream", false)]
    [InlineData("stream", true)]
    public async Task CreatePartitions_of_a_queue_is_refused_for_good(string type, bool validateOnly)
    {
        Assert.SkipWhen(Broker.AmqpAddress is null, "the target serves no AMQP");
        string queue = Name();
        await using QueueProgram program = await QueueProgram.StartAsync(Broker.AmqpAddress!);
        await program.Channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, arguments: new Dictionary<string, object?> { ["x-queue-type"] = type });
        CreatePartitionsResponse.CreatePartitionsTopicResult result = await GrowAsync(queue, 2, validateOnly: validateOnly);
        Assert.Equal((KafkaErrorCode.InvalidPartitions, $"Topic {queue} is a queue: its partitions cannot be changed."), (result.ErrorCode, result.ErrorMessage));
        await program.Channel.QueueDeleteAsync(queue);
    }

    [Fact]
    public async Task CreatePartitions_of_an_unknown_topic() =>
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, (await GrowAsync(Name(), 2)).ErrorCode);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CreatePartitions_of_the_brokers_own_topic_is_refused(bool validateOnly)
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka adds them, and groups are lost.");
        var own = new MetadataRequest { Topics = [new MetadataRequest.MetadataRequestTopic { Name = "__consumer_offsets" }], AllowAutoTopicCreation = true };
        await EventuallyAsync(async () => (await Client.AskAsync<MetadataResponse>(own, 9)).Topics[0].ErrorCode == KafkaErrorCode.None, "the topic is there");
        Assert.Equal(KafkaErrorCode.InvalidTopicException, (await GrowAsync("__consumer_offsets", 100, validateOnly: validateOnly)).ErrorCode);
    }

    [Fact]
    public async Task CreatePartitions_of_a_topic_named_twice_is_refused_for_it_alone()
    {
        TestTopic twice = await TopicAsync(), once = await TopicAsync();
        var request = new CreatePartitionsRequest
        {
            Topics = [.. new[] { twice, once, twice }.Select(static topic => new CreatePartitionsRequest.CreatePartitionsTopic { Name = topic.Name, Count = 2, Assignments = null })],
            TimeoutMs = 10_000,
        };
        CreatePartitionsResponse response = await Client.AskAsync<CreatePartitionsResponse>(request, 3);
        Assert.Equal(2, response.Results.Length);
        Assert.Equal(KafkaErrorCode.InvalidRequest, response.Results.Single(result => result.Name == twice.Name).ErrorCode);
        Assert.Equal(KafkaErrorCode.None, response.Results.Single(result => result.Name == once.Name).ErrorCode);
    }

    [Fact]
    public async Task CreatePartitions_with_an_assignment_of_replicas()
    {
        TestTopic topic = await TopicAsync();
        int node = (await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [] }, 9)).ControllerId;
        foreach (int[][] bad in (int[][][])[[[node]], [[node], [node], [node]], [[node], [node + 17]], [[node], []], [[node], [node, node]]])
        {
            CreatePartitionsResponse.CreatePartitionsTopicResult refused = await GrowAsync(topic.Name, 3, assignments: bad);
            Assert.Equal(KafkaErrorCode.InvalidReplicaAssignment, refused.ErrorCode);
        }

        Assert.Equal(KafkaErrorCode.None, (await GrowAsync(topic.Name, 3, assignments: [[node], [node]])).ErrorCode);
        await IsReadyAsync(topic.Name, 3);
    }

    private async Task<CreatePartitionsResponse.CreatePartitionsTopicResult> GrowAsync(string topic, int count, int version = 3, bool validateOnly = false, int[][]? assignments = null)
    {
        var request = new CreatePartitionsRequest
        {
            Topics =
            [
                new CreatePartitionsRequest.CreatePartitionsTopic
                {
                    Name = topic,
                    Count = count,
                    Assignments = assignments?.Select(static brokers => new CreatePartitionsRequest.CreatePartitionsAssignment { BrokerIds = brokers }).ToArray(),
                },
            ],
            TimeoutMs = 10_000,
            ValidateOnly = validateOnly,
        };
        return Assert.Single((await Client.AskAsync<CreatePartitionsResponse>(request, version)).Results);
    }
}
