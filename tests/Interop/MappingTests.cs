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
    public async Task Messages_are_the_same_for_both(string scenario)
    {
        string output = await ClientProgram.RunAsync(ClientProgram.Python, ["python/mapping.py", $"{broker.AmqpPort}", broker.BootstrapServer, scenario]);
        Assert.Contains($"ok {scenario}", output);
    }
}
