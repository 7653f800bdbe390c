using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Sluice.Security.Tests;

namespace Sluice.Transport.Tests;

/// <summary>What connections that share one thread owe each other.</summary>
public sealed class SocketLoopTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly RecordingLogger<TransportServer> _log = new();
    private TransportServer? _server;

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
            Assert.Equal(0, _server.Pool.RentedBlocks);
        }

        Assert.DoesNotContain(_log.Lines, line => line.Level >= LogLevel.Error);
    }

    private IPEndPoint Start(Func<ClientConnection, CancellationToken, Task> serve)
    {
        _server = new TransportServer(new TransportOptions { IoThreads = 1 }, TimeProvider.System, _log);
        return _server.Listen(new ListenerOptions { Name = "test", EndPoint = new IPEndPoint(IPAddress.Loopback, 0) }, new TestHandler(serve));
    }

    private static async Task<Socket> ConnectAsync(IPEndPoint endPoint)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(endPoint);
        return socket;
    }

    private static async Task EchoAllAsync(IPEndPoint endPoint, int seed, int bytes)
    {
        using Socket client = await ConnectAsync(endPoint);
        var random = new Random(seed);
        byte[] sent = new byte[bytes];
        random.NextBytes(sent);
        Task send = Task.Run(async () =>
        {
            for (int at = 0; at < sent.Length;)
            {
                int part = Math.Min(sent.Length - at, random.Next(10) == 0 ? random.Next(1, 200_000) : random.Next(1, 300));
                await client.SendAsync(sent.AsMemory(at, part));
                at += part;
            }

            client.Shutdown(SocketShutdown.Send);
        });
        byte[] received = new byte[bytes + 1];
        int count = 0;
        using var timeout = new CancellationTokenSource(Patience);
        while (await client.ReceiveAsync(received.AsMemory(count), timeout.Token) is > 0 and int n)
        {
            count += n;
        }

        await send;
        Assert.Equal(bytes, count);
        Assert.True(received.AsSpan(0, count).SequenceEqual(sent), "bytes came back changed");
    }

    [Fact]
    public async Task Many_connections_get_back_exactly_what_they_sent_beside_some_that_never_read()
    {
        IPEndPoint endPoint = Start(TestHandler.EchoAsync);
        Socket[] deaf = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => ConnectAsync(endPoint)));
        Task[] stuffing = [.. deaf.Select(async socket =>
        {
            byte[] block = new byte[64 << 10];
            try
            {
                while (true)
                {
                    await socket.SendAsync(block);
                }
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
            }
        })];
        await Task.WhenAll(Enumerable.Range(0, 30).Select(i => EchoAllAsync(endPoint, i, 1_000_000)));
        foreach (Socket socket in deaf)
        {
            socket.Dispose();
        }

        await Task.WhenAll(stuffing);
        await Poll.UntilAsync(() => _server!.ConnectionCount == 0, "the connections to end");
    }

    [Fact]
    public async Task A_sender_that_never_pauses_lets_the_others_of_its_thread_speak()
    {
        long swallowed = 0;
        IPEndPoint endPoint = Start(async (connection, stopping) =>
        {
            connection.HandshakeCompleted();
            ReadResult first = await connection.Input.ReadAsync(stopping);
            bool isFlood = first.Buffer.FirstSpan[0] == 'f';
            connection.Input.AdvanceTo(first.Buffer.Start);
            if (!isFlood)
            {
                await TestHandler.EchoAsync(connection, stopping);
                return;
            }

            while (true)
            {
                ReadResult result = await connection.Input.ReadAsync(stopping);
                swallowed += result.Buffer.Length;
                connection.Input.AdvanceTo(result.Buffer.End);
                // The loop is slower than the sender: there is always more.
                Thread.SpinWait(20_000);
                if (result.IsCompleted)
                {
                    return;
                }
            }
        });
        using Socket flood = await ConnectAsync(endPoint);
        using var stop = new CancellationTokenSource();
        Task flooding = Task.Run(async () =>
        {
            byte[] block = [.. Enumerable.Repeat((byte)'f', 256 << 10)];
            while (!stop.IsCancellationRequested)
            {
                await flood.SendAsync(block);
            }
        });
        await Poll.UntilAsync(() => Volatile.Read(ref swallowed) > 10 << 20, "the flood");
        using Socket client = await ConnectAsync(endPoint);
        byte[] answer = new byte[1];
        using var timeout = new CancellationTokenSource(Patience);
        for (int i = 0; i < 50; i++)
        {
            await client.SendAsync("p"u8.ToArray());
            Assert.Equal(1, await client.ReceiveAsync(answer, timeout.Token));
        }

        await stop.CancelAsync();
        await flooding;
    }

    [Fact]
    public async Task Cancelled_reads_lose_no_byte()
    {
        int cancelled = 0;
        ClientConnection? served = null;
        IPEndPoint endPoint = Start(async (connection, stopping) =>
        {
            connection.HandshakeCompleted();
            Volatile.Write(ref served, connection);
            while (true)
            {
                ReadResult result = await connection.Input.ReadAsync(stopping);
                cancelled += result.IsCanceled ? 1 : 0;
                if (connection.Output.Enter())
                {
                    connection.Output.Append(result.Buffer);
                    connection.Output.Exit();
                    connection.Output.ScheduleFlush();
                }

                connection.Input.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    return;
                }

                await connection.Output.WaitForRoomAsync(stopping);
            }
        });
        using var stop = new CancellationTokenSource();
        Task cancelling = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                Volatile.Read(ref served)?.Input.CancelPendingRead();
                await Task.Yield();
            }
        });
        await EchoAllAsync(endPoint, 7, 2_000_000);
        await stop.CancelAsync();
        await cancelling;
        Assert.True(cancelled > 0, "no read was cancelled");
    }

    [Fact]
    public async Task Connections_aborted_from_elsewhere_end_whatever_they_wait_for()
    {
        IPEndPoint endPoint = Start(async (connection, stopping) =>
        {
            connection.HandshakeCompleted();
            if (connection.Id % 2 == 0 || connection.Id > 40)
            {
                await TestHandler.EchoAsync(connection, stopping);
                return;
            }

            // Never reads: waits for a peer that does not take what it is sent.
            byte[] block = new byte[60_000];
            while (!connection.Closed.IsCancellationRequested)
            {
                TestHandler.Say(connection, block);
                await connection.Output.WaitForRoomAsync(connection.Closed);
            }
        });
        Socket[] clients = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => ConnectAsync(endPoint)));
        await Poll.UntilAsync(() => _server!.Connections.Count(c => c.Id % 2 == 1 && c.Output.IsBackedUp) == 20, "outputs to back up");
        Parallel.ForEach(_server!.Connections, connection => connection.Abort("told to"));
        await Poll.UntilAsync(() => _server.ConnectionCount == 0, "the connections to end");
        foreach (Socket client in clients)
        {
            client.Dispose();
        }

        await EchoAllAsync(endPoint, 3, 100_000).WaitAsync(Patience);
    }
}
