using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Sluice.Transport.Polling;

namespace Sluice.Transport;

#pragma warning disable CA1001 // CloseAsync disposes the stream.
/// <summary>The life of one accepted socket: options, TLS, protocol, orderly close.</summary>
internal sealed class ConnectionSession(TransportServer server, Listener listener, Socket socket, long id)
{
    private const int KeepAliveIntervalSeconds = 10;
    private const int KeepAliveProbes = 6;

    // How long to read and drop what the peer still sends after our last byte: closing with unread input would reset the
    // connection and could take that last byte (an error message, usually) away from it.
    private static readonly TimeSpan LingerTime = TimeSpan.FromSeconds(1);

    private Stream _transport = Stream.Null;
    private Stream _stream = Stream.Null;
    private ServerTlsStream? _tls;
    private ClientConnection _connection = null!;
    private ILogger _logger = null!;

    /// <summary>Sets the socket up and shakes hands. Null when the peer failed that; it has been logged.</summary>
    public async Task<ClientConnection?> OpenAsync(TimeProvider clock, ILogger logger, CancellationToken stopping)
    {
        _logger = logger;
        IPEndPoint remote;
        IPEndPoint local;
        try
        {
            remote = Unmap((IPEndPoint)socket.RemoteEndPoint!);
            local = Unmap((IPEndPoint)socket.LocalEndPoint!);
            SetOptions();
        }
        catch (SocketException)
        {
            // Gone again before it was looked at.
            return null;
        }

        SocketLoop? loop = server.ChooseLoop();
        _transport = loop is null ? new NetworkStream(socket, ownsSocket: true) : new PolledStream(socket, loop);
        _stream = _transport;
        TlsConnectionInfo? tls = null;
        TimeSpan timeLeft = server.Options.HandshakeTimeout;
        if (listener.Tls is not null)
        {
            long start = clock.GetTimestamp();
            using var timeout = new CancellationTokenSource(timeLeft > TimeSpan.Zero ? timeLeft : Timeout.InfiniteTimeSpan, clock);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, stopping);
            try
            {
                if (!await BeginsAsync(either.Token).ConfigureAwait(false))
                {
                    logger.LogDebug("{Remote} has connected to listener {Listener} and gone again without a word", remote, listener.Options.Name);
                    await _transport.DisposeAsync().ConfigureAwait(false);
                    return null;
                }

                (_tls, tls) = await listener.Tls.AuthenticateAsync(_stream, either.Token).ConfigureAwait(false);
                _stream = _tls;
            }
            catch (Exception error) when (error is TlsFailedException or IOException or OperationCanceledException or SocketException or InvalidOperationException)
            {
                string reason = timeout.IsCancellationRequested ? $"not completed within {timeLeft.TotalSeconds:0.###} s" : error.Message;
                if (server.RefusedClients.IsNews(new RefusedClient(ClientRefusal.TlsFailed, remote.Address, local.Port, reason)))
                {
                    logger.LogWarning("TLS handshake with {Remote} on listener {Listener} failed: {Reason}", remote, listener.Options.Name, reason);
                }

                await _transport.DisposeAsync().ConfigureAwait(false);
                return null;
            }

            if (timeLeft > TimeSpan.Zero)
            {
                TimeSpan rest = timeLeft - clock.GetElapsedTime(start);
                timeLeft = rest > TimeSpan.Zero ? rest : TimeSpan.FromMilliseconds(1);
            }
        }

        _connection = new ClientConnection(id, _stream, server.Pool, server.Options.Output, remote, local, tls, logger, _transport.Dispose, loop is null ? null : loop.Post);
        _connection.StartHandshakeTimer(timeLeft, clock);
        return _connection;
    }

    /// <summary>Waits for the client's first bytes and looks at them, so that one without TLS can be told by what it speaks. False: it has gone.</summary>
    /// <exception cref="TlsFailedException">It does not speak TLS.</exception>
    private async Task<bool> BeginsAsync(CancellationToken cancellation)
    {
        await _stream.ReadAsync(Memory<byte>.Empty, cancellation).ConfigureAwait(false);
        byte[] first = new byte[FirstBytes.Needed];
        int count = socket.Receive(first, SocketFlags.Peek);
        return count == 0 || FirstBytes.AreTls(first.AsSpan(0, count)) ? count > 0 : throw new TlsFailedException(TlsFailure.OfPlainClient(first.AsSpan(0, count)));
    }

    /// <summary>Lets the protocol serve the connection, or refuse it.</summary>
    public async Task RunAsync(string? refusal, CancellationToken stopping)
    {
        using IDisposable? scope = _logger.BeginScope(_connection);
        try
        {
            Task work = refusal is null
                ? listener.Handler.HandleAsync(_connection, stopping)
                : listener.Handler.RefuseAsync(_connection, refusal, stopping);
            await work.ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            _connection.Abort($"receiving failed: {error.Message}");
        }
        catch (Exception error)
        {
            _logger.LogError(error, "Connection {Connection}: the {Protocol} handler failed; the connection is cut", _connection.Name, listener.Handler.Name);
            _connection.Abort("the protocol handler failed");
        }
    }

    /// <summary>Tells of a client by TLS that has gone without a word, of itself.</summary>
    public void LogIfGoneUnheard()
    {
        if (_tls is not { HasEndedUnheard: true } tls || _connection.AbortReason is not null)
        {
            return;
        }

        string reason = listener.Tls!.WhyGone(tls.EndError);
        if (server.RefusedClients.IsNews(new RefusedClient(ClientRefusal.GoneAfterTls, _connection.RemoteEndPoint.Address, _connection.LocalEndPoint.Port, reason)))
        {
            _logger.LogWarning("{Remote} has gone after the TLS handshake on listener {Listener} without a word: {Reason}", _connection.RemoteEndPoint, listener.Options.Name, reason);
        }
    }

    /// <summary>Sends what is pending, says goodbye, and releases every block.</summary>
    public async Task CloseAsync(TimeProvider clock)
    {
        await _connection.Output.CloseAsync(server.Options.CloseTimeout, clock).ConfigureAwait(false);
        if (_connection.AbortReason is null)
        {
            try
            {
                await LingerAsync(clock).ConfigureAwait(false);
            }
            catch (Exception error) when (error is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
            {
                _logger.LogTrace("Connection {Connection}: the peer did not say goodbye: {Error}", _connection.Name, error.Message);
            }
        }
        else
        {
            _logger.LogInformation("Connection {Connection} was cut: {Reason}", _connection.Name, _connection.AbortReason);
        }

        await _transport.DisposeAsync().ConfigureAwait(false);
        await _connection.Input.CompleteAsync().ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
        _connection.MarkEnded();
    }

    private async Task LingerAsync(TimeProvider clock)
    {
        using var timeout = new CancellationTokenSource(LingerTime, clock);
        if (_stream is SslStream ssl)
        {
            await ssl.ShutdownAsync().WaitAsync(timeout.Token).ConfigureAwait(false);
        }

        socket.Shutdown(SocketShutdown.Send);
        while (true)
        {
            ReadResult result = await _connection.Input.ReadAsync(timeout.Token).ConfigureAwait(false);
            _connection.Input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return;
            }
        }
    }

    private void SetOptions()
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, (int)Math.Max(1, server.Options.KeepAliveTime.TotalSeconds));
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, KeepAliveIntervalSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, KeepAliveProbes);
    }

    /// <summary>IPv4 addresses as such, also of a dual-mode listener.</summary>
    public static IPEndPoint Unmap(IPEndPoint endPoint) =>
        endPoint.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(endPoint.Address.MapToIPv4(), endPoint.Port) : endPoint;
}
