using System.Net;
using System.Net.Sockets;

namespace Sluice.Client.Tests.Support;

/// <summary>Stands between client and broker, on the address that the broker gives out, and cuts connections: at once, or by swallowing answers first.</summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly Func<int> _brokerPort;
    private readonly Lock _sync = new();
    private readonly List<Socket> _open = [];
    private readonly Task _accepting;
    private readonly TaskCompletionSource _swallowed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _swallowsAnswers;

    /// <param name="port">Where clients come.</param>
    /// <param name="brokerPort">Where the broker is.</param>
    public CuttingProxy(int port, Func<int> brokerPort)
    {
        _brokerPort = brokerPort;
        _listener = new TcpListener(IPAddress.Loopback, port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Connections cut so far.</summary>
    public int Cuts { get; private set; }

    /// <summary>Done when the first answer was swallowed: the broker has done what it was asked to.</summary>
    public Task Swallowed => _swallowed.Task;

    /// <summary>The broker goes on to get requests, the client gets no answers: until <see cref="Cut"/>.</summary>
    public void SwallowAnswers() => _swallowsAnswers = true;

    /// <summary>Closes all connections; new ones work.</summary>
    public void Cut()
    {
        lock (_sync)
        {
            Cuts += _open.Count / 2;
            _open.ForEach(socket => socket.Close(0));
            _open.Clear();
        }

        _swallowsAnswers = false;
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        Cut();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            TcpClient client;
            var broker = new TcpClient();
            try
            {
                client = await _listener.AcceptTcpClientAsync();
                await broker.ConnectAsync(IPAddress.Loopback, _brokerPort());
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                broker.Dispose();
                return;
            }

            lock (_sync)
            {
                _open.Add(client.Client);
                _open.Add(broker.Client);
            }

            _ = PumpAsync(client, broker, isAnswers: false);
            _ = PumpAsync(broker, client, isAnswers: true);
        }
    }

    private async Task PumpAsync(TcpClient from, TcpClient to, bool isAnswers)
    {
        byte[] buffer = new byte[64 << 10];
        try
        {
            NetworkStream source = from.GetStream();
            NetworkStream target = to.GetStream();
            while (await source.ReadAsync(buffer) is var read and > 0)
            {
                if (isAnswers && _swallowsAnswers)
                {
                    _swallowed.TrySetResult();
                    continue;
                }

                await target.WriteAsync(buffer.AsMemory(0, read));
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // Cut.
        }

        from.Dispose();
        to.Dispose();
    }
}
