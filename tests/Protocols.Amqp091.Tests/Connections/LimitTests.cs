using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Sluice.Broker;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.TestKit.Time;

namespace Sluice.Protocols.Amqp091.Tests.Connections;

/// <summary>What one client may make the broker hold, and how it is told that this was too much.</summary>
public sealed class LimitTests : IAsyncLifetime
{
    private const int MessageBytesMax = 100_000;

    private readonly ManualTimeProvider _clock = new();
    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync(
        new Amqp091Options { ConsumersPerChannelMax = 3 }, new BrokerOptions { MessageBytesMax = MessageBytesMax }, _clock);

    public async ValueTask DisposeAsync()
    {
        await Eventually.TrueAsync(() => _server.Amqp.Connections.Count == 0, "all connections ended");
        await Eventually.TrueAsync(() => _server.Pool.RentedBlocks == 0, "all blocks returned");
        Assert.Empty(_server.Log.Errors);
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task A_consumer_that_never_reads_holds_up_neither_the_others_nor_memory()
    {
        const int Count = 50_000;
        using RawClient stuck = await RawClient.OpenAsync(_server);
        await stuck.DeclareAsync("q");
        await stuck.SendAsync(1, new BasicConsume { Queue = "q"u8, ConsumerTag = "stuck"u8, NoAck = true });
        await stuck.ExpectAsync(MethodIds.BasicConsumeOk, 1);
        await using IConnection reading = await _server.ConnectAsync();
        await using IChannel channel = await reading.CreateChannelAsync();
        var seen = new ConcurrentDictionary<int, int>();
        long bytesHeld = 0;
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            Saw(delivery.Body.Span);
            bytesHeld = Math.Max(bytesHeld, _server.Pool.RentedBytes);
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync("q", autoAck: true, consumer);

        using RawClient writer = await RawClient.OpenAsync(_server);
        for (int i = 0; i < Count; i += 100)
        {
            await writer.SendBytesAsync([.. Enumerable.Range(i, 100).SelectMany(static number => RawClient.Publish(1, "", "q", Numbered(number)))]);
        }

        await writer.AssertWorksAsync();
        await Eventually.TrueAsync(() => _server.Host.FindQueue("q", null).Value!.ReadyCount == 0, "nothing waits for the one that does not read");
        Assert.True(bytesHeld < 4 << 20, $"{bytesHeld} bytes in buffers");

        // What it was sent before its buffers were full is there when it reads after all, and nothing else.
        await stuck.SendAsync(1, new BasicCancel { ConsumerTag = "stuck"u8 });
        int stuckCount = 0;
        while ((await stuck.ReadFrameAsync())!.MethodId != MethodIds.BasicCancelOk)
        {
            await stuck.ReadFrameAsync();
            Saw((await stuck.ReadFrameAsync())!.Payload);
            stuckCount++;
        }

        Assert.InRange(stuckCount, 1, Count / 5);
        await Eventually.TrueAsync(() => seen.Count == Count, "every message has come to one of the two");
        Assert.DoesNotContain(seen, static one => one.Value > 1);

        void Saw(ReadOnlySpan<byte> body) => seen.AddOrUpdate(BinaryPrimitives.ReadInt32BigEndian(body), 1, static (_, count) => count + 1);
    }

    [Fact]
    public async Task Incomplete_messages_together_above_the_message_maximum_end_the_connection_with_506()
    {
        using RawClient good = await RawClient.OpenAsync(_server);
        using RawClient greedy = await RawClient.OpenAsync(_server);
        await greedy.OpenChannelAsync(2);
        await greedy.SendBytesAsync(Halves(1, 90_000).First);
        await greedy.SendBytesAsync(Halves(2, 90_000).First);
        await greedy.OpenChannelAsync(3);
        await greedy.SendBytesAsync(Halves(3, 90_000).First);
        Assert.Equal(
            "RESOURCE_ERROR - incomplete messages on the connection's channels hold more than 100000 bytes: send one large message at a time",
            await greedy.ExpectConnectionCloseAsync(ReplyCode.ResourceError));
        Assert.Contains(_server.Log.Warnings, line => line.Contains("RESOURCE_ERROR", StringComparison.Ordinal) && line.Contains("channel 3, user 'guest'", StringComparison.Ordinal));
        await good.AssertWorksAsync();
    }

    [Fact]
    public async Task Messages_that_are_complete_make_room_for_others()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.DeclareAsync("q");
        await client.OpenChannelAsync(2);
        for (int i = 0; i < 10; i++)
        {
            (byte[] first, byte[] second) = Halves(1, 60_000);
            (byte[] otherFirst, byte[] otherSecond) = Halves(2, 60_000);
            await client.SendBytesAsync([.. first, .. otherFirst]);
            await client.SendBytesAsync([.. second, .. otherSecond]);
        }

        await client.AssertWorksAsync();
        Assert.Equal(20, _server.Host.FindQueue("q", null).Value!.ReadyCount);
    }

    [Fact]
    public async Task A_message_that_its_channel_does_not_live_to_see_complete_makes_room_for_others()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendAsync(1, new QueueDeclare { Queue = "q"u8, Arguments = new TableBuilder().Add("x-consumer-timeout"u8, 60_000).Entries });
        await client.ExpectAsync(MethodIds.QueueDeclareOk, 1);
        await client.SendBytesAsync(RawClient.Publish(1, "", "q", "late"u8.ToArray()));
        await client.SendAsync(1, new BasicGet { Queue = "q"u8 });
        await client.ExpectAsync(MethodIds.BasicGetOk, 1);
        await client.ReadFrameAsync();
        await client.ReadFrameAsync();
        await client.SendBytesAsync(Halves(1, 90_000).First);
        await client.OpenChannelAsync(2);
        _clock.Advance(TimeSpan.FromSeconds(65));
        await client.ExpectChannelCloseAsync(ReplyCode.PreconditionFailed);

        (byte[] first, byte[] second) = Halves(2, 100_000);
        await client.SendBytesAsync([.. first, .. second]);
        await client.AssertWorksAsync(2);
        Assert.Equal(2, _server.Host.FindQueue("q", null).Value!.ReadyCount);
    }

    [Fact]
    public async Task One_consumer_more_than_a_channel_may_have_ends_the_connection_with_530()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.DeclareAsync("q");
        await client.OpenChannelAsync(2);
        foreach ((ushort channel, string tag) in ((ushort, string)[])[(1, "a"), (1, "b"), (1, "c"), (2, "a"), (2, "b"), (2, "c")])
        {
            await ConsumeAsync(client, channel, tag);
        }

        await client.SendAsync(1, new BasicCancel { ConsumerTag = "b"u8 });
        await client.ExpectAsync(MethodIds.BasicCancelOk, 1);
        await ConsumeAsync(client, 1, "d");
        await client.SendAsync(1, new BasicConsume { Queue = "q"u8, ConsumerTag = "e"u8 });
        Assert.Equal("NOT_ALLOWED - reached maximum (3) of consumers per channel", await client.ExpectConnectionCloseAsync(ReplyCode.NotAllowed));
    }

    private static async Task ConsumeAsync(RawClient client, ushort channel, string tag)
    {
        await client.SendAsync(channel, new BasicConsume { Queue = "q"u8, ConsumerTag = Encoding.UTF8.GetBytes(tag) });
        await client.ExpectAsync(MethodIds.BasicConsumeOk, channel);
    }

    /// <summary>A body of 1000 bytes that begins with a number.</summary>
    private static byte[] Numbered(int number)
    {
        byte[] body = new byte[1000];
        BinaryPrimitives.WriteInt32BigEndian(body, number);
        return body;
    }

    /// <summary>A publish to queue "q" whose body comes in two frames of the same size: what ends with the first, and the second.</summary>
    private static (byte[] First, byte[] Second) Halves(ushort channel, int bodyBytes)
    {
        int half = bodyBytes / 2;
        byte[] whole = RawClient.Publish(channel, "", "q", new byte[bodyBytes], frameMax: half + Frame.Overhead);
        int second = half + Frame.Overhead;
        return (whole[..^second], whole[^second..]);
    }
}
