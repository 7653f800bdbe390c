using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Sluice.Transport;

#pragma warning disable CA1001 // The source has neither timer nor wait handle: nothing to dispose.
/// <summary>One connection of a client, as a protocol sees it: bytes in, bytes out, who is at the other end.</summary>
public sealed class ClientConnection
{
    private readonly Action _close;
    private readonly Action<IThreadPoolWorkItem>? _post;
    private readonly CancellationTokenSource _closed = new();
    private string? _name;
    private string? _abortReason;
    private ITimer? _deadline;

    /// <param name="id">Unique within the process.</param>
    /// <param name="stream">Carries the bytes, already decrypted.</param>
    /// <param name="pool">Where receive and send blocks come from.</param>
    /// <param name="limits">Of the output.</param>
    /// <param name="remote">The peer's address.</param>
    /// <param name="local">The address the peer connected to.</param>
    /// <param name="tls">Null for plaintext.</param>
    /// <param name="logger">For all that concerns this connection.</param>
    /// <param name="close">Cuts the transport at once; null: dispose the stream.</param>
    /// <param name="post">Runs work where the input is handled; null: on the thread pool.</param>
    public ClientConnection(
        long id,
        Stream stream,
        BlockPool pool,
        ConnectionWriterLimits limits,
        IPEndPoint remote,
        IPEndPoint local,
        TlsConnectionInfo? tls,
        ILogger logger,
        Action? close = null,
        Action<IThreadPoolWorkItem>? post = null)
    {
        Id = id;
        RemoteEndPoint = remote;
        LocalEndPoint = local;
        Tls = tls;
        Logger = logger;
        _close = close ?? stream.Dispose;
        _post = post;
        Input = PipeReader.Create(stream, new StreamPipeReaderOptions(pool, BlockPool.BlockBytes, minimumReadSize: 4 << 10, leaveOpen: true, useZeroByteReads: true));
        Output = new ConnectionWriter(stream, pool, limits, Abort, post);
    }

    /// <summary>Unique within the process.</summary>
    public long Id { get; }

    /// <summary>Received bytes. Holds no block while it waits for the first byte. Ends (IsCompleted, or an IOException) when the peer or <see cref="Abort"/> closed.</summary>
    public PipeReader Input { get; }

    /// <summary>Bytes to send, from any thread.</summary>
    public ConnectionWriter Output { get; }

    /// <summary>The peer. IPv4 addresses are given as such, also on a dual-mode listener.</summary>
    public IPEndPoint RemoteEndPoint { get; }

    public IPEndPoint LocalEndPoint { get; }

    /// <summary>True when the peer is on this machine.</summary>
    public bool IsLoopback => IPAddress.IsLoopback(RemoteEndPoint.Address);

    /// <summary>Null for a plaintext connection.</summary>
    public TlsConnectionInfo? Tls { get; }

    public ILogger Logger { get; }

    /// <summary>What operators see of it; set by the protocol while it serves the connection.</summary>
    public IConnectionInfo? Info { get; set; }

    /// <summary>"127.0.0.1:50312 -> 127.0.0.1:5672": how connections are called in logs and listings.</summary>
    public string Name => _name ??= $"{RemoteEndPoint} -> {LocalEndPoint}";

    /// <summary>Cancelled when the connection is aborted or has ended.</summary>
    public CancellationToken Closed => _closed.Token;

    /// <summary>Runs the item soon where the connection's input is handled. It must not block.</summary>
    public void Post(IThreadPoolWorkItem item)
    {
        if (_post is null)
        {
            ThreadPool.UnsafeQueueUserWorkItem(item, preferLocal: false);
        }
        else
        {
            _post(item);
        }
    }

    /// <summary>Why <see cref="Abort"/> was called first; null if it was not.</summary>
    public string? AbortReason => Volatile.Read(ref _abortReason);

    /// <summary>Ends the time limit that runs from accept; see <see cref="TransportOptions.HandshakeTimeout"/>.</summary>
    public void HandshakeCompleted() => Interlocked.Exchange(ref _deadline, null)?.Dispose();

    /// <summary>Cuts the connection at once, dropping what is not sent. Thread-safe; the first reason given counts.</summary>
    public void Abort(string reason)
    {
        if (Interlocked.CompareExchange(ref _abortReason, reason, null) is not null)
        {
            return;
        }

        Output.Abort(reason);
        _close();
        // Not inline: the caller may hold locks that those who wait for the end take.
        _ = _closed.CancelAsync();
    }

    public override string ToString() => Name;

    internal void StartHandshakeTimer(TimeSpan timeout, TimeProvider clock)
    {
        if (timeout > TimeSpan.Zero)
        {
            _deadline = clock.CreateTimer(
                static state =>
                {
                    var (connection, limit) = ((ClientConnection, TimeSpan))state!;
                    connection.Abort($"handshake not completed within {limit.TotalSeconds:0.###} s");
                },
                (this, timeout),
                timeout,
                Timeout.InfiniteTimeSpan);
        }
    }

    internal void MarkEnded()
    {
        HandshakeCompleted();
        _closed.Cancel();
    }
}
