using Sluice.BlackBox;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>How long a connection may say nothing (setting Connections:HandshakeTimeoutSeconds, which Kafka has not).</summary>
public sealed class HandshakeTests
{
    [Fact]
    public async Task Connection_that_has_asked_for_versions_may_wait_and_one_that_says_nothing_may_not()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka has no such limit");
        await using BrokerProcess broker = await BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Connections__HandshakeTimeoutSeconds"] = "1" });
        await using RawClient idle = await RawClient.ConnectAsync("127.0.0.1", broker.KafkaPort);
        var versions = new ApiVersionsRequest { ClientSoftwareName = "idle", ClientSoftwareVersion = "1" };
        await idle.AskAsync<ApiVersionsResponse>(versions, 4);

        // Clients such as librdkafka introduce themselves and then say nothing until they have something to send.
        await using RawClient silent = await RawClient.ConnectAsync("127.0.0.1", broker.KafkaPort);
        await silent.IsClosedAsync();
        await idle.AskAsync<ApiVersionsResponse>(versions, 4);
    }

    [Fact]
    public async Task Connection_that_must_log_in_may_not_wait_after_it_has_asked_for_versions()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka has no such limit");
        await using BrokerProcess broker = await BrokerProcess.StartAsync(
            new Dictionary<string, string> { ["Sluice__Connections__HandshakeTimeoutSeconds"] = "1", ["Sluice__Kafka__AnonymousUser"] = "" });
        await using RawClient client = await RawClient.ConnectAsync("127.0.0.1", broker.KafkaPort);
        await client.AskAsync<ApiVersionsResponse>(new ApiVersionsRequest { ClientSoftwareName = "idle", ClientSoftwareVersion = "1" }, 4);
        await client.IsClosedAsync();

        await using RawClient member = await RawClient.ConnectAsync("127.0.0.1", broker.KafkaPort);
        await member.SendAsync(new MetadataRequest { Topics = [] }, 12);
        await member.IsClosedAsync();
    }
}
