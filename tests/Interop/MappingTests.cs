using Sluice.BlackBox;

namespace Sluice.Interop;

/// <summary>One message for clients of AMQP and of Kafka, in both directions: pika and confluent-kafka, as Debian packages them. See docs/protocols/mapping.md.</summary>
public sealed class MappingTests(KafkaBrokerFixture broker) : IClassFixture<KafkaBrokerFixture>
{
    [Theory]
    [InlineData("kafka_to_stream")]
    [InlineData("amqp_to_topic")]
    [InlineData("kafka_to_queue")]
    [InlineData("amqp_queue_read_by_kafka")]
    [InlineData("limits_of_a_queue")]
    [InlineData("priorities")]
    [InlineData("amqp_to_partitions")]
    [InlineData("partitions_added")]
    [InlineData("topic_by_name")]
    public async Task Messages_are_the_same_for_both(string scenario)
    {
        await RunAsync(broker.AmqpPort, broker.BootstrapServer, scenario);
    }

    [Fact]
    public async Task Bindings_of_topics_are_there_after_a_crash()
    {
        await using BrokerProcess restarted = await BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Kafka__GroupInitialRebalanceDelayMs"] = "0" });
        string bootstrap = $"127.0.0.1:{restarted.KafkaPort}";
        await RunAsync(restarted.Port, bootstrap, "before_restart");
        await restarted.KillAsync();
        await restarted.RestartAsync();
        await RunAsync(restarted.Port, bootstrap, "after_restart");
    }

    private static async Task RunAsync(int amqpPort, string bootstrap, string scenario)
    {
        string output = await ClientProgram.RunAsync(ClientProgram.Python, ["python/mapping.py", $"{amqpPort}", bootstrap, scenario]);
        Assert.Contains($"ok {scenario}", output);
    }
}
