using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.BlackBox;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>GetTelemetrySubscriptions and PushTelemetry (KIP-714). Apache Kafka has them only with a plugin that takes what comes, so this is as its source and the KIP say.</summary>
[Collection(TelemetryCollection.Name)]
public sealed class TelemetryTests(BrokerFixture broker) : KafkaTest(broker)
{
    private const int LongMs = 3_600_000, ShortMs = 100;

    /// <summary>MetricsData of a client that says a=b of itself, with a gauge "m" that is -2 for n=5.</summary>
    private static readonly byte[] Metrics = Convert.FromHexString("0a290a0a0a080a016112030a0162121b12190a016d2a140a1231feffffffffffffff3a070a016e12021805");

    public override async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Apache Kafka serves telemetry with a plugin only");
        await base.InitializeAsync();
        Client.ClientId = Name("client");
    }

    [Fact]
    public async Task KIP714_The_APIs_are_offered()
    {
        ApiVersionsResponse response = await Client.AskAsync<ApiVersionsResponse>(new ApiVersionsRequest { ClientSoftwareName = "conformance", ClientSoftwareVersion = "1" }, 4);
        Assert.Equal([(0, 0), (0, 0)], response.ApiKeys.Where(static api => api.ApiKey is 71 or 72).Select(static api => ((int)api.MinVersion, (int)api.MaxVersion)));
    }

    [Fact]
    public async Task KIP714_A_client_without_a_subscription_is_asked_for_nothing()
    {
        GetTelemetrySubscriptionsResponse answer = await AskAsync();
        Assert.NotEqual(Guid.Empty, answer.ClientInstanceId);
        Assert.Empty(answer.RequestedMetrics);
        Assert.Equal((300_000, 1 << 20, false), (answer.PushIntervalMs, answer.TelemetryMaxBytes, answer.DeltaTemporality));
        Assert.Equal([4, 3, 1, 2], answer.AcceptedCompressionTypes.Select(static type => (int)type));

        // Another gets another id; who has one keeps it.
        Assert.NotEqual(answer.ClientInstanceId, (await AskAsync()).ClientInstanceId);
        var own = Guid.NewGuid();
        Assert.Equal(own, (await AskAsync(own)).ClientInstanceId);
    }

    [Fact]
    public async Task KIP714_A_client_is_asked_for_what_the_subscriptions_say_that_are_for_it()
    {
        await ServesAsync(Client);
        await SubscribeAsync("org.apache.kafka.,b", LongMs, $"client_id={Client.ClientId},client_software_name=conformance,client_software_version=[0-9],client_source_address=127[.]0[.]0[.]1");
        await SubscribeAsync("a", ShortMs, $"client_id={Client.ClientId[..^3]}.*");
        await SubscribeAsync("c", ShortMs, $"client_id={Client.ClientId[..^3]}");
        GetTelemetrySubscriptionsResponse answer = await AskAsync();
        Assert.Equal(["a", "b", "org.apache.kafka."], answer.RequestedMetrics);
        Assert.Equal(ShortMs, answer.PushIntervalMs);
        await SubscribeAsync("*", LongMs, $"client_id={Client.ClientId}");
        GetTelemetrySubscriptionsResponse changed = await AskAsync(answer.ClientInstanceId);
        Assert.Equal(["*"], changed.RequestedMetrics);
        Assert.NotEqual(answer.SubscriptionId, changed.SubscriptionId);
        Assert.Equal(KafkaErrorCode.UnknownSubscriptionId, await PushAsync(answer, Metrics));
        Assert.Equal(changed.SubscriptionId, (await AskAsync(answer.ClientInstanceId)).SubscriptionId);
        Assert.Equal(KafkaErrorCode.None, await PushAsync(changed, Metrics));
    }

    [Fact]
    public async Task KIP714_Who_comes_too_early_is_told_to_wait()
    {
        await SubscribeAsync("*", LongMs, $"client_id={Client.ClientId}");
        GetTelemetrySubscriptionsResponse answer = await AskAsync();
        GetTelemetrySubscriptionsResponse again = await Client.AskAsync<GetTelemetrySubscriptionsResponse>(new GetTelemetrySubscriptionsRequest { ClientInstanceId = answer.ClientInstanceId }, 0);
        Assert.Equal(KafkaErrorCode.ThrottlingQuotaExceeded, again.ErrorCode);
        Assert.Equal(KafkaErrorCode.None, await PushAsync(answer, Metrics));
        Assert.Equal(KafkaErrorCode.ThrottlingQuotaExceeded, await PushAsync(answer, Metrics));
        Assert.Equal(KafkaErrorCode.None, await PushAsync(answer, Metrics, terminating: true));
        Assert.Equal(KafkaErrorCode.InvalidRequest, await PushAsync(answer, Metrics));
    }

    [Fact]
    public async Task KIP714_A_client_that_comes_anew_need_not_wait()
    {
        await SubscribeAsync("*", LongMs, $"client_id={Client.ClientId}");
        GetTelemetrySubscriptionsResponse answer = await AskAsync();
        await Client.DisposeAsync();
        string name = Client.ClientId;
        Client = await ConnectAsync();
        Client.ClientId = name;
        await EventuallyAsync(
            async () => (await Client.AskAsync<GetTelemetrySubscriptionsResponse>(new GetTelemetrySubscriptionsRequest { ClientInstanceId = answer.ClientInstanceId }, 0)).ErrorCode == KafkaErrorCode.None,
            "may ask");
    }

    [Theory]
    [InlineData(CompressionType.None)]
    [InlineData(CompressionType.Gzip)]
    [InlineData(CompressionType.Snappy)]
    [InlineData(CompressionType.Lz4)]
    [InlineData(CompressionType.Zstd)]
    public async Task KIP714_What_is_pushed_is_shown_to_the_operator(CompressionType type)
    {
        await ServesAsync(Client);
        await SubscribeAsync("*", ShortMs, $"client_id={Client.ClientId}");
        GetTelemetrySubscriptionsResponse answer = await AskAsync();
        Assert.Equal(KafkaErrorCode.None, await PushAsync(answer, Compressed(Metrics, type), (sbyte)type));
        string id = System.Buffers.Text.Base64Url.EncodeToString(answer.ClientInstanceId.ToByteArray(bigEndian: true));
        var shown = JsonNode.Parse(await AdminAsync($"api/client-metrics/{id}"))!;
        Assert.Equal((Client.ClientId, "conformance", "1", "127.0.0.1", ShortMs), (shown["client_id"]!.GetValue<string>(), shown["client_software_name"]!.GetValue<string>(), shown["client_software_version"]!.GetValue<string>(), shown["peer_host"]!.GetValue<string>(), shown["push_interval_ms"]!.GetValue<int>()));
        Assert.Equal("""[{"name":"m","kind":"gauge","attributes":{"a":"b","n":"5"},"value":-2}]""", shown["values"]!.ToJsonString());
        JsonNode listed = JsonNode.Parse(await AdminAsync("api/client-metrics"))!.AsArray().Single(one => one!["name"]!.GetValue<string>() == id)!;
        Assert.Equal((1, null), (listed["value_count"]!.GetValue<int>(), listed["values"]));
        string line = $"sluice_kafka_client_m{{client_id=\"{Client.ClientId}\",client_instance_id=\"{id}\",a=\"b\",n=\"5\"}} -2";
        Assert.Contains(line, (await AdminAsync("metrics?clients=true")).Split('\n'));
        Assert.DoesNotContain("sluice_kafka_client_m", await AdminAsync("metrics"));
    }

    [Fact]
    public async Task KIP714_A_push_that_cannot_be_read_is_refused()
    {
        await SubscribeAsync("*", ShortMs, $"client_id={Client.ClientId}");
        byte[] bomb = Compressed(new byte[64 << 20], CompressionType.Zstd);
        foreach ((KafkaErrorCode expected, byte[] metrics, int type) in new (KafkaErrorCode, byte[], int)[]
        {
            (KafkaErrorCode.InvalidRecord, Metrics[..^1], 0),
            (KafkaErrorCode.InvalidRecord, Metrics, 4),
            (KafkaErrorCode.UnsupportedCompressionType, Metrics, 5),
            (KafkaErrorCode.UnsupportedCompressionType, Metrics, -1),
            (KafkaErrorCode.TelemetryTooLarge, new byte[(1 << 20) + 1], 0),
            (KafkaErrorCode.TelemetryTooLarge, bomb, 4),
        })
        {
            Assert.Equal(expected, await PushAsync(await AskAsync(), metrics, (sbyte)type));
        }

        GetTelemetrySubscriptionsResponse answer = await AskAsync();
        Assert.Equal(KafkaErrorCode.InvalidRequest, await PushAsync(new GetTelemetrySubscriptionsResponse { SubscriptionId = answer.SubscriptionId }, Metrics));
        Assert.Equal(KafkaErrorCode.UnknownSubscriptionId, await PushAsync(new GetTelemetrySubscriptionsResponse { ClientInstanceId = answer.ClientInstanceId, SubscriptionId = answer.SubscriptionId + 1 }, Metrics));
        await ServesAsync(Client);
    }

    [Fact]
    public async Task KIP714_Of_long_names_the_beginning_is_remembered()
    {
        Client.ClientId += new string('x', 30_000);
        Assert.Equal(KafkaErrorCode.None, (await Client.AskAsync<ApiVersionsResponse>(new ApiVersionsRequest { ClientSoftwareName = new string('a', 30_000), ClientSoftwareVersion = new string('1', 30_000) }, 4)).ErrorCode);
        await SubscribeAsync("long", LongMs, $"client_id={Client.ClientId[..256]},client_software_name=a{{256}}");
        GetTelemetrySubscriptionsResponse answer = await AskAsync();
        Assert.Equal(["long"], answer.RequestedMetrics);
        Assert.True((await AdminAsync("api/client-metrics")).Length < 30_000);
    }

    [Fact]
    public async Task KIP714_Subscriptions_outlive_a_restart()
    {
        await using BrokerProcess process = await BrokerProcess.StartAsync();
        Client = await ConnectAsync("127.0.0.1", process.KafkaPort);
        await SubscribeAsync("a.", 1234, "");
        GetTelemetrySubscriptionsResponse answer = await AskAsync();
        await process.KillAsync();
        await process.RestartAsync();
        Client = await ConnectAsync("127.0.0.1", process.KafkaPort);

        // A client that goes on where it was need not ask again.
        Assert.Equal(KafkaErrorCode.None, await PushAsync(answer, Metrics));
        GetTelemetrySubscriptionsResponse fresh = await AskAsync();
        Assert.Equal((1234, "a."), (fresh.PushIntervalMs, Assert.Single(fresh.RequestedMetrics)));
        Assert.Empty(process.ErrorLines);
    }

    private static byte[] Compressed(byte[] bytes, CompressionType type)
    {
        using var to = new PooledBufferWriter(new BufferPool());
        Compressor.Compress(type, level: null, bytes, to);
        return to.WrittenSpan.ToArray();
    }

    private async Task SubscribeAsync(string metrics, int intervalMs, string match)
    {
        (string Key, string Value)[] config = [("metrics", metrics), ("interval.ms", $"{intervalMs}"), ("match", match)];
        IncrementalAlterConfigsResponse response = await Client.AskAsync<IncrementalAlterConfigsResponse>(
            new IncrementalAlterConfigsRequest
            {
                Resources = [new IncrementalAlterConfigsRequest.AlterConfigsResource { ResourceType = 16, ResourceName = Name("metrics"), Configs = [.. config.Select(static setting => new IncrementalAlterConfigsRequest.AlterableConfig { Name = setting.Key, Value = setting.Value })] }],
            },
            1);
        Assert.Equal(KafkaErrorCode.None, Assert.Single(response.Responses).ErrorCode);
    }

    private async Task<GetTelemetrySubscriptionsResponse> AskAsync(Guid id = default)
    {
        GetTelemetrySubscriptionsResponse answer = await Client.AskAsync<GetTelemetrySubscriptionsResponse>(new GetTelemetrySubscriptionsRequest { ClientInstanceId = id }, 0);
        Assert.Equal(KafkaErrorCode.None, answer.ErrorCode);
        return answer;
    }

    private async Task<KafkaErrorCode> PushAsync(GetTelemetrySubscriptionsResponse asked, byte[] metrics, sbyte type = 0, bool terminating = false) =>
        (await Client.AskAsync<PushTelemetryResponse>(new PushTelemetryRequest { ClientInstanceId = asked.ClientInstanceId, SubscriptionId = asked.SubscriptionId, CompressionType = type, Metrics = metrics, Terminating = terminating }, 0)).ErrorCode;

    private async Task<string> AdminAsync(string path)
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{Broker.AdminPort}/") };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("guest:guest")));
        return await http.GetStringAsync(path);
    }
}
