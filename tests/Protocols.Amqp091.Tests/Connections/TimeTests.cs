using System.Net;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Time;

namespace Sluice.Protocols.Amqp091.Tests.Connections;

/// <summary>Heartbeats and time-outs, in virtual time over real sockets.</summary>
public sealed class TimeTests : IAsyncLifetime
{
    private readonly ManualTimeProvider _clock = new();
    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync(clock: _clock);

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task AMQP_4_2_7_heartbeats_are_sent_to_an_idle_peer()
    {
        using RawClient client = await RawClient.OpenAsync(_server, heartbeat: 10);
        Task<RawFrame?> read = client.ReadFrameAsync(skipHeartbeats: false);

        // The answer that the client has just read may still be in the broker's books: time passes until it is not.
        await Eventually.TrueAsync(
            () =>
            {
                _clock.Advance(TimeSpan.FromMilliseconds(20));
                return read.IsCompleted;
            },
            "heartbeat");
        RawFrame? frame = await read;
        Assert.Equal((FrameType.Heartbeat, (ushort)0), (frame!.Type, frame.Channel));
    }

    [Fact]
    public async Task AMQP_4_2_7_a_peer_silent_for_two_intervals_is_given_up_and_the_log_names_it()
    {
        using RawClient silent = await RawClient.OpenAsync(_server, heartbeat: 10);
        using RawClient without = await RawClient.OpenAsync(_server);
        await silent.DeclareAsync("q");
        await silent.SendAsync(1, new BasicConsume { Queue = "q"u8, ConsumerTag = "c"u8 });
        await silent.ExpectAsync(MethodIds.BasicConsumeOk, 1);

        // Half-open: the peer reads nothing either, and what it was given must go to somebody else.
        byte[] publish = RawClient.Publish(1, "", "q", new byte[100_000]);
        for (int i = 0; i < 50; i++)
        {
            await without.SendBytesAsync(publish);
        }

        await without.AssertWorksAsync();
        Assert.True(_server.Host.FindQueue("q", null).Value!.UnsettledCount > 0);
        _clock.Advance(TimeSpan.FromSeconds(30));
        await Eventually.TrueAsync(() => _server.Amqp.Connections.Count == 1, "the silent one is gone");
        string name = $"Connection 127.0.0.1:{((IPEndPoint)silent.Socket.LocalEndPoint!).Port} -> ";
        await Eventually.TrueAsync(
            () => _server.Log.Lines.Any(line => line.StartsWith(name, StringComparison.Ordinal)
                && line.EndsWith("user 'guest', virtual host '/' closed: missed heartbeats from client, timeout: 10s", StringComparison.Ordinal)),
            "log line");
        Assert.Equal(50, _server.Host.FindQueue("q", null).Value!.ReadyCount);
        await without.AssertWorksAsync();
        await Eventually.TrueAsync(() => _server.Pool.RentedBlocks == 0, "all blocks returned");
    }

    [Fact]
    public async Task A_peer_is_not_silent_while_the_broker_itself_does_not_listen()
    {
        var disk = new FaultDisk(1);
        await using TestServer server = await TestServer.StartAsync(clock: _clock, disk: disk);
        using RawClient client = await RawClient.OpenAsync(server, heartbeat: 10);
        var stalled = new ManualResetEventSlim();
        var goOn = new ManualResetEventSlim();
        disk.Fault = line =>
        {
            if (line.StartsWith("sync", StringComparison.Ordinal))
            {
                stalled.Set();
                goOn.Wait();
            }

            return null;
        };
        await client.SendAsync(1, new QueueDeclare { Queue = "q"u8, Durable = true });
        Assert.True(stalled.Wait(Eventually.Limit, TestContext.Current.CancellationToken));
        await client.SendBytesAsync(FrameWriter.Heartbeat.ToArray());
        _clock.Advance(TimeSpan.FromSeconds(60));
        disk.Fault = null;
        goOn.Set();
        await client.ExpectAsync(MethodIds.QueueDeclareOk, 1);
        await client.AssertWorksAsync();
    }

    [Fact]
    public async Task A_peer_that_sends_heartbeats_stays()
    {
        using RawClient client = await RawClient.OpenAsync(_server, heartbeat: 10);
        for (int i = 0; i < 10; i++)
        {
            await client.SendBytesAsync(FrameWriter.Heartbeat.ToArray());
            await client.AssertWorksAsync();
            _clock.Advance(TimeSpan.FromSeconds(15));
        }

        await client.AssertWorksAsync();
    }

    [Fact]
    public async Task A_handshake_that_does_not_end_is_cut()
    {
        using RawClient client = await RawClient.LoginAsync(_server);
        await client.ExpectAsync(MethodIds.ConnectionTune);
        _clock.Advance(TimeSpan.FromSeconds(11));
        Assert.Null(await client.ReadFrameAsync());
    }

    [Fact]
    public async Task A_peer_that_does_not_answer_connection_close_is_cut()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendBytesAsync(RawClient.Frame(9, 0));
        await client.ExpectAsync(MethodIds.ConnectionClose);
        _clock.Advance(TimeSpan.FromSeconds(6));
        Assert.Null(await client.ReadFrameAsync());
    }

    [Fact]
    public async Task A_delivery_not_acknowledged_in_time_closes_its_channel_and_comes_back()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendAsync(1, new QueueDeclare { Queue = "q"u8, Arguments = new TableBuilder().Add("x-consumer-timeout"u8, 60_000).Entries });
        await client.ExpectAsync(MethodIds.QueueDeclareOk, 1);
        await client.SendBytesAsync(RawClient.Publish(1, "", "q", "x"u8.ToArray()));
        await client.SendAsync(1, new BasicConsume { Queue = "q"u8, ConsumerTag = "c"u8 });
        await client.ExpectAsync(MethodIds.BasicConsumeOk, 1);
        await client.ExpectAsync(MethodIds.BasicDeliver, 1);
        await client.ReadFrameAsync();
        await client.ReadFrameAsync();
        _clock.Advance(TimeSpan.FromSeconds(50));
        await client.AssertWorksAsync();
        _clock.Advance(TimeSpan.FromSeconds(15));
        Assert.Contains("timed out. Timeout value used: 60000 ms", await client.ExpectChannelCloseAsync(ReplyCode.PreconditionFailed), StringComparison.Ordinal);
        await Eventually.TrueAsync(() => _server.Host.FindQueue("q", null).Value!.ReadyCount == 1, "message is back");
    }

    [Fact]
    public async Task A_consumer_that_never_reads_costs_no_more_than_its_high_water_mark()
    {
        using RawClient reader = await RawClient.OpenAsync(_server);
        await reader.DeclareAsync("q");
        await reader.SendAsync(1, new BasicConsume { Queue = "q"u8, ConsumerTag = "c"u8, NoAck = true });
        await reader.ExpectAsync(MethodIds.BasicConsumeOk, 1);
        using RawClient writer = await RawClient.OpenAsync(_server);
        byte[] publish = RawClient.Publish(1, "", "q", new byte[10_000]);
        for (int i = 0; i < 3000; i++)
        {
            await writer.SendBytesAsync(publish);
        }

        await writer.AssertWorksAsync();
        Assert.True(_server.Pool.RentedBytes < 4 << 20, $"{_server.Pool.RentedBytes} bytes in buffers");
        Assert.True(_server.Host.FindQueue("q", null).Value!.ReadyCount > 0);
        for (int i = 0; i < 3000; i++)
        {
            await reader.ExpectAsync(MethodIds.BasicDeliver, 1);
            await reader.ReadFrameAsync();
            Assert.Equal(10_000, (await reader.ReadFrameAsync())!.Payload.Length);
        }

        await Eventually.TrueAsync(() => _server.Host.FindQueue("q", null).Value!.ReadyCount == 0, "all delivered");
    }

    [Fact]
    public async Task A_stopping_broker_says_goodbye()
    {
        TestServer server = await TestServer.StartAsync();
        using RawClient client = await RawClient.OpenAsync(server);
        ValueTask stopped = server.DisposeAsync();
        Assert.Equal("CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'", await client.ExpectConnectionCloseAsync(ReplyCode.ConnectionForced));
        await stopped;
    }
}
