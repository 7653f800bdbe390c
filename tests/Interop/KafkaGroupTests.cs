using System.Text.Json;

namespace Sluice.Interop;

/// <summary>Consumer groups with Kafka's clients: kafka-python and confluent-kafka (librdkafka) as Debian packages them, and Kafka's own Java client where it is at hand.</summary>
public sealed class KafkaGroupTests(KafkaBrokerFixture broker) : IClassFixture<KafkaBrokerFixture>
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(4);

    [Theory]
    [InlineData("kafka-python", "resume")]
    [InlineData("kafka-python", "rebalance")]
    [InlineData("kafka-python", "admin")]
    [InlineData("confluent", "resume")]
    [InlineData("confluent", "rebalance")]
    [InlineData("confluent", "admin")]
    [InlineData("confluent-cooperative", "rebalance")]
    public async Task Python(string client, string scenario)
    {
        string output = await ClientProgram.RunAsync(ClientProgram.Python, ["python/kafka_groups.py", broker.BootstrapServer, client, scenario], s_patience);
        Assert.Contains($"ok {scenario}", output);
    }

    [Fact]
    public async Task Kcat()
    {
        string[] consume = ["-b", broker.BootstrapServer, "-G", "kcat-group", "-X", "auto.offset.reset=earliest", "-q", "-e", "kcat-topic"];
        await ClientProgram.RunAsync("kcat", ["-b", broker.BootstrapServer, "-P", "-t", "kcat-topic"], s_patience, "one\ntwo\n");
        Assert.Equal("one\ntwo\n", await ClientProgram.RunAsync("kcat", consume, s_patience));
        await ClientProgram.RunAsync("kcat", ["-b", broker.BootstrapServer, "-P", "-t", "kcat-topic"], s_patience, "three\n");
        Assert.Equal("three\n", await ClientProgram.RunAsync("kcat", consume, s_patience));
    }

    /// <summary>Needs a folder with Apache Kafka's jars and a script that runs its tools (variable SLUICE_PEERS).</summary>
    [Theory]
    [InlineData("classic")]
    [InlineData("consumer")]
    public async Task Java(string protocol)
    {
        string tool = Path.Combine(Environment.GetEnvironmentVariable("SLUICE_PEERS") ?? "", "kafka", "kafka");
        Assert.SkipUnless(File.Exists(tool), "no peer: SLUICE_PEERS names no folder with Kafka's tools");
        string topic = $"java-{protocol}", server = broker.BootstrapServer;
        await ClientProgram.RunAsync(tool, ["topics", "--bootstrap-server", server, "--create", "--topic", topic, "--partitions", "6"], s_patience);
        await ClientProgram.RunAsync(tool, ["producer-perf", "--topic", topic, "--num-records", "3000", "--record-size", "10", "--throughput", "-1", "--bootstrap-server", server], s_patience);
        string[] outputs = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => ClientProgram.RunAsync(
            tool,
            ["verifiable-consumer", "--bootstrap-server", server, "--topic", topic, "--group-id", topic, "--group-protocol", protocol, "--reset-policy", "earliest", "--max-messages", "500", "--verbose"],
            s_patience)));
        (long, long)[] read = [.. outputs.SelectMany(static output => output.Split('\n')).Where(static line => line.StartsWith('{')).Select(static line => JsonDocument.Parse(line).RootElement)
            .Where(static line => line.GetProperty("name").GetString() == "record_data")
            .Select(static line => (line.GetProperty("partition").GetInt64(), line.GetProperty("offset").GetInt64()))];
        Assert.Equal(1500, read.Length);
        Assert.Equal(read.Length, read.Distinct().Count());
    }

    /// <summary>Three consumers of one share group, Kafka's own (KIP-932), divide the records of one partition among them; as <see cref="Java"/> it needs Kafka's tools.</summary>
    [Fact]
    public async Task JavaShareGroup()
    {
        string tool = Path.Combine(Environment.GetEnvironmentVariable("SLUICE_PEERS") ?? "", "kafka", "kafka");
        Assert.SkipUnless(File.Exists(tool), "no peer: SLUICE_PEERS names no folder with Kafka's tools");
        const string Topic = "java-share";
        string server = broker.BootstrapServer;
        await ClientProgram.RunAsync(tool, ["topics", "--bootstrap-server", server, "--create", "--topic", Topic, "--partitions", "1"], s_patience);
        await ClientProgram.RunAsync(tool, ["configs", "--bootstrap-server", server, "--alter", "--entity-type", "groups", "--entity-name", Topic, "--add-config", "share.auto.offset.reset=earliest"], s_patience);
        string[] sent = [.. Enumerable.Range(0, 3000).Select(static number => $"record {number}")];
        await ClientProgram.RunAsync(tool, ["console-producer", "--bootstrap-server", server, "--topic", Topic], s_patience, string.Join('\n', sent) + "\n");
        (int Code, string Output)[] read = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => ClientProgram.RunForCodeAsync(
            tool,
            ["class", "org.apache.kafka.tools.consumer.ConsoleShareConsumer", "--bootstrap-server", server, "--topic", Topic, "--group", Topic, "--timeout-ms", "10000"],
            s_patience)));
        Assert.Equal(sent.Order(StringComparer.Ordinal), read.SelectMany(static one => one.Output.Split('\n')).Where(static line => line.StartsWith("record ", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        string described = await ClientProgram.RunAsync(tool, ["share-groups", "--bootstrap-server", server, "--describe", "--group", Topic], s_patience);
        Assert.Matches($"{Topic} +{Topic} +0 +3000 +0", described);
    }
}
