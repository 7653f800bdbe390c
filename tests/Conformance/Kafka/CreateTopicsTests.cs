using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>CreateTopics: KIP-4, KIP-464 (defaults), KIP-525 (configs in the answer).</summary>
public sealed class CreateTopicsTests(BrokerFixture broker) : KafkaTest(broker)
{
    public static TheoryData<int> Versions => VersionsOf(KafkaApiKey.CreateTopics);

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task CreateTopics_makes_a_topic(int version)
    {
        CreateTopicsRequest.CreatableTopic wanted = Topic(partitions: 3);
        wanted.Configs = [Config("retention.ms", "100000")];
        CreateTopicsResponse.CreatableTopicResult result = await CreateAsync(wanted, version);
        Assert.Equal((KafkaErrorCode.None, null, wanted.Name), (result.ErrorCode, result.ErrorMessage, result.Name));
        Assert.Equal(version >= 7, result.TopicId != Guid.Empty);
        Assert.Equal((version >= 5 ? 3 : -1, version >= 5 ? 1 : -1), (result.NumPartitions, result.ReplicationFactor));
        if (version >= 5)
        {
            CreateTopicsResponse.CreatableTopicConfigs retention = Assert.Single(result.Configs!, static config => config.Name == "retention.ms");
            Assert.Equal(("100000", (sbyte)1, false, false), (retention.Value, retention.ConfigSource, retention.ReadOnly, retention.IsSensitive));
            CreateTopicsResponse.CreatableTopicConfigs cleanup = Assert.Single(result.Configs!, static config => config.Name == "cleanup.policy");
            Assert.Equal(("delete", (sbyte)5), (cleanup.Value, cleanup.ConfigSource));
        }

        await IsReadyAsync(wanted.Name, 3);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(7)]
    public async Task KIP464_CreateTopics_takes_the_brokers_defaults_for_minus_one(int version)
    {
        CreateTopicsRequest.CreatableTopic wanted = Topic(partitions: -1, replicas: -1);
        Assert.Equal(KafkaErrorCode.None, (await CreateAsync(wanted, version)).ErrorCode);
        await IsReadyAsync(wanted.Name, 1);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(7)]
    public async Task CreateTopics_validate_only_makes_nothing(int version)
    {
        CreateTopicsRequest.CreatableTopic wanted = Topic();
        CreateTopicsResponse.CreatableTopicResult result = await CreateAsync(wanted, version, validateOnly: true);
        Assert.Equal((KafkaErrorCode.None, null), (result.ErrorCode, result.ErrorMessage));
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, (await ListOffsetsAsync(wanted.Name, [(0, -1)]))[0].ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidReplicationFactor, (await CreateAsync(Topic(replicas: 9), version, validateOnly: true)).ErrorCode);
    }

    [Fact]
    public async Task CreateTopics_of_a_name_that_is_there()
    {
        TestTopic topic = await TopicAsync();
        CreateTopicsRequest.CreatableTopic wanted = Topic();
        wanted.Name = topic.Name;
        Assert.Equal(KafkaErrorCode.TopicAlreadyExists, (await CreateAsync(wanted)).ErrorCode);
        Assert.Equal(KafkaErrorCode.TopicAlreadyExists, (await CreateAsync(wanted, validateOnly: true)).ErrorCode);
    }

    [Fact]
    public async Task CreateTopics_of_a_name_twice_in_one_request_is_refused_for_it_alone()
    {
        CreateTopicsRequest.CreatableTopic twice = Topic(), once = Topic();
        CreateTopicsResponse response = await Client.AskAsync<CreateTopicsResponse>(new CreateTopicsRequest { Topics = [twice, once, twice], TimeoutMs = 10_000 }, 7);
        Assert.Equal(2, response.Topics.Length);
        Assert.Equal(KafkaErrorCode.InvalidRequest, response.Topics.Single(result => result.Name == twice.Name).ErrorCode);
        Assert.Equal(KafkaErrorCode.None, response.Topics.Single(result => result.Name == once.Name).ErrorCode);
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, (await ListOffsetsAsync(twice.Name, [(0, -1)]))[0].ErrorCode);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a b")]
    [InlineData("é")]
    [InlineData("250")]
    public async Task CreateTopics_of_a_name_that_cannot_be(string name)
    {
        CreateTopicsRequest.CreatableTopic wanted = Topic();
        wanted.Name = name == "250" ? new string('x', 250) : name;
        CreateTopicsResponse.CreatableTopicResult result = await CreateAsync(wanted);
        Assert.Equal(KafkaErrorCode.InvalidTopicException, result.ErrorCode);
        Assert.NotNull(result.ErrorMessage);
        Assert.Equal(Guid.Empty, result.TopicId);
    }

    [Theory]
    [InlineData(0, 1, KafkaErrorCode.InvalidPartitions)]
    [InlineData(-2, 1, KafkaErrorCode.InvalidPartitions)]
    [InlineData(1, 0, KafkaErrorCode.InvalidReplicationFactor)]
    [InlineData(1, -2, KafkaErrorCode.InvalidReplicationFactor)]
    [InlineData(1, 2, KafkaErrorCode.InvalidReplicationFactor)]
    [InlineData(1, short.MaxValue, KafkaErrorCode.InvalidReplicationFactor)]
    public async Task CreateTopics_with_numbers_that_cannot_be(int partitions, int replicas, KafkaErrorCode expected)
    {
        CreateTopicsResponse.CreatableTopicResult result = await CreateAsync(Topic(partitions, (short)replicas));
        Assert.Equal(expected, result.ErrorCode);
        Assert.NotNull(result.ErrorMessage);
    }

    [Fact]
    public async Task CreateTopics_with_an_assignment_of_replicas()
    {
        int node = await NodeAsync();
        CreateTopicsRequest.CreatableTopic wanted = Topic(-1, -1);
        wanted.Assignments = [Assignment(1, node), Assignment(0, node)];
        CreateTopicsResponse.CreatableTopicResult result = await CreateAsync(wanted);
        Assert.Equal((KafkaErrorCode.None, null, 2, (short)1), (result.ErrorCode, result.ErrorMessage, result.NumPartitions, result.ReplicationFactor));
        await IsReadyAsync(wanted.Name, 2);
    }

    [Theory]
    [InlineData("numbers given too", 1, 1, KafkaErrorCode.InvalidRequest)]
    [InlineData("partitions given too", 1, -1, KafkaErrorCode.InvalidRequest)]
    [InlineData("replicas given too", -1, 1, KafkaErrorCode.InvalidRequest)]
    [InlineData("partition 0 missing", -1, -1, KafkaErrorCode.InvalidReplicaAssignment)]
    [InlineData("partition 0 twice", -1, -1, KafkaErrorCode.InvalidReplicaAssignment)]
    [InlineData("unknown broker", -1, -1, KafkaErrorCode.InvalidReplicaAssignment)]
    [InlineData("no broker", -1, -1, KafkaErrorCode.InvalidReplicaAssignment)]
    [InlineData("broker twice", -1, -1, KafkaErrorCode.InvalidReplicaAssignment)]
    public async Task CreateTopics_with_an_assignment_that_cannot_be(string what, int partitions, int replicas, KafkaErrorCode expected)
    {
        int node = await NodeAsync();
        CreateTopicsRequest.CreatableTopic wanted = Topic(partitions, (short)replicas);
        wanted.Assignments = what switch
        {
            "partition 0 missing" => [Assignment(1, node)],
            "partition 0 twice" => [Assignment(0, node), Assignment(0, node)],
            "unknown broker" => [Assignment(0, node + 17)],
            "no broker" => [Assignment(0)],
            "broker twice" => [Assignment(0, node, node)],
            _ => [Assignment(0, node)],
        };
        CreateTopicsResponse.CreatableTopicResult result = await CreateAsync(wanted);
        Assert.Equal(expected, result.ErrorCode);
        Assert.NotNull(result.ErrorMessage);
    }

    [Theory]
    [InlineData("no.such.config", "1")]
    [InlineData("retention.ms", "soon")]
    [InlineData("retention.ms", "-2")]
    [InlineData("retention.ms", null)]
    [InlineData("cleanup.policy", "burn")]
    [InlineData("compression.type", "rar")]
    [InlineData("message.timestamp.type", "Lunar")]
    [InlineData("min.insync.replicas", "0")]
    [InlineData("max.message.bytes", "-1")]
    [InlineData("max.message.bytes", "99999999999")]
    public async Task CreateTopics_with_a_config_that_cannot_be(string key, string? value)
    {
        CreateTopicsRequest.CreatableTopic wanted = Topic();
        wanted.Configs = [Config(key, value)];
        foreach (bool validateOnly in (bool[])[true, false])
        {
            CreateTopicsResponse.CreatableTopicResult result = await CreateAsync(wanted, validateOnly: validateOnly);
            Assert.Equal(KafkaErrorCode.InvalidConfig, result.ErrorCode);
            Assert.NotNull(result.ErrorMessage);
        }
    }

    [Fact]
    public async Task CreateTopics_with_a_config_twice()
    {
        CreateTopicsRequest.CreatableTopic wanted = Topic();
        wanted.Configs = [Config("retention.ms", "1000"), Config("retention.ms", "2000")];
        CreateTopicsResponse.CreatableTopicResult result = await CreateAsync(wanted);

        // Kafka takes one of them; which one depends on the order. Sluice asks for what was meant.
        Assert.Equal(BrokerFixture.IsKafka ? KafkaErrorCode.None : KafkaErrorCode.InvalidConfig, result.ErrorCode);
    }

    [Fact]
    public async Task CreateTopics_of_names_that_differ_in_dots_and_underscores()
    {
        string name = Name();
        CreateTopicsRequest.CreatableTopic dots = Topic(), underscores = Topic();
        dots.Name = name;
        underscores.Name = name.Replace('.', '_');
        Assert.Equal(KafkaErrorCode.None, (await CreateAsync(dots)).ErrorCode);

        // Kafka's metrics cannot tell them apart, Sluice's can.
        Assert.Equal(BrokerFixture.IsKafka ? KafkaErrorCode.InvalidTopicException : KafkaErrorCode.None, (await CreateAsync(underscores)).ErrorCode);
    }

    private static CreateTopicsRequest.CreatableTopic Topic(int partitions = 1, short replicas = 1) => new() { Name = Name(), NumPartitions = partitions, ReplicationFactor = replicas };

    private static CreateTopicsRequest.CreatableTopicConfig Config(string key, string? value) => new() { Name = key, Value = value };

    private static CreateTopicsRequest.CreatableReplicaAssignment Assignment(int partition, params int[] brokers) => new() { PartitionIndex = partition, BrokerIds = brokers };

    private async Task<int> NodeAsync() => (await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [] }, 9)).ControllerId;

    private async Task<CreateTopicsResponse.CreatableTopicResult> CreateAsync(CreateTopicsRequest.CreatableTopic topic, int version = 7, bool validateOnly = false) =>
        Assert.Single((await Client.AskAsync<CreateTopicsResponse>(new CreateTopicsRequest { Topics = [topic], TimeoutMs = 10_000, ValidateOnly = validateOnly }, version)).Topics);
}
