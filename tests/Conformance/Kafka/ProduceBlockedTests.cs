using Sluice.BlackBox;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>A broker that runs short of disk: producers wait, all others are served.</summary>
public sealed class ProduceBlockedTests(BrokerFixture fixture) : KafkaTest(fixture)
{
    private const int Looks = 50;

    private BrokerProcess _broker = null!;

    public override async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "the run does not own the broker");
        _broker = await BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Disk__FreeBytesMin"] = "1000000GB" });
        Client = await ConnectAsync("127.0.0.1", _broker.KafkaPort);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_broker is not null)
        {
            await _broker.DisposeAsync();
        }
    }

    [Fact]
    public async Task Produce_is_not_served_while_the_disk_is_short()
    {
        TestTopic topic = await TopicAsync();
        RawClient producer = await ConnectAsync("127.0.0.1", _broker.KafkaPort);
        await ServesAsync(producer);
        await producer.SendAsync(Produce(topic, 1, (0, BatchBuilder.Of("a"))), 13);
        for (int i = 0; i < Looks; i++)
        {
            Assert.Equal(0, (await ListOffsetAsync(topic, -1)).Offset);
        }

        Assert.False(producer.HasAnswer);

        // A connection that does not produce is not held back, and one that does ends with the broker.
        await ServesAsync(Client);
        Assert.Empty(await ReadValuesAsync(topic));
    }
}
