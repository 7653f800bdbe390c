using System.Net.Http.Headers;
using System.Text;
using Sluice.BlackBox;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>What Kafka clients have set on one broker is in force on another that has taken its definitions.</summary>
public sealed class DefinitionsTests(BrokerFixture broker) : SecurityTest(broker)
{
    private const sbyte Topic = 2, Literal = 3, Describe = 8, Allow = 3, TopicConfigs = 2, GroupConfigs = 32, Set = 0;

    private BrokerProcess _first = null!;
    private BrokerProcess _second = null!;

    protected override (string Host, int Port) Listener => ("127.0.0.1", _first.KafkaPort);

    public override async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "definitions are Sluice's own");
        _first = await BrokerProcess.StartAsync();
        _second = await BrokerProcess.StartAsync();
        Client = await ConnectAsync("127.0.0.1", _first.KafkaPort);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        foreach (BrokerProcess? process in new[] { _first, _second })
        {
            if (process is not null)
            {
                Assert.Empty(process.ErrorLines);
                await process.DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task Topics_credentials_entries_quotas_and_configurations_are_in_force_on_the_other_broker()
    {
        TestTopic topic = await TopicAsync(3, ("retention.ms", "60000"));
        string user = await UserAsync();
        await Client.AskAsync<CreateAclsResponse>(
            new CreateAclsRequest { Creations = [new CreateAclsRequest.AclCreation { ResourceType = Topic, ResourceName = topic.Name, ResourcePatternType = Literal, Principal = $"User:{user}", Host = "*", Operation = Describe, PermissionType = Allow }] }, 3);
        await Client.AskAsync<AlterClientQuotasResponse>(
            new AlterClientQuotasRequest
            {
                Entries = [new AlterClientQuotasRequest.EntryData { Entity = [new AlterClientQuotasRequest.EntityData { EntityType = "user", EntityName = user }], Ops = [new AlterClientQuotasRequest.OpData { Key = "producer_byte_rate", Value = 1_000_000 }] }],
            },
            1);
        await Client.AskAsync<IncrementalAlterConfigsResponse>(
            new IncrementalAlterConfigsRequest
            {
                Resources = [new IncrementalAlterConfigsRequest.AlterConfigsResource { ResourceType = GroupConfigs, ResourceName = "billing", Configs = [new IncrementalAlterConfigsRequest.AlterableConfig { Name = "share.session.timeout.ms", ConfigOperation = Set, Value = "50000" }] }],
            },
            1);
        string definitions = await DefinitionsOf(_first, HttpMethod.Get);
        await DefinitionsOf(_second, HttpMethod.Post, definitions);

        // Also after a restart, and when the same comes again.
        await DefinitionsOf(_second, HttpMethod.Post, definitions);
        Assert.Equal(0, await _second.StopAsync());
        await _second.RestartAsync();
        Assert.Equal(definitions, await DefinitionsOf(_second, HttpMethod.Get));

        RawClient admin = await ConnectAsync("127.0.0.1", _second.KafkaPort);
        DescribeConfigsResponse configs = await admin.AskAsync<DescribeConfigsResponse>(
            new DescribeConfigsRequest
            {
                Resources =
                [
                    new DescribeConfigsRequest.DescribeConfigsResource { ResourceType = TopicConfigs, ResourceName = topic.Name, ConfigurationKeys = ["retention.ms"] },
                    new DescribeConfigsRequest.DescribeConfigsResource { ResourceType = GroupConfigs, ResourceName = "billing", ConfigurationKeys = ["share.session.timeout.ms"] },
                ],
            },
            4);
        Assert.Equal(["60000", "50000"], configs.Results.Select(static result => Assert.Single(result.Configs).Value));
        DescribeClientQuotasResponse quotas = await admin.AskAsync<DescribeClientQuotasResponse>(new DescribeClientQuotasRequest { Components = [], Strict = false }, 1);
        Assert.Equal((user, 1_000_000), (Assert.Single(quotas.Entries!).Entity[0].EntityName, quotas.Entries![0].Values[0].Value));

        RawClient client = await ConnectAsync("127.0.0.1", _second.KafkaPort);
        Assert.Equal(KafkaErrorCode.None, (await client.ScramAsync(SaslMoves.Sha256, user, "secret")).ErrorCode);
        MetadataResponse metadata = await client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = null }, 12);
        Assert.Equal((topic.Name, 3), (Assert.Single(metadata.Topics).Name, metadata.Topics[0].Partitions.Length));
    }

    private static async Task<string> DefinitionsOf(BrokerProcess process, HttpMethod method, string? body = null)
    {
        using HttpClient http = new() { BaseAddress = new Uri($"http://127.0.0.1:{process.AdminPort}") };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String("guest:guest"u8));
        using HttpRequestMessage request = new(method, "/api/definitions") { Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json") };
        using HttpResponseMessage answer = await http.SendAsync(request);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return text;
    }
}
