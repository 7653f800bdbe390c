using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Sluice.Base.Logging;
using Sluice.Transport.Polling;

namespace Sluice.Transport;

/// <summary>Accepts connections on any number of listeners and hands each to its protocol.</summary>
public sealed class TransportServer : IAsyncDisposable
{
    // Connections over a limit that are told so at the same time; those beyond are closed without a word.
    private const int RefusalsMax = 64;

    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly List<Listener> _listeners = [];
    private readonly ConcurrentDictionary<long, ClientConnection> _connections = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly SocketLoop[] _loops;
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _allEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private long _lastId;
    private int _servedCount;
    private int _openCount;
    private int _refusalCount;

    public TransportServer(TransportOptions options, TimeProvider clock, ILoggerFactory loggers)
    {
        Options = options;
        Pool = new BlockPool(options.FreeBlocksMax);
        _clock = clock;
        _logger = loggers.CreateLogger<TransportServer>();
        RefusedClients = new RefusalLog<RefusedClient>(_logger, clock);
        // Elsewhere the runtime's own waiting serves, at more CPU per receive.
        int threads = options.IoThreads > 0 ? options.IoThreads : Environment.ProcessorCount;
        _loops = new SocketLoop[OperatingSystem.IsLinux() ? threads : 0];
        for (int i = 0; i < _loops.Length; i++)
        {
            _loops[i] = new SocketLoop(i, clock);
        }
    }

    public TransportOptions Options { get; }

    /// <summary>Receive and send blocks of all connections.</summary>
    public BlockPool Pool { get; }

    /// <summary>Connections open now.</summary>
    public int ConnectionCount => Volatile.Read(ref _openCount);

    /// <summary>Connections of all protocols open now and past their TLS handshake, in no order.</summary>
    public IEnumerable<ClientConnection> Connections => _connections.Select(pair => pair.Value);

    /// <summary>Binds, begins to accept, and returns the address bound (with the port taken if 0 was asked for).</summary>
    /// <exception cref="ListenException">The address is in use or not allowed, or the certificate cannot be used; the message says which and what to do.</exception>
    public IPEndPoint Listen(ListenerOptions options, IProtocolHandler handler)
    {
        var listener = new Listener(options, handler, Options.SocketBufferBytes, _clock, _logger);
        lock (_lock)
        {
            if (_stopping.IsCancellationRequested)
            {
                listener.Dispose();
                throw new InvalidOperationException("The transport has been stopped.");
            }

            _listeners.Add(listener);
        }

        _ = listener.AcceptAsync(OnAccepted, _clock, _logger);
        _logger.LogInformation("Listener {Listener} ({Protocol}{Tls}) is up on {EndPoint}", options.Name, handler.Name, options.Tls is null ? "" : " over TLS", listener.EndPoint);
        return listener.EndPoint;
    }

    /// <summary>Stops accepting, cancels the handlers' stopping token, waits up to <paramref name="limit"/> for them, aborts the rest.</summary>
    public async Task StopAsync(TimeSpan limit)
    {
        lock (_lock)
        {
            foreach (Listener listener in _listeners)
            {
                listener.Dispose();
            }

            _listeners.Clear();
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        lock (_lock)
        {
            if (_servedCount == 0)
            {
                _allEnded.TrySetResult();
            }
        }

        try
        {
            await _allEnded.Task.WaitAsync(limit, _clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            _logger.LogWarning("{Count} connections did not end within {Limit} s and are cut", ConnectionCount, limit.TotalSeconds);
            foreach (ClientConnection connection in Connections)
            {
                connection.Abort("the broker stops");
            }

            await _allEnded.Task.WaitAsync(Options.CloseTimeout, _clock).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.Zero).ConfigureAwait(false);
        foreach (SocketLoop loop in _loops)
        {
            loop.Dispose();
        }

        RefusedClients.Dispose();
        Pool.Dispose();
        _stopping.Dispose();
    }

    /// <summary>Hears of clients that do not get as far as their protocol.</summary>
    internal RefusalLog<RefusedClient> RefusedClients { get; }

    /// <summary>The loop with the fewest sockets; null where there are none.</summary>
    internal SocketLoop? ChooseLoop() => _loops.MinBy(static loop => loop.StreamCount);

    private void OnAccepted(Listener listener, Socket socket)
    {
        string? refusal = null;
        bool inServer = Interlocked.Increment(ref _openCount) <= Options.ConnectionsMax;
        bool inListener = listener.TryAddConnection();
        if (!inServer || !inListener)
        {
            refusal = inServer
                ? $"listener '{listener.Options.Name}' has its maximum of {listener.Options.ConnectionsMax} connections"
                : $"the broker has its maximum of {Options.ConnectionsMax} connections";
            Interlocked.Decrement(ref _openCount);
            if (inListener)
            {
                listener.RemoveConnection();
            }

            LogRefusal(listener, socket, refusal);
            if (Interlocked.Increment(ref _refusalCount) > RefusalsMax)
            {
                Interlocked.Decrement(ref _refusalCount);
                socket.Dispose();
                return;
            }
        }

        lock (_lock)
        {
            _servedCount++;
        }

        _ = ServeAsync(listener, socket, refusal);
    }

    private void LogRefusal(Listener listener, Socket socket, string refusal)
    {
        IPEndPoint remote;
        try
        {
            remote = ConnectionSession.Unmap((IPEndPoint)socket.RemoteEndPoint!);
        }
        catch (SocketException)
        {
            // Gone again: nobody waits for an answer.
            return;
        }

        if (RefusedClients.IsNews(new RefusedClient(ClientRefusal.TooMany, remote.Address, listener.EndPoint.Port, refusal)))
        {
            _logger.LogWarning("Connection from {Remote} refused: {Reason}", remote, refusal);
        }
    }

    /// <summary>One connection from accept to close. Never throws.</summary>
    private async Task ServeAsync(Listener listener, Socket socket, string? refusal)
    {
        // The accept loop goes on at once; what follows runs on the thread pool.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var session = new ConnectionSession(this, listener, socket, Interlocked.Increment(ref _lastId));
        try
        {
            ClientConnection? connection = await session.OpenAsync(_clock, _logger, _stopping.Token).ConfigureAwait(false);
            if (connection is not null)
            {
                _connections[connection.Id] = connection;
                await session.RunAsync(refusal, _stopping.Token).ConfigureAwait(false);
                session.LogIfGoneUnheard();
                await session.CloseAsync(_clock).ConfigureAwait(false);
                _connections.TryRemove(connection.Id, out _);
            }
        }
        catch (Exception error)
        {
            _logger.LogError(error, "A connection of listener {Listener} ended in a way that is a defect of the broker", listener.Options.Name);
        }

        socket.Dispose();
        Release(listener, refusal is not null);
    }

    private void Release(Listener listener, bool wasRefused)
    {
        if (wasRefused)
        {
            Interlocked.Decrement(ref _refusalCount);
        }
        else
        {
            listener.RemoveConnection();
            Interlocked.Decrement(ref _openCount);
        }

        lock (_lock)
        {
            if (--_servedCount == 0 && _stopping.IsCancellationRequested)
            {
                _allEnded.TrySetResult();
            }
        }
    }
}
