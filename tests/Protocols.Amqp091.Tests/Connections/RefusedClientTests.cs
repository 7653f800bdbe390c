using System.Net.Sockets;
using System.Text;
using RabbitMQ.Client.Exceptions;
using Sluice.Base.Logging;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.TestKit.Time;

namespace Sluice.Protocols.Amqp091.Tests.Connections;

/// <summary>What the operator reads of clients that do not get in.</summary>
public sealed class RefusedClientTests : IAsyncLifetime
{
    private static readonly byte[] s_header = "AMQP\0\0\x09\x01"u8.ToArray();

    private readonly ManualTimeProvider _clock = new();
    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync(clock: _clock);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Assert.Empty(_server.Log.Errors);
    }

    public static TheoryData<byte[], string> Strangers => new()
    {
        { [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3], "it speaks TLS, and this port is the one without: let it connect to the port with TLS (Amqp:Tls:Port), or switch TLS off in the client (amqp:// in place of amqps://)" },
        { [0, 0, 0, 43, 0, 18, 0, 3, 0, 0, 0, 1], "it speaks Kafka's protocol, and this is the port for AMQP clients: let it connect to the one for its protocol (Kafka:Port)" },
        { Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "it speaks HTTP, and this is the port for AMQP clients: the broker's HTTP API has another (Admin:Port)" },
        { Encoding.ASCII.GetBytes("PUT /api HTTP/1.1\r\n"), "it speaks HTTP, and this is the port for AMQP clients: the broker's HTTP API has another (Admin:Port)" },
        { Header(0, 1, 0, 0), "it speaks AMQP 1.0, and only AMQP 0-9-1 is served: give it a client library for that" },
        { Header(3, 1, 0, 0), "it speaks AMQP 1.0, and only AMQP 0-9-1 is served: give it a client library for that" },
        { Header(1, 1, 8, 0), "it speaks AMQP 0-8, and only AMQP 0-9-1 is served: give it a client library for that" },
        { Header(1, 1, 0, 10), "it speaks AMQP 0-10, and only AMQP 0-9-1 is served: give it a client library for that" },
        { Header(9, 9, 9, 9), "it speaks an unknown version of AMQP, and only AMQP 0-9-1 is served: give it a client library for that" },
        { "hello"u8.ToArray(), "it speaks no protocol that is known, and this is the port for AMQP clients (it begins with the octets 68656C6C6F)" },
        { new byte[20], "it speaks no protocol that is known, and this is the port for AMQP clients (it begins with the octets 0000000000000000)" },
    };

    [Theory]
    [MemberData(nameof(Strangers))]
    public async Task A_client_that_speaks_something_else_is_told_by_what_it_speaks(byte[] says, string reason)
    {
        await SayAsync(says);
        Assert.Matches("^Connection 127.0.0.1:[0-9]+ -> 127.0.0.1:[0-9]+ is closed: ", Assert.Single(_server.Log.Warnings));
        Assert.EndsWith($" is closed: {reason}", _server.Log.Warnings[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_comes_again_and_again_is_told_of_once_a_minute()
    {
        for (byte i = 0; i < 5; i++)
        {
            // What is junk is always other junk.
            await SayAsync([0xFF, i, i, i, i, i, i, i]);
        }

        Assert.Single(_server.Log.Warnings);
        _clock.Advance(RefusalLog.Period);
        Assert.Equal(2, _server.Log.Warnings.Count);
        Assert.Equal(
            $"Client 127.0.0.1 on port {_server.EndPoint.Port}: connection closed 4 more times within a minute: it speaks no protocol that is known, and this is the port for AMQP clients",
            _server.Log.Warnings[1]);
        _clock.Advance(RefusalLog.Period);
        Assert.Equal(2, _server.Log.Warnings.Count);
    }

    [Fact]
    public async Task A_refused_login_is_one_warning_with_who_from_where_why_and_what_the_client_calls_itself()
    {
        for (int i = 0; i < 3; i++)
        {
            RabbitMQ.Client.ConnectionFactory factory = _server.Factory(password: "wrong");
            factory.ClientProvidedName = "billing";
            await Assert.ThrowsAsync<BrokerUnreachableException>(() => factory.CreateConnectionAsync());
        }

        Assert.Matches("^Login of user 'guest' from 127.0.0.1:[0-9]+, client 'billing', refused: the password is wrong$", Assert.Single(_server.Log.Warnings));
        _clock.Advance(RefusalLog.Period);
        Assert.Equal(2, _server.Log.Warnings.Count);
        Assert.Equal("Login of user 'guest' from 127.0.0.1 was refused 2 more times within a minute: the password is wrong", _server.Log.Warnings[1]);
    }

    [Fact]
    public async Task A_virtual_host_that_is_asked_for_in_vain_is_told_of_once_a_minute()
    {
        for (int i = 0; i < 3; i++)
        {
            using RawClient client = await RawClient.LoginAsync(_server);
            await client.ExpectAsync(MethodIds.ConnectionTune);
            await client.SendAsync(0, new ConnectionTuneOk { ChannelMax = 2047, FrameMax = 131072 });
            await client.SendAsync(0, new ConnectionOpen { VirtualHost = "nowhere"u8 });
            await client.ExpectConnectionCloseAsync(ReplyCode.NotAllowed);
        }

        Assert.EndsWith("user 'guest', virtual host '': NOT_ALLOWED - vhost nowhere not found", Assert.Single(_server.Log.Warnings), StringComparison.Ordinal);
        _clock.Advance(RefusalLog.Period);
        Assert.Equal($"Client 127.0.0.1 on port {_server.EndPoint.Port}: connection closed 2 more times within a minute: NOT_ALLOWED - vhost nowhere not found", _server.Log.Warnings[1]);
    }

    private static byte[] Header(params byte[] version) => [.. "AMQP"u8, .. version];

    /// <summary>Connects, says this, and reads the protocol header that is the answer to what is not served.</summary>
    private async Task SayAsync(byte[] says)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(_server.EndPoint);
        await socket.SendAsync(says);
        byte[] answer = new byte[s_header.Length];
        await using var stream = new NetworkStream(socket);
        await stream.ReadExactlyAsync(answer).AsTask().WaitAsync(Eventually.Limit);
        Assert.Equal(s_header, answer);
    }
}
