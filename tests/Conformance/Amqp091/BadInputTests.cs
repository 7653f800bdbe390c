using System.Diagnostics;

namespace Sluice.Conformance.Amqp091;

/// <summary>What no client should do, and what must cost only that client its connection.</summary>
public sealed class BadInputTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Fact]
    public async Task Peer_that_says_nothing_is_cut_off()
    {
        await using RawClient client = await RawClient.ConnectAsync(Broker.Address);
        var clock = Stopwatch.StartNew();
        await client.ReadToEndAsync();
        Assert.True(clock.Elapsed.TotalSeconds >= 1, "cut off before it could say anything");
    }

    [Fact]
    public async Task Peer_that_stops_amid_the_handshake_is_cut_off()
    {
        await using RawClient client = await RawClient.ConnectAsync(Broker.Address);
        await client.SendAsync(RawClient.ProtocolHeader);
        await client.ReadStartAsync();
        await client.ReadToEndAsync();
    }

    [Theory]
    [InlineData(100)]
    [InlineData(10_000)]
    public async Task Table_nested_without_end_ends_the_connection(int depth)
    {
        SkipOnRabbitMq("RabbitMQ 3.10 takes tables of any depth");
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        byte[] table = [];
        for (int level = 0; level < depth; level++)
        {
            byte[] inner = table;
            table = new RawWriter().ShortString("t").Octet((byte)'F').Long((uint)inner.Length).Raw(inner).ToArray();
        }

        await client.SendMethodAsync(1, Methods.QueueDeclare, w => w.Short(0).ShortString("").Octet(0b0100).Long((uint)table.Length).Raw(table));
        await client.ExpectConnectionEndAsync(501, 502);
        await StillServesAsync();
    }

    [Fact]
    public async Task Table_longer_than_its_frame_ends_the_connection()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.QueueDeclare, w => w.Short(0).ShortString("").Octet(0b0100).Long(0x7FFF_FFFF));
        await client.ExpectConnectionEndAsync(501, 502, 541);
        await StillServesAsync();
    }

    [Fact]
    public async Task Name_that_is_not_UTF_8_is_refused()
    {
        SkipOnRabbitMq("RabbitMQ 3.10 takes names of any bytes");
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.QueueDeclare, w => w.Short(0).Octet(2).Raw([0xC3, 0x28]).Octet(0b0100).Table());
        await client.ExpectConnectionEndAsync(501, 502);
        await StillServesAsync();
    }

    [Fact]
    public async Task Body_longer_than_its_header_said_ends_the_connection()
    {
        SkipOnRabbitMq("RabbitMQ 3.10 waits for more when a body is longer than announced");
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.BasicPublish, w => w.Short(0).ShortString("").ShortString("q").Octet(0));
        await client.SendFrameAsync(RawFrame.Header, 1, RawClient.ContentHeader(3));
        await client.SendFrameAsync(RawFrame.Body, 1, [1, 2, 3, 4]);
        await client.ExpectConnectionEndAsync(501, 505, 541);
        await StillServesAsync();
    }

    [Fact]
    public async Task Publish_sent_one_byte_at_a_time_arrives()
    {
        string queue = await DurableQueueAsync();
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        byte[] frames =
        [
            .. RawClient.Frame(RawFrame.Method, 1, RawClient.MethodPayload(Methods.BasicPublish, w => w.Short(0).ShortString("").ShortString(queue).Octet(0))),
            .. RawClient.Frame(RawFrame.Header, 1, RawClient.ContentHeader(6)),
            .. RawClient.Frame(RawFrame.Body, 1, Bytes("byte b")),
        ];
        foreach (byte b in frames)
        {
            await client.SendAsync(new[] { b });
        }

        Assert.Equal("byte b", (await GetAsync(queue)).Body);
    }

    [Fact]
    public async Task Many_frames_in_one_segment_are_all_handled()
    {
        string queue = await DurableQueueAsync();
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        byte[] one =
        [
            .. RawClient.Frame(RawFrame.Method, 1, RawClient.MethodPayload(Methods.BasicPublish, w => w.Short(0).ShortString("").ShortString(queue).Octet(0))),
            .. RawClient.Frame(RawFrame.Header, 1, RawClient.ContentHeader(1)),
            .. RawClient.Frame(RawFrame.Body, 1, [(byte)'x']),
        ];
        byte[] many = [.. Enumerable.Repeat(one, 2000).SelectMany(bytes => bytes)];
        await client.SendAsync(many);
        await ReadyBecomesAsync(queue, 2000);
    }

    [Fact]
    public async Task Connection_dropped_amid_a_publish_leaves_nothing_behind()
    {
        string queue = await DurableQueueAsync();
        for (int i = 0; i < 20; i++)
        {
            RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
            await client.PublishAsync(1, "", queue, [1]);
            await client.SendMethodAsync(1, Methods.BasicPublish, w => w.Short(0).ShortString("").ShortString(queue).Octet(0));
            await client.SendFrameAsync(RawFrame.Header, 1, RawClient.ContentHeader(100));
            await client.SendFrameAsync(RawFrame.Body, 1, new byte[50]);
            await client.DisposeAsync();
        }

        await ReadyBecomesAsync(queue, 20);
    }

    [Fact]
    public async Task Random_bytes_after_the_handshake_end_only_that_connection()
    {
        var random = new Random(42);
        for (int i = 0; i < 50; i++)
        {
            RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
            byte[] noise = new byte[random.Next(1, 500)];
            random.NextBytes(noise);
            await client.SendAsync(noise);
            await client.DisposeAsync();
        }

        await StillServesAsync();
    }

    private async Task StillServesAsync()
    {
        string queue = await QueueAsync();
        await SendAsync(queue, "still here");
        Assert.Equal("still here", (await GetAsync(queue)).Body);
    }
}
