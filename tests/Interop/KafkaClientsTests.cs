namespace Sluice.Interop;

/// <summary>Kafka's clients in other languages, with a broker for each so that they run side by side.</summary>
public abstract class KafkaClientsTests(KafkaBrokerFixture broker) : IClassFixture<KafkaBrokerFixture>
{
    /// <summary>What every client is put to.</summary>
    public static TheoryData<string> Scenarios =>
    [
        "hello", "assignment", "group", "rebalance", "commits", "compression", "headers", "times", "large", "batches", "admin", "configs", "partitions", "deleteRecords",
    ];

    protected async Task RunAsync(string program, string script, string scenario)
    {
        string output = await ClientProgram.RunAsync(program, [script, broker.BootstrapServer, scenario], environment: new Dictionary<string, string> { ["KAFKAJS_NO_PARTITIONER_WARNING"] = "1" });
        Assert.Contains($"ok {scenario}", output);
    }
}

/// <summary>confluent-kafka (Python, librdkafka).</summary>
public sealed class ConfluentKafkaTests(KafkaBrokerFixture broker) : KafkaClientsTests(broker)
{
    [Theory]
    [MemberData(nameof(Scenarios))]
    [InlineData("idempotence")]
    public Task ConfluentKafka(string scenario) => RunAsync(ClientProgram.Python, "python/confluent_kafka_scenarios.py", scenario);
}

/// <summary>kafka-python.</summary>
public sealed class KafkaPythonTests(KafkaBrokerFixture broker) : KafkaClientsTests(broker)
{
    [Theory]
    [MemberData(nameof(Scenarios))]
    public Task KafkaPython(string scenario)
    {
        Assert.SkipWhen(scenario == "deleteRecords", "kafka-python 2.0.2 cannot");
        return RunAsync(ClientProgram.Python, "python/kafka_python_scenarios.py", scenario);
    }
}

/// <summary>kafkajs.</summary>
public sealed class KafkaJsTests(KafkaBrokerFixture broker) : KafkaClientsTests(broker)
{
    [Theory]
    [MemberData(nameof(Scenarios))]
    [InlineData("idempotence")]
    public Task KafkaJs(string scenario) => RunAsync("node", "node/kafkajs_scenarios.mjs", scenario);
}

/// <summary>@platformatic/kafka (Node).</summary>
public sealed class PlatformaticTests(KafkaBrokerFixture broker) : KafkaClientsTests(broker)
{
    [Theory]
    [MemberData(nameof(Scenarios))]
    [InlineData("rebalanceConsumerProtocol")]
    [InlineData("consumerProtocol")]
    [InlineData("autocommit")]
    [InlineData("idempotence")]
    [InlineData("transactions")]
    [InlineData("quotas")]
    public async Task Platformatic(string scenario)
    {
        string version = await ClientProgram.RunAsync("node", ["--version"]);
        Assert.SkipUnless(int.Parse(version.TrimStart('v').Split('.')[0]) >= 20, $"@platformatic/kafka needs node 20, this is {version.Trim()}");
        await RunAsync("node", "node/platformatic_scenarios.mjs", scenario);
    }
}
