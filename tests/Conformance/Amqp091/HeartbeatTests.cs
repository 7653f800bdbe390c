using System.Diagnostics;

namespace Sluice.Conformance.Amqp091;

/// <summary>Heartbeats (AMQP 0-9-1 section 4.2.7).</summary>
public sealed class HeartbeatTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Fact]
    public async Task Heartbeat_4_2_7_is_sent_by_the_server_when_it_is_otherwise_silent()
    {
        await using RawClient client = await RawClient.OpenAsync(Broker.Address, heartbeat: 2);
        RawFrame frame = (await client.ReadFrameAsync())!;
        Assert.Equal(RawFrame.Heartbeat, frame.Type);
        Assert.Equal(0, frame.Channel);
        Assert.Empty(frame.Payload);
    }

    [Fact]
    public async Task Heartbeat_4_2_7_missing_from_the_client_closes_the_socket()
    {
        await using RawClient client = await RawClient.OpenAsync(Broker.Address, heartbeat: 1);
        var clock = Stopwatch.StartNew();
        while (await client.ReadFrameAsync() is { } frame)
        {
            Assert.Equal(RawFrame.Heartbeat, frame.Type);
        }

        Assert.True(clock.Elapsed.TotalSeconds >= 1.5, "given up before two intervals had passed");
    }

    [Fact]
    public async Task Heartbeat_4_2_7_any_traffic_keeps_the_connection()
    {
        await using RawClient client = await RawClient.OpenAsync(Broker.Address, heartbeat: 1);
        var clock = Stopwatch.StartNew();
        ushort channel = 1;
        while (clock.Elapsed < TimeSpan.FromSeconds(5))
        {
            await client.OpenChannelAsync(channel++);
            await Task.Delay(300, TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Heartbeat_on_a_channel_other_than_0_is_an_error()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendFrameAsync(RawFrame.Heartbeat, 1, []);
        await client.ExpectConnectionEndAsync(501, 503, 505);
    }
}
