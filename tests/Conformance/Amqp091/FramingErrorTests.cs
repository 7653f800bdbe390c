namespace Sluice.Conformance.Amqp091;

/// <summary>What is wrong at the level of frames and ends the connection (AMQP 0-9-1 sections 4.2.3 to 4.2.6).</summary>
public sealed class FramingErrorTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Fact]
    public async Task Frame_4_2_3_with_wrong_end_octet_is_501()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendFrameAsync(RawFrame.Method, 1, RawClient.MethodPayload(Methods.TxSelect), end: 0xFE);
        await client.ExpectConnectionCloseAsync(501);
    }

    [Fact]
    public async Task Frame_4_2_3_larger_than_frame_max_is_501()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendFrameAsync(RawFrame.Method, 1, new byte[132_000]);
        await client.ExpectConnectionEndAsync(501);
    }

    [Theory]
    [InlineData((byte)4)]
    [InlineData((byte)200)]
    public async Task Frame_4_2_3_of_unknown_type_ends_the_connection(byte type)
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendFrameAsync(type, 1, [1, 2, 3, 4]);
        await client.ExpectConnectionCloseAsync(501);
    }

    [Fact]
    public async Task Method_4_2_4_unknown_is_540()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, (60 << 16) | 199);
        await client.ExpectConnectionEndAsync(540, 541, 503);
    }

    [Fact]
    public async Task Method_4_2_4_truncated_arguments_end_the_connection()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendFrameAsync(RawFrame.Method, 1, RawClient.MethodPayload(Methods.QueueDeclare, w => w.Short(0).Octet(200)));
        await client.ExpectConnectionEndAsync(501, 502, 541);
    }

    [Fact]
    public async Task Channel_not_open_is_504()
    {
        await using RawClient client = await RawClient.OpenAsync(Broker.Address);
        await client.SendMethodAsync(5, Methods.TxSelect);
        await client.ExpectConnectionCloseAsync(504);
    }

    [Fact]
    public async Task Channel_open_twice_is_504()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.ChannelOpen, w => w.ShortString(""));
        await client.ExpectConnectionCloseAsync(504);
    }

    [Fact]
    public async Task Channel_method_on_channel_0_is_503()
    {
        await using RawClient client = await RawClient.OpenAsync(Broker.Address);
        await client.SendMethodAsync(0, Methods.TxSelect);
        await client.ExpectConnectionEndAsync(503, 504, 540);
    }

    [Fact]
    public async Task Connection_method_on_another_channel_is_503()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.ConnectionClose, w => w.Short(200).ShortString("").Short(0).Short(0));
        await client.ExpectConnectionCloseAsync(503);
    }

    [Fact]
    public async Task Content_4_2_6_header_without_publish_is_505()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendFrameAsync(RawFrame.Header, 1, RawClient.ContentHeader(0));
        await client.ExpectConnectionCloseAsync(505);
    }

    [Fact]
    public async Task Content_4_2_6_body_without_header_is_505()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.BasicPublish, w => w.Short(0).ShortString("").ShortString("q").Octet(0));
        await client.SendFrameAsync(RawFrame.Body, 1, [1, 2, 3]);
        await client.ExpectConnectionCloseAsync(505);
    }

    [Fact]
    public async Task Content_4_2_6_method_before_the_content_is_505()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.BasicPublish, w => w.Short(0).ShortString("").ShortString("q").Octet(0));
        await client.SendMethodAsync(1, Methods.TxSelect);
        await client.ExpectConnectionCloseAsync(505);
    }

    [Fact]
    public async Task Content_4_2_6_header_of_another_class_is_505()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.BasicPublish, w => w.Short(0).ShortString("").ShortString("q").Octet(0));
        await client.SendFrameAsync(RawFrame.Header, 1, RawClient.ContentHeader(0, classId: 50));
        await client.ExpectConnectionCloseAsync(505);
    }

    [Fact]
    public async Task Content_4_2_6_of_two_channels_interleaves()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.OpenChannelAsync(2);
        string queue = await QueueNamedByRawAsync(client);
        foreach (ushort channel in (ushort[])[1, 2])
        {
            await client.SendMethodAsync(channel, Methods.BasicPublish, w => w.Short(0).ShortString("").ShortString(queue).Octet(0));
        }

        foreach (ushort channel in (ushort[])[1, 2])
        {
            await client.SendFrameAsync(RawFrame.Header, channel, RawClient.ContentHeader(4));
        }

        for (int half = 0; half < 2; half++)
        {
            foreach (ushort channel in (ushort[])[1, 2])
            {
                await client.SendFrameAsync(RawFrame.Body, channel, [(byte)channel, (byte)channel]);
            }
        }

        var bodies = new List<byte[]>();
        while (bodies.Count < 2)
        {
            await client.SendMethodAsync(1, Methods.BasicGet, w => w.Short(0).ShortString(queue).Octet(1));
            RawFrame frame = (await client.ReadFrameAsync())!;
            if (frame.MethodId == Methods.BasicGetOk)
            {
                await client.ReadFrameAsync();
                bodies.Add((await client.ReadFrameAsync())!.Payload);
            }
        }

        Assert.Equal([[1, 1, 1, 1], [2, 2, 2, 2]], bodies.OrderBy(b => b[0]));
    }

    [Fact]
    public async Task Content_4_2_6_with_an_empty_body_needs_no_body_frame()
    {
        string queue = await QueueAsync();
        await SendAsync(queue, "");
        Assert.Equal("", (await GetAsync(queue)).Body);
    }

    [Fact]
    public async Task Method_basic_deliver_from_a_client_ends_the_connection()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.BasicDeliver, w => w.ShortString("tag").LongLong(1).Octet(0).ShortString("").ShortString("q"));
        // RabbitMQ looks at the method only when its content is whole.
        await client.SendFrameAsync(RawFrame.Header, 1, RawClient.ContentHeader(0));
        await client.ExpectConnectionEndAsync(501, 503, 505, 540);
    }

    [Fact]
    public async Task Exchange_declare_table_with_unknown_field_type_ends_the_connection()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.QueueDeclare, w =>
            w.Short(0).ShortString("").Octet(0b0100).Table(t => t.ShortString("x").Octet((byte)'?').Long(1)));
        await client.ExpectConnectionEndAsync(501, 502, 541);
    }

    [Fact]
    public async Task Bad_frame_closes_only_its_own_connection()
    {
        await using RawClient bad = await RawClient.OpenWithChannelAsync(Broker.Address);
        await bad.SendFrameAsync(RawFrame.Method, 1, [0xFF], end: 0);
        while (await bad.ReadFrameAsync() is { } frame && frame.MethodId != Methods.ConnectionClose)
        {
        }

        string queue = await QueueAsync();
        await SendAsync(queue, "still here");
        Assert.Equal("still here", (await GetAsync(queue)).Body);
    }

    private static async Task<string> QueueNamedByRawAsync(RawClient client)
    {
        await client.SendMethodAsync(1, Methods.QueueDeclare, w => w.Short(0).ShortString("").Octet(0b0100).Table());
        return (await client.ExpectAsync(1, Methods.QueueDeclareOk)).Arguments.ShortString();
    }
}
