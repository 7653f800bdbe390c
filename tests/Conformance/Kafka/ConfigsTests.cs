using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>DescribeConfigs, AlterConfigs, IncrementalAlterConfigs of topics: KIP-133, KIP-226, KIP-339, KIP-569.</summary>
public sealed class ConfigsTests(BrokerFixture broker) : KafkaTest(broker)
{
    private const sbyte TopicResource = 2, BrokerResource = 4;
    private const sbyte Set = 0, Delete = 1, Append = 2, Subtract = 3;

    public static TheoryData<int> DescribeVersions => VersionsOf(KafkaApiKey.DescribeConfigs);

    public static TheoryData<int> AlterVersions => VersionsOf(KafkaApiKey.AlterConfigs);

    public static TheoryData<int> IncrementalVersions => VersionsOf(KafkaApiKey.IncrementalAlterConfigs);

    [Theory]
    [MemberData(nameof(DescribeVersions))]
    public async Task DescribeConfigs_of_a_topic_tells_values_sources_and_types(int version)
    {
        TestTopic topic = await TopicAsync(1, ("retention.ms", "5000"), ("compression.type", "gzip"));
        DescribeConfigsResponse.DescribeConfigsResult result = await DescribeAsync(topic.Name, version: version);
        Assert.Equal((KafkaErrorCode.None, TopicResource, topic.Name), (result.ErrorCode, result.ResourceType, result.ResourceName));
        Dictionary<string, DescribeConfigsResponse.DescribeConfigsResourceResult> configs = result.Configs.ToDictionary(static config => config.Name);
        Is("retention.ms", "5000", source: 1, type: 5);
        Is("compression.type", "gzip", source: 1, type: 2);
        Is("cleanup.policy", "delete", source: 5, type: 7);
        Is("max.message.bytes", "1048588", source: 5, type: 3);
        Is("min.insync.replicas", "1", source: BrokerFixture.IsKafka ? (sbyte)3 : (sbyte)5, type: 3); // Kafka sets it for all brokers (KIP-966).
        Is("message.timestamp.type", "CreateTime", source: 5, type: 2);
        Is("message.timestamp.after.max.ms", "3600000", source: 5, type: 5);
        Is("message.timestamp.before.max.ms", "9223372036854775807", source: 5, type: 5);
        Is("retention.bytes", "-1", source: 5, type: 5);
        Is("flush.messages", "9223372036854775807", source: 5, type: 5);
        Assert.All(configs.Values, static config => Assert.Empty(config.Synonyms));

        void Is(string name, string value, sbyte source, sbyte type)
        {
            DescribeConfigsResponse.DescribeConfigsResourceResult config = configs[name];
            Assert.Equal((name, value, source, version >= 3 ? type : (sbyte)0, false, false), (name, config.Value, config.ConfigSource, config.ConfigType, config.ReadOnly, config.IsSensitive));
        }
    }

    [Fact]
    public async Task DescribeConfigs_of_chosen_keys()
    {
        TestTopic topic = await TopicAsync();
        DescribeConfigsResponse.DescribeConfigsResult result = await DescribeAsync(topic.Name, ["retention.ms", "no.such.key"]);
        Assert.Equal(["retention.ms"], result.Configs.Select(static config => config.Name));

        // An empty list asks for all, as null does.
        Assert.Equal((await DescribeAsync(topic.Name)).Configs.Length, (await DescribeAsync(topic.Name, [])).Configs.Length);
    }

    [Fact]
    public async Task KIP226_DescribeConfigs_tells_synonyms_when_asked()
    {
        TestTopic topic = await TopicAsync(1, ("retention.bytes", "77"));
        DescribeConfigsResponse response = await Client.AskAsync<DescribeConfigsResponse>(
            new DescribeConfigsRequest { Resources = [new DescribeConfigsRequest.DescribeConfigsResource { ResourceType = TopicResource, ResourceName = topic.Name, ConfigurationKeys = ["retention.bytes", "flush.messages"] }], IncludeSynonyms = true },
            4);
        DescribeConfigsResponse.DescribeConfigsResourceResult[] configs = Assert.Single(response.Results).Configs;
        DescribeConfigsResponse.DescribeConfigsSynonym[] retention = configs.Single(static config => config.Name == "retention.bytes").Synonyms;
        Assert.Equal(["77", "-1"], retention.Select(static synonym => synonym.Value));
        Assert.Equal([1, 5], retention.Select(static synonym => (int)synonym.Source));
        Assert.Equal([5], configs.Single(static config => config.Name == "flush.messages").Synonyms.Select(static synonym => (int)synonym.Source));
    }

    [Fact]
    public async Task DescribeConfigs_of_what_is_not_there()
    {
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, (await DescribeAsync(Name())).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidTopicException, (await DescribeAsync("a b")).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await DescribeAsync("77", type: BrokerResource)).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await DescribeAsync("not a number", type: BrokerResource)).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await DescribeAsync("x", type: 3)).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await DescribeAsync("x", type: 99)).ErrorCode);
    }

    [Fact]
    public async Task DescribeConfigs_of_the_broker()
    {
        int node = (await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [] }, 9)).ControllerId;
        DescribeConfigsResponse.DescribeConfigsResult result = await DescribeAsync($"{node}", type: BrokerResource);
        Assert.Equal(KafkaErrorCode.None, result.ErrorCode);
        Assert.Equal($"{node}", result.Configs.Single(static config => config.Name == "node.id").Value);
        Assert.True(result.Configs.Single(static config => config.Name == "node.id").ReadOnly);
        string[] names = ["num.partitions", "message.max.bytes", "offsets.topic.num.partitions", "group.max.session.timeout.ms", "transaction.max.timeout.ms", "delete.topic.enable", "group.share.max.share.sessions"];
        Assert.Empty(names.Except(result.Configs.Select(static config => config.Name)));
        Assert.Equal(KafkaErrorCode.None, (await DescribeAsync("", type: BrokerResource)).ErrorCode);
    }

    [Theory]
    [MemberData(nameof(IncrementalVersions))]
    public async Task KIP339_IncrementalAlterConfigs_sets_deletes_and_leaves_the_rest(int version)
    {
        TestTopic topic = await TopicAsync(1, ("retention.ms", "5000"), ("retention.bytes", "9000"));
        IncrementalAlterConfigsResponse.AlterConfigsResourceResponse result = await ChangeAsync(topic.Name, false, version, ("retention.ms", Set, "6000"), ("max.message.bytes", Set, "2000"), ("retention.bytes", Delete, null));
        Assert.Equal((KafkaErrorCode.None, TopicResource, topic.Name), (result.ErrorCode, result.ResourceType, result.ResourceName));
        await BecomesAsync(topic, "retention.ms", "6000", 1);
        await BecomesAsync(topic, "max.message.bytes", "2000", 1);
        await BecomesAsync(topic, "retention.bytes", "-1", 5);
    }

    [Fact]
    public async Task KIP339_IncrementalAlterConfigs_changes_what_is_in_force()
    {
        TestTopic topic = await TopicAsync();
        Assert.Equal(KafkaErrorCode.None, (await ChangeAsync(topic.Name, false, 1, ("max.message.bytes", Set, "100"))).ErrorCode);
        await EventuallyAsync(async () => (await ProduceAsync(topic, BatchBuilder.Of(new string('x', 200)))).ErrorCode == KafkaErrorCode.MessageTooLarge, "limit in force");
    }

    [Fact]
    public async Task KIP339_IncrementalAlterConfigs_validate_only_changes_nothing()
    {
        TestTopic topic = await TopicAsync(1, ("retention.ms", "5000"));
        Assert.Equal(KafkaErrorCode.None, (await ChangeAsync(topic.Name, true, 1, ("retention.ms", Set, "6000"))).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidConfig, (await ChangeAsync(topic.Name, true, 1, ("retention.ms", Set, "later"))).ErrorCode);
        await BecomesAsync(topic, "retention.ms", "5000", 1);
    }

    [Theory]
    [InlineData("no.such.key", Set, "1", KafkaErrorCode.InvalidConfig)]
    [InlineData("retention.ms", Set, "later", KafkaErrorCode.InvalidConfig)]
    [InlineData("retention.ms", Append, "1", KafkaErrorCode.InvalidConfig)]
    [InlineData("retention.ms", Subtract, "1", KafkaErrorCode.InvalidConfig)]
    [InlineData("retention.ms", Set, null, KafkaErrorCode.InvalidRequest)]
    [InlineData("cleanup.policy", Append, null, KafkaErrorCode.InvalidRequest)]
    public async Task KIP339_IncrementalAlterConfigs_refuses_what_cannot_be(string key, sbyte operation, string? value, KafkaErrorCode expected)
    {
        TestTopic topic = await TopicAsync();
        IncrementalAlterConfigsResponse.AlterConfigsResourceResponse result = await ChangeAsync(topic.Name, false, 1, ("retention.bytes", Set, "1000"), (key, operation, value));
        Assert.Equal(expected, result.ErrorCode);
        await BecomesAsync(topic, "retention.bytes", "-1", 5);
    }

    [Fact]
    public async Task KIP339_IncrementalAlterConfigs_of_an_operation_that_is_not_there()
    {
        TestTopic topic = await TopicAsync();
        IncrementalAlterConfigsResponse.AlterConfigsResourceResponse result = await ChangeAsync(topic.Name, false, 1, ("retention.ms", 9, "1"));

        // Kafka fails within.
        Assert.Equal(BrokerFixture.IsKafka ? KafkaErrorCode.UnknownServerError : KafkaErrorCode.InvalidRequest, result.ErrorCode);
    }

    [Fact]
    public async Task KIP339_IncrementalAlterConfigs_of_a_key_twice_or_a_topic_twice_or_unknown()
    {
        TestTopic topic = await TopicAsync();
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await ChangeAsync(topic.Name, false, 1, ("retention.ms", Set, "1000"), ("retention.ms", Set, "2000"))).ErrorCode);
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, (await ChangeAsync(Name(), false, 1, ("retention.ms", Set, "1000"))).ErrorCode);
        IncrementalAlterConfigsRequest.AlterConfigsResource resource = Resource(topic.Name, ("retention.ms", Set, "1000"));
        IncrementalAlterConfigsResponse response = await Client.AskAsync<IncrementalAlterConfigsResponse>(new IncrementalAlterConfigsRequest { Resources = [resource, resource] }, 1);
        Assert.All(response.Responses, static result => Assert.Equal(KafkaErrorCode.InvalidRequest, result.ErrorCode));
        Assert.NotEmpty(response.Responses);
        await BecomesAsync(topic, "retention.ms", "604800000", 5);
    }

    [Theory]
    [MemberData(nameof(AlterVersions))]
    public async Task KIP133_AlterConfigs_puts_the_given_in_the_place_of_all(int version)
    {
        TestTopic topic = await TopicAsync(1, ("retention.ms", "5000"), ("retention.bytes", "9000"));
        AlterConfigsResponse.AlterConfigsResourceResponse result = await ReplaceAsync(topic.Name, false, version, ("max.message.bytes", "2000"));
        Assert.Equal((KafkaErrorCode.None, topic.Name), (result.ErrorCode, result.ResourceName));
        await BecomesAsync(topic, "max.message.bytes", "2000", 1);
        await BecomesAsync(topic, "retention.ms", "604800000", 5);
        await BecomesAsync(topic, "retention.bytes", "-1", 5);
    }

    [Fact]
    public async Task KIP133_AlterConfigs_refuses_what_cannot_be()
    {
        TestTopic topic = await TopicAsync(1, ("retention.ms", "5000"));
        Assert.Equal(KafkaErrorCode.InvalidConfig, (await ReplaceAsync(topic.Name, false, 2, ("retention.ms", "x"))).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidConfig, (await ReplaceAsync(topic.Name, false, 2, ("no.such.key", "x"))).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await ReplaceAsync(topic.Name, false, 2, ("retention.ms", null))).ErrorCode);
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, (await ReplaceAsync(Name(), false, 2, ("retention.ms", "1"))).ErrorCode);
        Assert.Equal(KafkaErrorCode.None, (await ReplaceAsync(topic.Name, true, 2, ("retention.ms", "7000"))).ErrorCode);
        await BecomesAsync(topic, "retention.ms", "5000", 1);
    }

    private static IncrementalAlterConfigsRequest.AlterConfigsResource Resource(string topic, params (string Key, sbyte Operation, string? Value)[] changes) => new()
    {
        ResourceType = TopicResource,
        ResourceName = topic,
        Configs = [.. changes.Select(static change => new IncrementalAlterConfigsRequest.AlterableConfig { Name = change.Key, ConfigOperation = change.Operation, Value = change.Value })],
    };

    private Task BecomesAsync(TestTopic topic, string key, string value, sbyte source) => EventuallyAsync(
        async () => Assert.Single((await DescribeAsync(topic.Name, [key])).Configs) is var config && config.Value == value && config.ConfigSource == source,
        $"{key} is {value}");

    private async Task<DescribeConfigsResponse.DescribeConfigsResult> DescribeAsync(string name, string[]? keys = null, int version = 4, sbyte type = TopicResource) =>
        Assert.Single((await Client.AskAsync<DescribeConfigsResponse>(
            new DescribeConfigsRequest { Resources = [new DescribeConfigsRequest.DescribeConfigsResource { ResourceType = type, ResourceName = name, ConfigurationKeys = keys }] }, version)).Results);

    private async Task<IncrementalAlterConfigsResponse.AlterConfigsResourceResponse> ChangeAsync(string topic, bool validateOnly, int version, params (string Key, sbyte Operation, string? Value)[] changes) =>
        Assert.Single((await Client.AskAsync<IncrementalAlterConfigsResponse>(new IncrementalAlterConfigsRequest { Resources = [Resource(topic, changes)], ValidateOnly = validateOnly }, version)).Responses);

    private async Task<AlterConfigsResponse.AlterConfigsResourceResponse> ReplaceAsync(string topic, bool validateOnly, int version, params (string Key, string? Value)[] configs) =>
        Assert.Single((await Client.AskAsync<AlterConfigsResponse>(
            new AlterConfigsRequest
            {
                Resources =
                [
                    new AlterConfigsRequest.AlterConfigsResource
                    {
                        ResourceType = TopicResource,
                        ResourceName = topic,
                        Configs = [.. configs.Select(static config => new AlterConfigsRequest.AlterableConfig { Name = config.Key, Value = config.Value })],
                    },
                ],
                ValidateOnly = validateOnly,
            },
            version)).Responses);
}
