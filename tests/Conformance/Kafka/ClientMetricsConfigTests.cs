using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Subscriptions to clients' metrics as configurations: KIP-714, KIP-1000, KIP-1142. None is for a client that is there.</summary>
[Collection(TelemetryCollection.Name)]
public sealed class ClientMetricsConfigTests(BrokerFixture broker) : SecurityTest(broker)
{
    private const sbyte MetricsResource = 16;
    private const sbyte Set = 0, Delete = 1, Append = 2, Subtract = 3;

    [Fact]
    public async Task KIP714_A_subscription_is_set_described_listed_and_taken_away()
    {
        string name = Name("metrics");
        Assert.Equal(["interval.ms=300000 5/3", "match= 5/7", "metrics= 5/7"], await DescribeAsync(name));
        Assert.Equal((KafkaErrorCode.None, null), await AlterAsync(name, ("metrics", Set, " a.b, c ,a.b"), ("interval.ms", Set, " 1000 "), ("match", Set, "client_id=nobody")));
        await BecomesAsync(name, "interval.ms=1000 7/3 [1000 7]", "match=client_id=nobody 7/7 [client_id=nobody 7]", "metrics=a.b,c 7/7 [a.b,c 7]");
        Assert.Contains((name, MetricsResource), await ListAsync(1, MetricsResource));
        Assert.Contains((name, MetricsResource), await ListAsync(1));
        Assert.Contains((name, MetricsResource), await ListAsync(0));
        Assert.DoesNotContain(await ListAsync(0), static resource => resource.Type != MetricsResource);
        Assert.DoesNotContain((name, MetricsResource), await ListAsync(1, 2, 4));
        Assert.Equal((KafkaErrorCode.None, null), await AlterAsync(name, ("metrics", Set, ""), ("interval.ms", Delete, null)));
        await BecomesAsync(name, "interval.ms=300000 5/3", "match=client_id=nobody 7/7 [client_id=nobody 7]", "metrics= 7/7 [ 7]");
        Assert.Equal((KafkaErrorCode.None, null), await AlterAsync(name, ("metrics", Delete, null), ("match", Delete, null), ("no.such.key", Delete, null)));
        await EventuallyAsync(async () => !(await ListAsync(1, MetricsResource)).Contains((name, MetricsResource)), "taken away");
    }

    [Fact]
    public async Task KIP133_AlterConfigs_replaces_a_subscription()
    {
        string name = Name("metrics");
        Assert.Equal((KafkaErrorCode.None, null), await AlterAsync(name, ("metrics", Set, "a."), ("match", Set, "client_id=nobody")));
        foreach ((string key, string value)[] config in new (string, string)[][] { [("match", "client_id=nobody,client_source_port=1")], [] })
        {
            AlterConfigsResponse response = await Client.AskAsync<AlterConfigsResponse>(
                new AlterConfigsRequest
                {
                    Resources = [new AlterConfigsRequest.AlterConfigsResource { ResourceType = MetricsResource, ResourceName = name, Configs = [.. config.Select(static setting => new AlterConfigsRequest.AlterableConfig { Name = setting.key, Value = setting.value })] }],
                },
                2);
            Assert.Equal(KafkaErrorCode.None, Assert.Single(response.Responses).ErrorCode);
            string match = config.Length == 0 ? "match= 5/7" : $"match={config[0].value} 7/7 [{config[0].value} 7]";
            await BecomesAsync(name, "interval.ms=300000 5/3", match, "metrics= 5/7");
        }
    }

    [Theory]
    [InlineData("no.such.key", Set, "1", KafkaErrorCode.InvalidRequest)]
    [InlineData("no.such.key", Append, "1", KafkaErrorCode.InvalidConfig)]
    [InlineData("interval.ms", Set, "99", KafkaErrorCode.InvalidRequest)]
    [InlineData("interval.ms", Set, "3600001", KafkaErrorCode.InvalidRequest)]
    [InlineData("interval.ms", Set, "often", KafkaErrorCode.InvalidConfig)]
    [InlineData("interval.ms", Set, "", KafkaErrorCode.InvalidConfig)]
    [InlineData("interval.ms", Set, "3000000000", KafkaErrorCode.InvalidConfig)]
    [InlineData("interval.ms", Append, "1", KafkaErrorCode.InvalidConfig)]
    [InlineData("metrics", Set, "a,,b", KafkaErrorCode.InvalidConfig)]
    [InlineData("metrics", Append, "b", KafkaErrorCode.InvalidConfig)] // A list, but not for Kafka.
    [InlineData("metrics", Subtract, "b", KafkaErrorCode.InvalidConfig)]
    [InlineData("metrics", Set, null, KafkaErrorCode.InvalidRequest)]
    [InlineData("match", Set, "client_id", KafkaErrorCode.InvalidConfig)]
    [InlineData("match", Set, "client_id=", KafkaErrorCode.InvalidConfig)]
    [InlineData("match", Set, "=a", KafkaErrorCode.InvalidConfig)]
    [InlineData("match", Set, "client_id=a=b", KafkaErrorCode.InvalidConfig)]
    [InlineData("match", Set, "client_id=[", KafkaErrorCode.InvalidConfig)]
    [InlineData("match", Set, "client_name=a", KafkaErrorCode.InvalidConfig)]
    [InlineData("match", Set, "client_id=nobody,client_id=", KafkaErrorCode.InvalidConfig)]
    public async Task KIP714_A_subscription_that_cannot_be(string key, sbyte operation, string? value, KafkaErrorCode expected)
    {
        string name = Name("metrics");
        Assert.Equal(expected, (await AlterAsync(name, (key, operation, value))).Error);
        Assert.DoesNotContain((name, MetricsResource), await ListAsync(1, MetricsResource));
    }

    [Theory]
    [InlineData("client_id=nobody=")]
    [InlineData("client_id=nobody,client_id=nobody2")]
    [InlineData(" client_id = nobody , client_software_name=a")]
    [InlineData("client_instance_id=x,client_id=nobody,client_software_name=a.*,client_software_version=[0-9]+,client_source_address=127[.].*,client_source_port=1")]
    public async Task KIP714_A_subscription_chooses_clients(string match)
    {
        string name = Name("metrics");
        Assert.Equal((KafkaErrorCode.None, null), await AlterAsync(name, ("match", Set, match)));
        Assert.Equal((KafkaErrorCode.None, null), await AlterAsync(name, ("match", Delete, null)));
    }

    [Fact]
    public async Task KIP714_A_subscription_has_any_name_but_none()
    {
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await AlterAsync("", ("metrics", Set, "a"))).Error);
        string name = $"{Name("metrics")} / é";
        Assert.Equal((KafkaErrorCode.None, null), await AlterAsync(name, ("match", Set, "client_id=nobody")));
        await EventuallyAsync(async () => (await ListAsync(1, MetricsResource)).Contains((name, MetricsResource)), "listed");
        Assert.Equal((KafkaErrorCode.None, null), await AlterAsync(name, ("match", Delete, null)));
        DescribeConfigsResponse described = await Client.AskAsync<DescribeConfigsResponse>(new DescribeConfigsRequest { Resources = [new DescribeConfigsRequest.DescribeConfigsResource { ResourceType = MetricsResource, ResourceName = "" }] }, 4);
        Assert.Equal(KafkaErrorCode.InvalidRequest, Assert.Single(described.Results).ErrorCode);
    }

    [Fact]
    public async Task KIP714_validate_only_changes_nothing()
    {
        string name = Name("metrics");
        Assert.Equal((KafkaErrorCode.None, null), await AlterAsync(Client, name, validateOnly: true, ("match", Set, "client_id=nobody")));
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await AlterAsync(Client, name, validateOnly: true, ("interval.ms", Set, "1"))).Error);
        Assert.DoesNotContain((name, MetricsResource), await ListAsync(1, MetricsResource));
    }

    [Fact]
    public async Task KIP714_Subscriptions_are_for_those_who_may_configure_the_cluster()
    {
        RawClient stranger = await LogInAsync(await UserAsync());
        string name = Name("metrics");
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, (await AlterAsync(stranger, name, false, ("match", Set, "client_id=nobody"))).Error);
        DescribeConfigsResponse described = await stranger.AskAsync<DescribeConfigsResponse>(new DescribeConfigsRequest { Resources = [new DescribeConfigsRequest.DescribeConfigsResource { ResourceType = MetricsResource, ResourceName = name }] }, 4);
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, Assert.Single(described.Results).ErrorCode);
        Assert.Equal(KafkaErrorCode.ClusterAuthorizationFailed, (await stranger.AskAsync<ListConfigResourcesResponse>(new ListConfigResourcesRequest { ResourceTypes = [MetricsResource] }, 1)).ErrorCode);
    }

    [Fact]
    public async Task KIP1142_Groups_are_listed_that_have_a_configuration()
    {
        const sbyte GroupResource = 32;
        string group = Name("group");
        foreach ((sbyte operation, string? value, bool isThere) in new (sbyte, string?, bool)[] { (Set, "earliest", true), (Delete, null, false) })
        {
            IncrementalAlterConfigsResponse response = await Client.AskAsync<IncrementalAlterConfigsResponse>(Change(GroupResource, group, false, ("share.auto.offset.reset", operation, value)), 1);
            Assert.Equal(KafkaErrorCode.None, Assert.Single(response.Responses).ErrorCode);
            await EventuallyAsync(async () => (await ListAsync(1, GroupResource)).Contains((group, GroupResource)) == isThere, $"listed: {isThere}");
        }
    }

    private static IncrementalAlterConfigsRequest Change(sbyte type, string name, bool validateOnly, params (string Key, sbyte Operation, string? Value)[] changes) => new()
    {
        ValidateOnly = validateOnly,
        Resources =
        [
            new IncrementalAlterConfigsRequest.AlterConfigsResource
            {
                ResourceType = type,
                ResourceName = name,
                Configs = [.. changes.Select(static change => new IncrementalAlterConfigsRequest.AlterableConfig { Name = change.Key, ConfigOperation = change.Operation, Value = change.Value })],
            },
        ],
    };

    private static async Task<(KafkaErrorCode Error, string? Message)> AlterAsync(RawClient client, string name, bool validateOnly, params (string Key, sbyte Operation, string? Value)[] changes)
    {
        IncrementalAlterConfigsResponse response = await client.AskAsync<IncrementalAlterConfigsResponse>(Change(MetricsResource, name, validateOnly, changes), 1);
        IncrementalAlterConfigsResponse.AlterConfigsResourceResponse result = Assert.Single(response.Responses);
        Assert.Equal((MetricsResource, name), (result.ResourceType, result.ResourceName));

        // Kafka has words where nothing is wrong, too.
        return (result.ErrorCode, result.ErrorCode == KafkaErrorCode.None ? null : result.ErrorMessage);
    }

    private Task<(KafkaErrorCode Error, string? Message)> AlterAsync(string name, params (string Key, sbyte Operation, string? Value)[] changes) => AlterAsync(Client, name, false, changes);

    /// <summary>As "key=value source/type [synonym source]".</summary>
    private async Task<IEnumerable<string>> DescribeAsync(string name)
    {
        DescribeConfigsResponse response = await Client.AskAsync<DescribeConfigsResponse>(
            new DescribeConfigsRequest { IncludeSynonyms = true, Resources = [new DescribeConfigsRequest.DescribeConfigsResource { ResourceType = MetricsResource, ResourceName = name, ConfigurationKeys = null }] }, 4);
        DescribeConfigsResponse.DescribeConfigsResult result = Assert.Single(response.Results);
        Assert.Equal(KafkaErrorCode.None, result.ErrorCode);
        return result.Configs.OrderBy(static config => config.Name).Select(static config =>
            $"{config.Name}={config.Value} {config.ConfigSource}/{config.ConfigType}{string.Concat(config.Synonyms.Select(static synonym => $" [{synonym.Value} {synonym.Source}]"))}");
    }

    private Task BecomesAsync(string name, params string[] expected) => EventuallyAsync(async () => (await DescribeAsync(name)).SequenceEqual(expected), string.Join(' ', expected));

    private async Task<IEnumerable<(string Name, sbyte Type)>> ListAsync(int version, params sbyte[] types)
    {
        ListConfigResourcesResponse response = await Client.AskAsync<ListConfigResourcesResponse>(new ListConfigResourcesRequest { ResourceTypes = types }, version);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        return response.ConfigResources.Select(static resource => (resource.ResourceName, resource.ResourceType));
    }
}

/// <summary>Tests that change subscriptions run one after the other: each change lets every client ask anew.</summary>
[CollectionDefinition(Name)]
public sealed class TelemetryCollection
{
    public const string Name = "telemetry";
}
