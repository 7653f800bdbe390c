using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Sluice.Base.Buffers;
using Sluice.Client.Connections;
using Sluice.Client.Producing;
using Sluice.TestKit.Time;

namespace Sluice.Client.Tests.Connections;

/// <summary>Connections that cannot be made, and that trying again would not help.</summary>
public sealed class NodeTests : IAsyncDisposable
{
    private readonly ManualTimeProvider _time = new();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly SemaphoreSlim _ended = new(0);
    private readonly Task _answering;
    private readonly Node _node;
    private int _attempts;

    public NodeTests()
    {
        _listener.Start();
        _answering = AnswerAsync();
        string address = _listener.LocalEndpoint.ToString()!;
        var options = new ProducerOptions { BootstrapServers = address, Tls = new SslClientAuthenticationOptions(), Time = _time };
        _node = new Node(1, BrokerAddress.ParseList(address)[0], new Connector(options, new BufferPool()), options, () => _ended.Release());
    }

    [Fact]
    public async Task Who_waits_is_told_once_and_then_it_is_tried_again()
    {
        await FailAsync();
        Assert.Null(_node.TryGet(out KafkaClientException? failure));
        Assert.False(failure!.IsRetriable, failure.Message);
        Assert.Equal(1, _attempts);
        _time.Advance(TimeSpan.FromSeconds(1));
        await FailAsync();
        Assert.Equal(2, _attempts);
    }

    [Fact]
    public async Task A_failure_of_long_ago_is_not_told_to_who_asks_first_after_it()
    {
        await FailAsync();
        _time.Advance(TimeSpan.FromHours(1));
        await FailAsync();
        Assert.Equal(2, _attempts);
        Assert.Null(_node.TryGet(out KafkaClientException? failure));
        Assert.False(failure!.IsRetriable, failure.Message);
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        _listener.Stop();
        await _answering;
        _listener.Dispose();
        _ended.Dispose();
    }

    /// <summary>An attempt begins, no earlier one is told of, and it fails.</summary>
    private async Task FailAsync()
    {
        Assert.Null(_node.TryGet(out KafkaClientException? failure));
        Assert.Null(failure);
        Assert.True(await _ended.WaitAsync(TimeSpan.FromMinutes(1)));
    }

    /// <summary>Answers with what is no TLS.</summary>
    private async Task AnswerAsync()
    {
        while (true)
        {
            try
            {
                using TcpClient client = await _listener.AcceptTcpClientAsync();
                _attempts++;
                await client.GetStream().WriteAsync("This is no handshake.\r\n"u8.ToArray());

                // Until the other side has gone.
                await client.GetStream().CopyToAsync(Stream.Null);
            }
            catch (IOException)
            {
                // It has gone.
            }
            catch (Exception error) when (error is SocketException or InvalidOperationException)
            {
                return;
            }
        }
    }
}
