using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Tests.Connections;

/// <summary>channel.flow from the client: it stops deliveries on its channel and starts them again.</summary>
public sealed class FlowTests : IAsyncLifetime
{
    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Assert.Empty(_server.Log.Errors);
    }

    [Fact]
    public async Task AMQP_channel_flow_stops_deliveries_to_its_channel_only_and_starts_them_again()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.DeclareAsync("q");
        await client.OpenChannelAsync(2);
        await ConsumeAsync(client, 1);
        await ConsumeAsync(client, 2);
        foreach (ushort paused in (ushort[])[1, 2, 1])
        {
            ushort other = (ushort)(3 - paused);
            await FlowAsync(client, paused, false);
            await PublishAsync(10);
            for (int i = 0; i < 10; i++)
            {
                await ExpectDeliveryAsync(client, other);
            }

            await FlowAsync(client, other, false);
            await PublishAsync(10);
            await FlowAsync(client, other, false);
            Assert.Equal(10, _server.Host.FindQueue("q", null).Value!.ReadyCount);
            await FlowAsync(client, paused, true);
            for (int i = 0; i < 10; i++)
            {
                await ExpectDeliveryAsync(client, paused);
            }

            await FlowAsync(client, other, true);
        }
    }

    [Fact]
    public async Task AMQP_channel_flow_ok_is_the_last_word_also_while_messages_pour_in()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.DeclareAsync("q");
        await ConsumeAsync(client, 1);
        using var enough = new CancellationTokenSource();
        Task[] pouring = [.. Enumerable.Range(0, 2).Select(_ => PourAsync(enough.Token))];
        for (int round = 0; round < 400; round++)
        {
            await client.SendAsync(1, new ChannelFlow { Active = false });
            await SkipDeliveriesAsync(client);

            // Whatever was delivered after the answer would come before the next one.
            await FlowAsync(client, 1, false);
            await client.SendAsync(1, new ChannelFlow { Active = true });
            await SkipDeliveriesAsync(client);
        }

        await enough.CancelAsync();
        await Task.WhenAll(pouring);
    }

    private static async Task ConsumeAsync(RawClient client, ushort channel)
    {
        await client.SendAsync(channel, new BasicConsume { Queue = "q"u8, ConsumerTag = "c"u8, NoAck = true });
        await client.ExpectAsync(MethodIds.BasicConsumeOk, channel);
    }

    private static async Task FlowAsync(RawClient client, ushort channel, bool active)
    {
        await client.SendAsync(channel, new ChannelFlow { Active = active });
        Assert.Equal(active, ChannelFlowOk.Read(await client.ExpectAsync(MethodIds.ChannelFlowOk, channel)).Active);
    }

    private static async Task ExpectDeliveryAsync(RawClient client, ushort channel)
    {
        await client.ExpectAsync(MethodIds.BasicDeliver, channel);
        await client.ReadFrameAsync();
        await client.ReadFrameAsync();
    }

    /// <summary>Reads deliveries up to channel.flow-ok.</summary>
    private static async Task SkipDeliveriesAsync(RawClient client)
    {
        while (await client.ReadFrameAsync() is { } frame && frame.MethodId != MethodIds.ChannelFlowOk)
        {
        }
    }

    private async Task PublishAsync(int count)
    {
        using RawClient publisher = await RawClient.OpenAsync(_server);
        for (int i = 0; i < count; i++)
        {
            await publisher.SendBytesAsync(RawClient.Publish(1, "", "q", "x"u8.ToArray()));
        }

        await publisher.AssertWorksAsync();
    }

    private async Task PourAsync(CancellationToken enough)
    {
        using RawClient publisher = await RawClient.OpenAsync(_server);
        byte[] publish = [.. Enumerable.Repeat(RawClient.Publish(1, "", "q", "x"u8.ToArray()), 100).SelectMany(static bytes => bytes)];
        while (!enough.IsCancellationRequested)
        {
            // No faster than the broker takes them, or the consumer's output is backed up and nothing is delivered at all.
            await publisher.SendBytesAsync(publish);
            await publisher.AssertWorksAsync();
        }
    }
}
