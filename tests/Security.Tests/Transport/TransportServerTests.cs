using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;
using Sluice.Security.Tests;

namespace Sluice.Transport.Tests;

public sealed class TransportServerTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly RecordingLogger<TransportServer> _log = new();
    private TransportServer? _server;

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
            Assert.Equal(0, _server.ConnectionCount);
            Assert.Equal(0, _server.Pool.RentedBlocks);
        }

        Assert.DoesNotContain(_log.Lines, line => line.Level >= LogLevel.Error);
    }

    private IPEndPoint Start(Func<ClientConnection, CancellationToken, Task> serve, TransportOptions? options = null, ListenerOptions? listener = null, Func<ClientConnection, string, Task>? refuse = null)
    {
        _server = new TransportServer(options ?? new TransportOptions(), TimeProvider.System, _log);
        return _server.Listen(
            listener ?? new ListenerOptions { Name = "test", EndPoint = new IPEndPoint(IPAddress.Loopback, 0) },
            new TestHandler(serve) { Refuse = refuse });
    }

    private static async Task<Socket> ConnectAsync(IPEndPoint endPoint)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(endPoint);
        return socket;
    }

    /// <summary>All that the peer says until it closes; a reset counts as the end.</summary>
    private static async Task<string> ReadToEndAsync(Socket socket)
    {
        var text = new StringBuilder();
        byte[] buffer = new byte[1024];
        using var timeout = new CancellationTokenSource(Patience);
        try
        {
            while (true)
            {
                int count = await socket.ReceiveAsync(buffer, timeout.Token);
                if (count == 0)
                {
                    return text.ToString();
                }

                text.Append(Encoding.ASCII.GetString(buffer, 0, count));
            }
        }
        catch (SocketException)
        {
            return text.ToString();
        }
    }

    [Fact]
    public async Task Bytes_come_and_go_and_a_half_closed_peer_still_gets_its_answer()
    {
        IPEndPoint endPoint = Start(TestHandler.EchoAsync);
        using Socket client = await ConnectAsync(endPoint);
        await client.SendAsync("hello"u8.ToArray());
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal("hello", await ReadToEndAsync(client));
        await Poll.UntilAsync(() => _server!.ConnectionCount == 0, "the connection to end");
    }

    [Fact]
    public async Task One_byte_at_a_time_is_received_like_any_other_input()
    {
        IPEndPoint endPoint = Start(TestHandler.EchoAsync);
        using Socket client = await ConnectAsync(endPoint);
        client.NoDelay = true;
        string text = string.Concat(Enumerable.Range(0, 300));
        foreach (byte one in Encoding.ASCII.GetBytes(text))
        {
            await client.SendAsync(new[] { one });
        }

        client.Shutdown(SocketShutdown.Send);
        Assert.Equal(text, await ReadToEndAsync(client));
    }

    [Fact]
    public async Task Megabytes_pass_in_both_directions()
    {
        IPEndPoint endPoint = Start(TestHandler.EchoAsync);
        using Socket client = await ConnectAsync(endPoint);
        byte[] sent = new byte[20 << 20];
        new Random(1).NextBytes(sent);
        byte[] received = new byte[sent.Length];
        using var stream = new NetworkStream(client);
        Task sending = stream.WriteAsync(sent).AsTask();
        await stream.ReadExactlyAsync(received);
        await sending;
        Assert.True(received.AsSpan().SequenceEqual(sent));
    }

    [Fact]
    public async Task A_connection_knows_who_is_at_both_ends()
    {
        var seen = new TaskCompletionSource<ClientConnection>();
        IPEndPoint endPoint = Start(
            (connection, _) =>
            {
                seen.SetResult(connection);
                return Task.CompletedTask;
            },
            listener: new ListenerOptions { Name = "all", EndPoint = new IPEndPoint(IPAddress.IPv6Any, 0) });
        using Socket client = await ConnectAsync(new IPEndPoint(IPAddress.Loopback, endPoint.Port));
        ClientConnection connection = await seen.Task.WaitAsync(Patience);
        Assert.Equal(((IPEndPoint)client.LocalEndPoint!).Port, connection.RemoteEndPoint.Port);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, endPoint.Port), connection.LocalEndPoint);
        Assert.True(connection.IsLoopback);
        Assert.Equal($"127.0.0.1:{connection.RemoteEndPoint.Port} -> 127.0.0.1:{endPoint.Port}", connection.Name);
        Assert.Null(connection.Tls);
        Assert.True(connection.Id > 0);
    }

    [Fact]
    public async Task Last_words_reach_a_peer_that_is_still_sending()
    {
        IPEndPoint endPoint = Start(async (connection, stopping) =>
        {
            connection.HandshakeCompleted();
            ReadResult first = await connection.Input.ReadAsync(stopping);
            connection.Input.AdvanceTo(first.Buffer.Start);
            TestHandler.Say(connection, "you made an error"u8);
        });
        using Socket client = await ConnectAsync(endPoint);
        Task sending = Task.Run(async () =>
        {
            try
            {
                for (int i = 0; i < 100; i++)
                {
                    await client.SendAsync(new byte[10_000]);
                    await Task.Delay(2);
                }
            }
            catch (SocketException)
            {
                // The broker has had enough.
            }
        });
        await Poll.UntilAsync(() => client.Available > 0, "the last words");
        await sending;
        Assert.Equal("you made an error", await ReadToEndAsync(client));
    }

    [Fact]
    public async Task A_peer_that_does_not_complete_the_handshake_is_cut()
    {
        var reason = new TaskCompletionSource<string?>();
        IPEndPoint endPoint = Start(
            async (connection, stopping) =>
            {
                try
                {
                    await NeverReadyAsync(connection, stopping);
                }
                finally
                {
                    reason.SetResult(connection.AbortReason);
                }
            },
            new TransportOptions { HandshakeTimeout = TimeSpan.FromMilliseconds(50) });
        using Socket client = await ConnectAsync(endPoint);
        Assert.Equal("", await ReadToEndAsync(client));
        Assert.Contains("handshake", await reason.Task.WaitAsync(Patience), StringComparison.Ordinal);
        await Poll.UntilAsync(() => _log.Has(LogLevel.Information, "handshake not completed within 0.05 s"), "the log line");
    }

    private static async Task NeverReadyAsync(ClientConnection connection, CancellationToken stopping)
    {
        while (!(await connection.Input.ReadAsync(stopping)).IsCompleted)
        {
        }
    }

    [Fact]
    public async Task A_completed_handshake_ends_the_time_limit()
    {
        IPEndPoint endPoint = Start(TestHandler.EchoAsync, new TransportOptions { HandshakeTimeout = TimeSpan.FromMilliseconds(300) });
        using Socket client = await ConnectAsync(endPoint);
        await Poll.UntilAsync(() => _server!.Connections.Any(), "the connection");
        await Task.Delay(600);
        await client.SendAsync("still here"u8.ToArray());
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal("still here", await ReadToEndAsync(client));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_beyond_the_limit_is_told_why_and_others_live_on(bool limitOfListener)
    {
        IPEndPoint endPoint = Start(
            TestHandler.EchoAsync,
            new TransportOptions { ConnectionsMax = limitOfListener ? 100 : 2 },
            new ListenerOptions { Name = "small", EndPoint = new IPEndPoint(IPAddress.Loopback, 0), ConnectionsMax = limitOfListener ? 2 : 100 },
            (connection, reason) =>
            {
                TestHandler.Say(connection, Encoding.ASCII.GetBytes("sorry: " + reason));
                return Task.CompletedTask;
            });
        using Socket first = await ConnectAsync(endPoint);
        using Socket second = await ConnectAsync(endPoint);
        await Poll.UntilAsync(() => _server!.ConnectionCount == 2, "two connections");
        for (int i = 0; i < 3; i++)
        {
            using Socket third = await ConnectAsync(endPoint);
            Assert.Matches("sorry: .* maximum of 2 connections", await ReadToEndAsync(third));
        }

        // The client that tries again fills no log.
        Assert.Matches("^Connection from 127.0.0.1:.* refused: .* maximum of 2 connections$", Assert.Single(_log.Lines, static line => line.Level == LogLevel.Warning).Text);
        second.Dispose();
        await Poll.UntilAsync(() => _server!.ConnectionCount == 1, "room for another");
        using Socket fourth = await ConnectAsync(endPoint);
        foreach (Socket client in new[] { first, fourth })
        {
            await client.SendAsync("x"u8.ToArray());
            client.Shutdown(SocketShutdown.Send);
            Assert.Equal("x", await ReadToEndAsync(client));
        }
    }

    [Fact]
    public async Task A_stop_lets_handlers_say_goodbye_and_takes_no_new_connections()
    {
        IPEndPoint endPoint = Start(async (connection, stopping) =>
        {
            connection.HandshakeCompleted();
            try
            {
                await connection.Input.ReadAsync(stopping);
            }
            catch (OperationCanceledException)
            {
                TestHandler.Say(connection, "goodbye"u8);
            }
        });
        using Socket client = await ConnectAsync(endPoint);
        Task<string> words = ReadToEndAsync(client);
        await Poll.UntilAsync(() => _server!.Connections.Any(), "the connection");
        Task stop = _server!.StopAsync(Patience);
        Assert.Equal("goodbye", await words);
        client.Dispose();
        await stop;
        using var late = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await Assert.ThrowsAsync<SocketException>(async () => await late.ConnectAsync(endPoint));
        Assert.Throws<InvalidOperationException>(() => _server.Listen(new ListenerOptions { Name = "late", EndPoint = endPoint }, new TestHandler(TestHandler.EchoAsync)));
    }

    [Fact]
    public async Task A_handler_that_ignores_the_stop_is_cut()
    {
        IPEndPoint endPoint = Start(async (connection, _) =>
        {
            connection.HandshakeCompleted();
            await connection.Input.ReadAsync(CancellationToken.None);
        });
        using Socket client = await ConnectAsync(endPoint);
        await Poll.UntilAsync(() => _server!.Connections.Any(), "the connection");
        await _server!.StopAsync(TimeSpan.FromMilliseconds(20));
        Assert.Equal(0, _server.ConnectionCount);
        Assert.Equal("", await ReadToEndAsync(client));
    }

    [Fact]
    public async Task A_handler_that_fails_takes_only_its_own_connection_along()
    {
        IPEndPoint endPoint = Start(async (connection, stopping) =>
        {
            ReadResult result = await connection.Input.ReadAsync(stopping);
            if (result.Buffer.FirstSpan[0] == 'x')
            {
                throw new InvalidOperationException("a defect");
            }

            connection.Input.AdvanceTo(result.Buffer.Start);
            await TestHandler.EchoAsync(connection, stopping);
        });
        using Socket good = await ConnectAsync(endPoint);
        using Socket bad = await ConnectAsync(endPoint);
        await bad.SendAsync("x"u8.ToArray());
        Assert.Equal("", await ReadToEndAsync(bad));
        await good.SendAsync("y"u8.ToArray());
        good.Shutdown(SocketShutdown.Send);
        Assert.Equal("y", await ReadToEndAsync(good));
        await Poll.UntilAsync(() => _log.Has(LogLevel.Error, "a defect"), "the log line");
        _log.Lines.Clear();
    }

    [Fact]
    public async Task A_peer_that_never_reads_is_paused_and_cut_at_the_hard_limit_without_growth()
    {
        var limits = new ConnectionWriterLimits { HighWaterBytes = 100_000, LowWaterBytes = 10_000, HardLimitBytes = 3_000_000 };
        var done = new TaskCompletionSource<ClientConnection>();
        IPEndPoint endPoint = Start(
            async (connection, stopping) =>
            {
                connection.HandshakeCompleted();
                await connection.Input.ReadAsync(stopping);
                byte[] frame = new byte[10_000];
                for (int i = 0; i < 2000 && connection.Output.Enter(); i++)
                {
                    connection.Output.Append(frame);
                    connection.Output.Exit();
                    connection.Output.Flush();
                }

                done.SetResult(connection);
            },
            new TransportOptions { Output = limits });
        using Socket client = await ConnectAsync(endPoint);
        await client.SendAsync("x"u8.ToArray());
        ClientConnection connection = await done.Task.WaitAsync(Patience);
        Assert.Contains("does not read", connection.AbortReason, StringComparison.Ordinal);
        Assert.True(connection.Closed.IsCancellationRequested);
        await Poll.UntilAsync(() => _server!.Pool.RentedBlocks == 0, "the blocks to come back");
        Assert.True(_server!.Pool.TotalBytes <= limits.HardLimitBytes + (4 * BlockPool.BlockBytes));
    }

    [Fact]
    public async Task A_port_in_use_is_reported_with_advice()
    {
        IPEndPoint endPoint = Start(TestHandler.EchoAsync);
        var error = Assert.Throws<ListenException>(() => _server!.Listen(new ListenerOptions { Name = "twice", EndPoint = endPoint }, new TestHandler(TestHandler.EchoAsync)));
        Assert.Contains("'twice'", error.Message, StringComparison.Ordinal);
        Assert.Contains("another program", error.Message, StringComparison.Ordinal);
        await Task.CompletedTask;
    }
}
