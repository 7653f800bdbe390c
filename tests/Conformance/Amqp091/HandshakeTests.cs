using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Sluice.Conformance.Amqp091;

/// <summary>Protocol header, start, tune, open, close (AMQP 0-9-1 sections 2.2.4, 4.2.2; class connection).</summary>
public sealed class HandshakeTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Theory]
    [InlineData(new byte[] { (byte)'A', (byte)'M', (byte)'Q', (byte)'P', 0, 1, 0, 0 })]
    [InlineData(new byte[] { (byte)'A', (byte)'M', (byte)'Q', (byte)'P', 9, 9, 9, 9 })]
    [InlineData(new byte[] { (byte)'G', (byte)'E', (byte)'T', (byte)' ', (byte)'/', (byte)' ', (byte)'H', (byte)'T' })]
    public async Task Protocol_header_4_2_2_of_another_version_is_answered_with_ours_and_a_close(byte[] header)
    {
        await using RawClient client = await RawClient.ConnectAsync(Broker.Address);
        await client.SendAsync(header);
        Assert.Equal(RawClient.ProtocolHeader, await client.ReadToEndAsync());
    }

    [Fact]
    public async Task Connection_start_names_version_mechanisms_and_locale()
    {
        await using RawClient client = await RawClient.ConnectAsync(Broker.Address);
        await client.SendAsync(RawClient.ProtocolHeader);
        await client.ReadStartAsync();
        Assert.Equal((0, 9), (client.Start!.Major, client.Start.Minor));
        Assert.Contains("PLAIN", client.Start.Mechanisms.Split(' '));
        Assert.Contains("AMQPLAIN", client.Start.Mechanisms.Split(' '));
        Assert.Contains("en_US", client.Start.Locales.Split(' '));
    }

    [Fact]
    public async Task Connection_start_server_properties_have_product_version_and_capabilities()
    {
        await using RawClient client = await RawClient.ConnectAsync(Broker.Address);
        await client.SendAsync(RawClient.ProtocolHeader);
        await client.ReadStartAsync();
        IReadOnlyDictionary<string, object?> properties = client.Start!.Properties;
        foreach (string name in (string[])["product", "version", "platform"])
        {
            Assert.IsType<string>(properties[name]);
        }

        var capabilities = Assert.IsType<Dictionary<string, object?>>(properties["capabilities"]);
        foreach (string name in (string[])["publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
            "connection.blocked", "consumer_priorities", "authentication_failure_close", "per_consumer_qos", "direct_reply_to"])
        {
            Assert.True(capabilities.TryGetValue(name, out object? value) && value is true, $"capability {name}");
        }
    }

    [Fact]
    public async Task Connection_handshake_sent_one_byte_at_a_time_succeeds()
    {
        await using RawClient client = await RawClient.ConnectAsync(Broker.Address);
        foreach (byte b in RawClient.ProtocolHeader)
        {
            await client.SendAsync(new[] { b });
        }

        await client.ReadStartAsync();
        byte[] startOk = RawClient.Frame(RawFrame.Method, 0, RawClient.MethodPayload(Methods.ConnectionStartOk, w =>
            w.Table().ShortString("PLAIN").LongString("\0guest\0guest").ShortString("en_US")));
        foreach (byte b in startOk)
        {
            await client.SendAsync(new[] { b });
        }

        await client.ReadTuneAsync();
    }

    [Fact]
    public async Task Connection_start_ok_AMQPLAIN_logs_in()
    {
        await using RawClient client = await StartAmqPlainAsync(new RawWriter().Entry("LOGIN", "guest").Entry("PASSWORD", "guest"));
        await client.ReadTuneAsync();
        await client.SendTuneOkAsync(client.Tune!.ChannelMax, client.Tune.FrameMax, 0);
        await client.SendOpenAsync("/");
        await client.ExpectAsync(0, Methods.ConnectionOpenOk);
    }

    [Fact]
    public async Task Connection_start_ok_AMQPLAIN_with_wrong_password_is_refused_403()
    {
        await using RawClient client = await StartAmqPlainAsync(new RawWriter().Entry("LOGIN", "guest").Entry("PASSWORD", "wrong"));
        RawClose close = await client.ExpectConnectionCloseAsync(403);
        Assert.Contains("AMQPLAIN", close.Text);
    }

    [Fact]
    public async Task Connection_start_ok_AMQPLAIN_without_a_password_ends_the_connection()
    {
        await using RawClient client = await StartAmqPlainAsync(new RawWriter().Entry("LOGIN", "guest"));
        await client.ExpectConnectionEndAsync(502);
    }

    [Fact]
    public async Task Connection_start_ok_with_wrong_password_is_refused_403_when_the_client_can_take_the_close()
    {
        await using RawClient client = await RawClient.ConnectAsync(Broker.Address);
        await client.SendAsync(RawClient.ProtocolHeader);
        await client.ReadStartAsync();
        await client.SendStartOkAsync(response: "\0guest\0wrong");
        RawClose close = await client.ExpectConnectionCloseAsync(403);
        Assert.StartsWith("ACCESS_REFUSED", close.Text);
    }

    [Fact]
    public async Task Connection_start_ok_with_wrong_password_is_cut_off_without_a_word_when_it_cannot()
    {
        await using RawClient client = await RawClient.ConnectAsync(Broker.Address);
        await client.SendAsync(RawClient.ProtocolHeader);
        await client.ReadStartAsync();
        await client.SendStartOkAsync(response: "\0guest\0wrong", clientProperties: _ => { });
        Assert.Null(await client.ReadFrameAsync());
    }

    [Fact]
    public async Task Connection_start_ok_with_unknown_mechanism_is_refused()
    {
        await using RawClient client = await RawClient.ConnectAsync(Broker.Address);
        await client.SendAsync(RawClient.ProtocolHeader);
        await client.ReadStartAsync();
        await client.SendStartOkAsync(mechanism: "NO-SUCH");
        RawFrame? frame = await client.ReadFrameAsync();
        Assert.True(frame is null || frame.MethodId == Methods.ConnectionClose, "an unknown mechanism must end the connection");
    }

    [Fact]
    public async Task Connection_start_ok_client_library_reports_the_authentication_failure()
    {
        BrokerUnreachableException failure = await Assert.ThrowsAsync<BrokerUnreachableException>(() => ConnectAsync(f => f.Password = "wrong"));
        Assert.IsType<AuthenticationFailureException>(failure.InnerException);
    }

    [Fact]
    public async Task Connection_tune_proposes_channel_max_2047_frame_max_128_KiB_heartbeat_60()
    {
        await using RawClient client = await RawClient.OpenAsync(Broker.Address);
        Assert.Equal(2047, client.Tune!.ChannelMax);
        Assert.Equal(131_072u, client.Tune.FrameMax);
        Assert.Equal(60, client.Tune.Heartbeat);
    }

    [Theory]
    [InlineData((ushort)4000, 131_072u)]
    [InlineData((ushort)2047, 1_000_000u)]
    [InlineData((ushort)2047, 100u)]
    [InlineData((ushort)0, 131_072u)]
    public async Task Connection_tune_ok_beyond_what_was_offered_ends_the_connection(ushort channelMax, uint frameMax)
    {
        await using RawClient client = await RawClient.ConnectAsync(Broker.Address);
        await client.SendAsync(RawClient.ProtocolHeader);
        await client.ReadStartAsync();
        await client.SendStartOkAsync();
        await client.ReadTuneAsync();
        await client.SendTuneOkAsync(channelMax, frameMax, 0);
        await client.ExpectConnectionEndAsync(530, 501);
    }

    [Fact]
    public async Task Connection_tune_ok_smaller_frame_max_is_kept_by_the_server()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address, frameMax: 4096);
        string queue = Name();
        await client.SendMethodAsync(1, Methods.QueueDeclare, w => w.Short(0).ShortString(queue).Octet(0b0100).Table());
        await client.ExpectAsync(1, Methods.QueueDeclareOk);
        byte[] body = new byte[4096 - 8];
        await client.SendMethodAsync(1, Methods.BasicPublish, w => w.Short(0).ShortString("").ShortString(queue).Octet(0));
        await client.SendFrameAsync(RawFrame.Header, 1, RawClient.ContentHeader(10_000));
        await client.SendFrameAsync(RawFrame.Body, 1, body);
        await client.SendFrameAsync(RawFrame.Body, 1, body);
        await client.SendFrameAsync(RawFrame.Body, 1, new byte[10_000 - (2 * body.Length)]);
        RawFrame? frame;
        do
        {
            await client.SendMethodAsync(1, Methods.BasicGet, w => w.Short(0).ShortString(queue).Octet(1));
            frame = await client.ReadFrameAsync();
        }
        while (frame is { MethodId: Methods.BasicGetEmpty });
        Assert.Equal(Methods.BasicGetOk, frame!.MethodId);
        Assert.Equal(RawFrame.Header, (await client.ReadFrameAsync())!.Type);
        int received = 0;
        while (received < 10_000)
        {
            RawFrame part = (await client.ReadFrameAsync())!;
            Assert.Equal(RawFrame.Body, part.Type);
            Assert.InRange(part.Payload.Length, 1, 4096 - 8);
            received += part.Payload.Length;
        }

        Assert.Equal(10_000, received);
    }

    [Fact]
    public async Task Connection_tune_ok_channel_max_is_kept_530_beyond_it()
    {
        await using RawClient client = await RawClient.OpenAsync(Broker.Address, channelMax: 1);
        await client.OpenChannelAsync(1);
        await client.SendMethodAsync(2, Methods.ChannelOpen, w => w.ShortString(""));
        await client.ExpectConnectionCloseAsync(530);
    }

    [Fact]
    public async Task Connection_open_unknown_virtual_host_is_refused_530()
    {
        await using RawClient client = await RawClient.ConnectAsync(Broker.Address);
        await client.SendAsync(RawClient.ProtocolHeader);
        await client.ReadStartAsync();
        await client.SendStartOkAsync();
        await client.ReadTuneAsync();
        await client.SendTuneOkAsync(client.Tune!.ChannelMax, client.Tune.FrameMax, 0);
        await client.SendOpenAsync("no-such-host");
        RawClose close = await client.ExpectConnectionCloseAsync(530);
        Assert.Equal("NOT_ALLOWED - vhost no-such-host not found", close.Text);
    }

    [Fact]
    public async Task Connection_close_is_answered_close_ok()
    {
        await using RawClient client = await RawClient.OpenAsync(Broker.Address);
        await client.SendMethodAsync(0, Methods.ConnectionClose, w => w.Short(200).ShortString("bye").Short(0).Short(0));
        await client.ExpectAsync(0, Methods.ConnectionCloseOk);
    }

    [Fact]
    public async Task Connection_update_secret_is_accepted()
    {
        await Connection.UpdateSecretAsync("guest", "renewed");
        Assert.True(Connection.IsOpen);
    }

    [Fact]
    public async Task Channel_open_close_and_open_again_with_the_same_number()
    {
        await using RawClient client = await RawClient.OpenAsync(Broker.Address);
        for (int i = 0; i < 3; i++)
        {
            await client.OpenChannelAsync(7);
            await client.SendMethodAsync(7, Methods.ChannelClose, w => w.Short(200).ShortString("").Short(0).Short(0));
            await client.ExpectAsync(7, Methods.ChannelCloseOk);
        }
    }

    [Fact]
    public async Task Channel_flow_active_true_is_answered()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.ChannelFlow, w => w.Octet(1));
        RawFrame ok = await client.ExpectAsync(1, Methods.ChannelFlowOk);
        Assert.Equal(1, ok.Arguments.Octet());
    }

    [Fact]
    public async Task Channel_flow_active_false_pauses_deliveries_until_true()
    {
        SkipOnRabbitMq("RabbitMQ answers channel.flow with active=false by 540 not implemented");
        string queue = await DurableQueueAsync();
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.BasicConsume, w => w.Short(0).ShortString(queue).ShortString("").Octet(0b0010).Table());
        await client.ExpectAsync(1, Methods.BasicConsumeOk);
        await client.SendMethodAsync(1, Methods.ChannelFlow, w => w.Octet(0));
        Assert.Equal(0, (await client.ExpectAsync(1, Methods.ChannelFlowOk)).Arguments.Octet());
        await SendAsync(queue, "held");
        await ReadyBecomesAsync(queue, 1);

        // Whatever was delivered in spite of the pause would come before the answer to this.
        await client.SendMethodAsync(1, Methods.ChannelFlow, w => w.Octet(1));
        Assert.Equal(1, (await client.ExpectAsync(1, Methods.ChannelFlowOk)).Arguments.Octet());
        await client.ExpectAsync(1, Methods.BasicDeliver);
    }

    /// <summary>AMQPLAIN's response is a table without its length.</summary>
    private async Task<RawClient> StartAmqPlainAsync(RawWriter credentials)
    {
        RawClient client = await RawClient.ConnectAsync(Broker.Address);
        await client.SendAsync(RawClient.ProtocolHeader);
        await client.ReadStartAsync();
        byte[] response = credentials.ToArray();
        await client.SendMethodAsync(0, Methods.ConnectionStartOk, w => w
            .Table(t => t.Entry("capabilities", c => c.Entry("authentication_failure_close", true)))
            .ShortString("AMQPLAIN").Long((uint)response.Length).Raw(response).ShortString("en_US"));
        return client;
    }
}
