using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Sluice.Transport;

/// <summary>One listening socket and its accept loop.</summary>
internal sealed class Listener : IDisposable
{
    private static readonly TimeSpan PauseAfterFailedAccept = TimeSpan.FromMilliseconds(100);

    private readonly Socket _socket;
    private readonly CancellationTokenSource _stop = new();
    private int _connectionCount;

    public Listener(ListenerOptions options, IProtocolHandler handler, int socketBufferBytes, TimeProvider clock, ILogger logger)
    {
        Options = options;
        Handler = handler;
        Tls = options.Tls is null ? null : new TlsServer(options.Name, options.Tls, clock, logger);
        _socket = Bind(options, socketBufferBytes);
        EndPoint = (IPEndPoint)_socket.LocalEndPoint!;
    }

    public ListenerOptions Options { get; }

    public IProtocolHandler Handler { get; }

    /// <summary>Null for plaintext.</summary>
    public TlsServer? Tls { get; }

    public IPEndPoint EndPoint { get; }

    /// <summary>Counts a connection; false (nothing counted) when there are as many as allowed.</summary>
    public bool TryAddConnection()
    {
        if (Interlocked.Increment(ref _connectionCount) <= Options.ConnectionsMax)
        {
            return true;
        }

        RemoveConnection();
        return false;
    }

    public void RemoveConnection() => Interlocked.Decrement(ref _connectionCount);

    /// <summary>Accepts until disposed. <paramref name="onAccepted"/> takes the socket over and must not block.</summary>
    public async Task AcceptAsync(Action<Listener, Socket> onAccepted, TimeProvider clock, ILogger logger)
    {
        while (true)
        {
            try
            {
                onAccepted(this, await _socket.AcceptAsync(_stop.Token).ConfigureAwait(false));
            }
            catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException || _stop.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException error)
            {
                // Out of file handles or memory as a rule: those who wait stay in the kernel's queue until there is room.
                logger.LogError("Listener {Listener} could not accept a connection: {Error}. Raise the limit of open files if this goes on.", Options.Name, error.Message.TrimEnd('.'));
                await Task.Delay(PauseAfterFailedAccept, clock, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        _socket.Dispose();
    }

    private static Socket Bind(ListenerOptions options, int socketBufferBytes)
    {
        IPEndPoint endPoint = options.EndPoint;
        if (endPoint.Address.Equals(IPAddress.IPv6Any) && !Socket.OSSupportsIPv6)
        {
            endPoint = new IPEndPoint(IPAddress.Any, endPoint.Port);
        }

        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (endPoint.Address.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            // Before Listen: accepted sockets inherit them, and the window scale depends on them.
            socket.ReceiveBufferSize = socketBufferBytes;
            socket.SendBufferSize = socketBufferBytes;
            socket.Bind(endPoint);
            socket.Listen(options.Backlog);
            return socket;
        }
        catch (SocketException error)
        {
            socket.Dispose();
            string advice = error.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => $"another program listens there: stop it, or choose another port{(options.PortSetting is { } setting ? $" with the setting {setting}" : "")}",
                SocketError.AccessDenied => "this user may not open it: choose a port above 1023, or grant the right",
                SocketError.AddressNotAvailable => "this machine has no such address: choose one that it has, or * for all",
                _ => error.Message.TrimEnd('.'),
            };
            throw new ListenException($"Listener '{options.Name}' cannot use {endPoint}: {advice}.", error);
        }
    }
}
