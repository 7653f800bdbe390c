using System.Text;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Tests.Connections;

/// <summary>What no client should send: the protocol's error, that connection only, and a log line that says who and why.</summary>
public sealed class BadInputTests : IAsyncLifetime
{
    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await Eventually.TrueAsync(() => _server.Amqp.Connections.Count == 0, "all connections ended");
        await Eventually.TrueAsync(() => _server.Pool.RentedBlocks == 0, "all blocks returned");
        Assert.Empty(_server.Log.Errors);
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData("AMQP\x01\x01\x08\x00")]
    [InlineData("AMQP\x00\x01\x00\x00")]
    [InlineData("GET / HTTP/1.1\r\n\r\n")]
    [InlineData("\x16\x03\x01\x00\x00\x00\x00\x00")]
    public async Task AMQP_4_2_2_another_protocol_header_is_answered_with_ours(string header)
    {
        using RawClient client = await RawClient.ConnectAsync(_server);
        await client.SendBytesAsync(Encoding.Latin1.GetBytes(header));
        Assert.Equal("AMQP\0\0\x09\x01", Encoding.Latin1.GetString(await client.ReadToEndAsync()));
    }

    [Fact]
    public async Task A_frame_beyond_frame_max_ends_the_connection_with_501()
    {
        using RawClient client = await RawClient.OpenAsync(_server, frameMax: 4096);
        await client.SendBytesAsync([3, 0, 1, 0, 1, 0, 0]);
        Assert.StartsWith("FRAME_ERROR", await client.ExpectConnectionCloseAsync(ReplyCode.FrameError), StringComparison.Ordinal);
        AssertLogged("FRAME_ERROR", "guest");
    }

    [Fact]
    public async Task A_wrong_end_octet_ends_the_connection_with_501()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        byte[] frame = RawClient.Method(1, new BasicQos());
        frame[^1] = 0;
        await client.SendBytesAsync(frame);
        await client.ExpectConnectionCloseAsync(ReplyCode.FrameError);
        AssertLogged("invalid_frame_end_marker", "guest");
    }

    [Fact]
    public async Task An_unknown_frame_type_ends_the_connection_with_501()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendBytesAsync(RawClient.Frame(9, 1, 1, 2, 3));
        await client.ExpectConnectionCloseAsync(ReplyCode.FrameError);
    }

    [Fact]
    public async Task Bad_utf8_in_a_name_ends_the_connection_with_501()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendAsync(1, new QueueDeclare { Queue = [0xC3, 0x28] });
        Assert.Equal("FRAME_ERROR - Malformed UTF-8 in shortstr", await client.ExpectConnectionCloseAsync(ReplyCode.FrameError));
    }

    [Fact]
    public async Task Tables_nested_without_end_end_the_connection_with_502()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        byte[] table = [];
        for (int i = 0; i < 1000; i++)
        {
            table = [1, (byte)'n', (byte)'F', (byte)(table.Length >> 24), (byte)(table.Length >> 16), (byte)(table.Length >> 8), (byte)table.Length, .. table];
        }

        await client.SendAsync(1, new QueueDeclare { Queue = "q"u8, Arguments = table });
        await client.ExpectConnectionCloseAsync(ReplyCode.SyntaxError);
    }

    [Theory]
    [InlineData(60, 999, ReplyCode.NotImplemented)]
    [InlineData(999, 10, ReplyCode.NotImplemented)]
    [InlineData(60, 60, ReplyCode.CommandInvalid)]
    [InlineData(10, 40, ReplyCode.CommandInvalid)]
    public async Task Unknown_methods_and_those_of_the_server_end_the_connection(int classId, int methodId, ReplyCode code)
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendBytesAsync(RawClient.Frame(1, 1, (byte)(classId >> 8), (byte)classId, (byte)(methodId >> 8), (byte)methodId));
        await client.ExpectConnectionCloseAsync(code);
    }

    [Fact]
    public async Task A_publish_to_a_channel_not_open_ends_the_connection_with_504()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendBytesAsync(RawClient.Publish(2, "", "q", [1]));
        Assert.Contains("expected 'channel.open'", await client.ExpectConnectionCloseAsync(ReplyCode.ChannelError), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_channel_open_ends_the_connection_with_504()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendAsync(1, new ChannelOpen());
        await client.ExpectConnectionCloseAsync(ReplyCode.ChannelError);
    }

    [Fact]
    public async Task A_channel_above_channel_max_ends_the_connection_with_530()
    {
        using RawClient client = await RawClient.OpenAsync(_server, channelMax: 4);
        await client.SendAsync(5, new ChannelOpen());
        await client.ExpectConnectionCloseAsync(ReplyCode.NotAllowed);
    }

    [Fact]
    public async Task A_body_without_a_method_ends_the_connection_with_505()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendBytesAsync(RawClient.Frame(3, 1, 1, 2, 3));
        await client.ExpectConnectionCloseAsync(ReplyCode.UnexpectedFrame);
    }

    [Fact]
    public async Task A_method_instead_of_a_content_header_ends_the_connection_with_505()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendAsync(1, new BasicPublish { RoutingKey = "q"u8 });
        await client.SendAsync(1, new BasicQos());
        await client.ExpectConnectionCloseAsync(ReplyCode.UnexpectedFrame);
    }

    [Fact]
    public async Task A_method_instead_of_the_body_ends_the_connection_with_505()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        byte[] publish = RawClient.Publish(1, "", "q", new byte[10]);
        await client.SendBytesAsync(publish[..^18]);
        await client.SendAsync(1, new BasicQos());
        await client.ExpectConnectionCloseAsync(ReplyCode.UnexpectedFrame);
    }

    [Fact]
    public async Task More_body_than_announced_ends_the_connection_with_501()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        byte[] publish = RawClient.Publish(1, "", "q", new byte[10]);
        await client.SendBytesAsync([.. publish[..^18], .. RawClient.Frame(3, 1, new byte[11])]);
        await client.ExpectConnectionCloseAsync(ReplyCode.FrameError);
    }

    [Fact]
    public async Task A_content_header_of_another_class_ends_the_connection_with_505()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        byte[] publish = RawClient.Publish(1, "", "q", [1]);
        int header = publish.Length - 9 - 22;
        publish[header + 8] = 50;
        await client.SendBytesAsync(publish);
        await client.ExpectConnectionCloseAsync(ReplyCode.UnexpectedFrame);
    }

    [Fact]
    public async Task Malformed_properties_end_the_connection_with_502()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendBytesAsync(RawClient.Publish(1, "", "q", [1], [0xFF, 0xFC, 5]));
        await client.ExpectConnectionCloseAsync(ReplyCode.SyntaxError);
    }

    [Fact]
    public async Task A_body_larger_than_allowed_closes_the_channel_before_it_arrives()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        byte[] publish = RawClient.Publish(1, "", "q", []);
        publish[^11] = 1;
        publish[^10] = 0xFF;
        await client.SendBytesAsync(publish);
        Assert.Contains("message size", await client.ExpectChannelCloseAsync(ReplyCode.PreconditionFailed), StringComparison.Ordinal);
        await client.OpenChannelAsync(1);
        await client.AssertWorksAsync();
    }

    [Fact]
    public async Task A_heartbeat_with_a_payload_ends_the_connection_with_501()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.SendBytesAsync(RawClient.Frame(8, 0, 1));
        await client.ExpectConnectionCloseAsync(ReplyCode.FrameError);
    }

    [Fact]
    public async Task Methods_before_the_handshake_is_over_end_the_connection()
    {
        using RawClient client = await RawClient.LoginAsync(_server);
        await client.ExpectAsync(MethodIds.ConnectionTune);
        await client.SendAsync(1, new ChannelOpen());
        await client.ExpectConnectionCloseAsync(ReplyCode.ChannelError);
    }

    [Fact]
    public async Task A_client_may_close_before_it_has_logged_in_or_opened_a_virtual_host()
    {
        using RawClient unknown = await RawClient.ConnectAsync(_server);
        await unknown.SendBytesAsync(ProtocolHeader.Bytes.ToArray());
        await unknown.ExpectAsync(MethodIds.ConnectionStart);
        using RawClient known = await RawClient.LoginAsync(_server);
        await known.ExpectAsync(MethodIds.ConnectionTune);
        foreach (RawClient client in (RawClient[])[unknown, known])
        {
            await client.SendAsync(0, new ConnectionClose { ReplyCode = 200 });
            await client.ExpectAsync(MethodIds.ConnectionCloseOk);
            Assert.Null(await client.ReadFrameAsync());
        }
    }

    [Theory]
    [InlineData(1, 131072, "channel_max")]
    [InlineData(0, 131072, "channel_max")]
    [InlineData(100, 100, "frame_max")]
    [InlineData(100, 1_000_000, "frame_max")]
    public async Task Tuning_beyond_the_limits_ends_the_connection_with_530(int channelMax, int frameMax, string field)
    {
        using RawClient client = await RawClient.LoginAsync(_server);
        await client.ExpectAsync(MethodIds.ConnectionTune);
        await client.SendAsync(0, new ConnectionTuneOk { ChannelMax = (ushort)(channelMax == 1 ? 65535 : channelMax), FrameMax = (uint)frameMax });
        Assert.Contains(field, await client.ExpectConnectionCloseAsync(ReplyCode.NotAllowed), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_password_is_told_to_those_who_understand_it_and_the_others_see_the_end()
    {
        using RawClient told = await RawClient.LoginAsync(_server, capabilities => capabilities.Add("authentication_failure_close"u8, true), "wrong");
        Assert.StartsWith("ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN", await told.ExpectConnectionCloseAsync(ReplyCode.AccessRefused), StringComparison.Ordinal);
        using RawClient untold = await RawClient.LoginAsync(_server, password: "wrong");
        Assert.Null(await untold.ReadFrameAsync());
    }

    [Fact]
    public async Task One_byte_at_a_time_is_slow_and_otherwise_all_the_same()
    {
        using RawClient client = await RawClient.OpenAsync(_server);
        await client.DeclareAsync("q");
        byte[] bytes = [.. RawClient.Publish(1, "", "q", "first"u8.ToArray()), .. RawClient.Method(1, new BasicGet { Queue = "q"u8, NoAck = true })];
        foreach (byte one in bytes)
        {
            await client.SendBytesAsync([one]);
        }

        await client.ExpectAsync(MethodIds.BasicGetOk, 1);
        await client.ReadFrameAsync();
        Assert.Equal("first"u8.ToArray(), (await client.ReadFrameAsync())!.Payload);
    }

    [Fact]
    public async Task An_error_on_one_connection_leaves_the_others_alone()
    {
        using RawClient good = await RawClient.OpenAsync(_server);
        using RawClient bad = await RawClient.OpenAsync(_server);
        await bad.SendBytesAsync([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        await bad.ExpectConnectionCloseAsync(ReplyCode.FrameError);
        await good.AssertWorksAsync();
    }

    [Fact]
    public async Task After_an_error_what_was_sent_before_it_counts()
    {
        using (RawClient client = await RawClient.OpenAsync(_server))
        {
            await client.DeclareAsync("kept");
            await client.SendBytesAsync([.. RawClient.Publish(1, "", "kept", [1]), .. RawClient.Publish(1, "none", "kept", [2])]);
            Assert.Equal("NOT_FOUND - no exchange 'none' in vhost '/'", await client.ExpectChannelCloseAsync(ReplyCode.NotFound));
            await client.OpenChannelAsync(1);
            Assert.Equal(1, _server.Host.FindQueue("kept", null).Value!.ReadyCount);
        }
    }

    private void AssertLogged(string what, string user) =>
        Assert.Contains(_server.Log.Warnings, line => line.Contains(what, StringComparison.Ordinal) && line.Contains($"user '{user}'", StringComparison.Ordinal) && line.Contains("virtual host '/'", StringComparison.Ordinal));
}
