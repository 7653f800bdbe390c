using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Handlers;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Security.Sasl;
using Sluice.Transport;

namespace Sluice.Protocols.Kafka.Connections;

#pragma warning disable CA1001 // RunAsync disposes what the connection owns when it ends.
/// <summary>
/// One connection of a Kafka client. Requests are handled in the order in which they come, each as soon as it is there; answers go back in the same order
/// when they are ready. Nothing here blocks.
/// </summary>
internal sealed class KafkaConnection : IConnectionInfo
{
    private const int SizeBytes = 4;
    private const string NoRequest = "it sent what is no Kafka request";

    private static readonly WrongProtocol s_wrongProtocol = new("Kafka clients", "Kafka", "security.protocol PLAINTEXT or SASL_PLAINTEXT");

    private readonly CancellationTokenSource _ended = new();
    private readonly List<PendingProduce> _produces = [];
    private readonly ProducerBlock _block;
    private long _mutedUntil;
    private volatile bool _isBlocked;
    private volatile string? _clientId;
    private string _endReason = "the client closed the connection";

    public KafkaConnection(KafkaServer server, ClientConnection client)
    {
        Server = server;
        Client = client;
        Responses = new ResponseQueue(client.Output);
        Login = new SaslLogin(this);
        _block = new ProducerBlock(server.Broker, server.Clock);
        Ended = _ended.Token;
        ConnectedAt = server.Clock.GetUtcNow();
    }

    public KafkaServer Server { get; }

    public ClientConnection Client { get; }

    public ResponseQueue Responses { get; }

    /// <summary>Who the client is, and how it came to be.</summary>
    public SaslLogin Login { get; }

    /// <summary>What the client may do; null before its login.</summary>
    public ClientAccess? Access { get; set; }

    /// <summary>As the client said in its ApiVersions request.</summary>
    public (string Name, string Version) ClientSoftware { get; set; } = UnknownSoftware;

    /// <summary>Of a client that does not say.</summary>
    public static (string Name, string Version) UnknownSoftware => ("unknown", "unknown");

    /// <summary>Cancelled when the connection ends.</summary>
    public CancellationToken Ended { get; }

    public string Protocol => "Kafka";

    public string StateName => Access is null ? Login.IsUnderWay ? "securing" : "starting" : _isBlocked ? "blocked" : "running";

    /// <summary>The client id of its last request.</summary>
    public string? ClientName => _clientId is { } id ? TelemetryClient.Cut(id) : null;

    public string? SoftwareName => ClientSoftware == UnknownSoftware ? null : ClientSoftware.Name;

    public string? SoftwareVersion => ClientSoftware == UnknownSoftware ? null : ClientSoftware.Version;

    public string UserName => Login.UserName;

    public string? Mechanism => Login.Mechanism;

    public string VirtualHostName => Access is null ? "" : Server.Options.VirtualHost;

    public DateTimeOffset ConnectedAt { get; }

    /// <summary>The host and port that clients are to use for this broker.</summary>
    public (string Host, int Port) Advertised
    {
        get
        {
            (string host, int port) = Client.Tls is null ? (Server.Options.AdvertisedHost, Server.Options.AdvertisedPort) : (Server.Options.TlsAdvertisedHost, Server.Options.TlsAdvertisedPort);
            return (host.Length > 0 ? host : Client.LocalEndPoint.Address.ToString(), port > 0 ? port : Client.LocalEndPoint.Port);
        }
    }

    /// <summary>On a clock that nobody puts back.</summary>
    private long ElapsedMs => (long)Server.Clock.GetElapsedTime(0).TotalMilliseconds;

    /// <summary>A produce request has been appended; it is answered after the turn.</summary>
    public void AddProduce(PendingProduce produce) => _produces.Add(produce);

    /// <summary>A request has come, of a client that calls itself so.</summary>
    public void Introduce(string? clientId) => _clientId = clientId;

    /// <summary>The protocol has no way to tell the client why.</summary>
    public void Close(string reason) => Client.Abort($"an operator has closed it: {reason}");

    /// <summary>Nothing more is read of the client for so many ms: it uses more than its quota. Any thread.</summary>
    public void Mute(int milliseconds)
    {
        long until = ElapsedMs + milliseconds;
        if (until > Volatile.Read(ref _mutedUntil))
        {
            Volatile.Write(ref _mutedUntil, until);
        }
    }

    public async Task RunAsync(CancellationToken stopping)
    {
        Client.Info = this;
        try
        {
            using (stopping.UnsafeRegister(static state => ((KafkaConnection)state!).Client.Input.CancelPendingRead(), this))
            {
                await ReceiveAsync(stopping).ConfigureAwait(false);
            }
        }
        catch (Exception error) when (error is IOException or OperationCanceledException)
        {
            _endReason = Client.AbortReason ?? $"the connection broke: {error.Message}";
        }
        catch (ConnectionRefusedException error)
        {
            _endReason = error.Message;
            if (!error.IsLogged)
            {
                LogRefusal(_endReason);
            }
        }
        catch (KafkaParseException error)
        {
            // What strangers send is junk, which is always other junk; a user's client has one fault or another.
            _endReason = $"{NoRequest}: {error.Message}";
            LogRefusal(Access is null ? NoRequest : _endReason);
        }
#pragma warning disable CA1031 // Whatever is wrong with one connection must not touch the others.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _endReason = $"an error of the broker: {error.Message}";
            Server.Logger.LogError(error, "Connection {Connection} ends by an error of the broker: please report it", Client.Name);
        }

        Client.Info = null;
        await _ended.CancelAsync().ConfigureAwait(false);
        Server.Telemetry.Disconnected(Client.Id);
        Responses.Close();
        _ended.Dispose();
        Login.LogEnd(_endReason);
    }

    /// <summary>Tells the operator why the connection ends, unless the same was told of the client's address and user a moment ago.</summary>
    /// <param name="reason">What makes it the same.</param>
    private void LogRefusal(string reason)
    {
        string? user = Access?.User;
        if (Server.RefusedClients.IsNews(RefusedClient.Of(Client, reason, user)))
        {
            Server.Logger.LogWarning("Connection {Connection}{User} is closed: {Reason}", Client.Name, user is null ? "" : $", user '{user}',", _endReason);
        }
    }

    private async Task ReceiveAsync(CancellationToken stopping)
    {
        PipeReader input = Client.Input;
        while (true)
        {
            ReadResult result = await input.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            ReadOnlySequence<byte> rest = result.Buffer;
            if (stopping.IsCancellationRequested)
            {
                _endReason = "the broker stops";
                input.AdvanceTo(rest.End);
                return;
            }

            while (TryReadFrame(ref rest, out ReadOnlySequence<byte> frame))
            {
                if (Volatile.Read(ref _mutedUntil) > 0)
                {
                    EndTurn();
                    await WaitUntilUnmutedAsync().ConfigureAwait(false);
                }

                if (Server.Broker.BlockedReason is { } reason && IsProduce(frame))
                {
                    EndTurn();
                    using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping, Client.Closed);
                    _isBlocked = true;
                    bool isLifted = await _block.WaitAsync(ended.Token).ConfigureAwait(false);
                    _isBlocked = false;
                    if (!isLifted)
                    {
                        _endReason = $"a produce request could not be served in time: {reason}";
                        input.AdvanceTo(result.Buffer.End);
                        return;
                    }
                }

                ValueTask handled = Handle(frame);
                if (!handled.IsCompletedSuccessfully)
                {
                    EndTurn();
                    await handled.ConfigureAwait(false);
                }

                if (Client.Output.IsBackedUp || Responses.Count >= Server.Options.RequestsInFlightMax)
                {
                    // Who does not read what it has asked for is asked no further.
                    EndTurn();
                    await WaitForRoomAsync().ConfigureAwait(false);
                }
            }

            EndTurn();
            bool isEnd = result.IsCompleted;
            input.AdvanceTo(rest.Start, rest.End);
            if (isEnd)
            {
                return;
            }

            await WaitForRoomAsync().ConfigureAwait(false);
            await Server.Broker.Store.WaitForRoomAsync(Client.Closed).ConfigureAwait(false);
        }
    }

    private async ValueTask WaitUntilUnmutedAsync()
    {
        long until;
        do
        {
            until = Volatile.Read(ref _mutedUntil);
            if (until - ElapsedMs is > 0 and var left)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(left), Server.Clock, Client.Closed).ConfigureAwait(false);
            }
        }
        while (Interlocked.CompareExchange(ref _mutedUntil, 0, until) != until);
    }

    private async ValueTask WaitForRoomAsync()
    {
        await Responses.WaitForRoomAsync(Server.Options.RequestsInFlightMax, Client.Closed).ConfigureAwait(false);
        await Client.Output.WaitForRoomAsync(Client.Closed).ConfigureAwait(false);
    }

    /// <summary>All that one read has brought is appended: one write of the journal keeps it.</summary>
    private void EndTurn()
    {
        foreach (PendingProduce produce in _produces)
        {
            produce.Finish(Server.Broker.Store);
        }

        _produces.Clear();
    }

    private bool TryReadFrame(ref ReadOnlySequence<byte> rest, out ReadOnlySequence<byte> frame)
    {
        frame = default;
        if (rest.Length < SizeBytes)
        {
            return false;
        }

        Span<byte> sizeBytes = stackalloc byte[SizeBytes];
        rest.Slice(0, SizeBytes).CopyTo(sizeBytes);
        int size = BinaryPrimitives.ReadInt32BigEndian(sizeBytes);
        if (size < 0 || size > Server.Options.RequestBytesMax)
        {
            ThrowIfOtherProtocol(rest);
            throw new KafkaParseException($"a request of {size} bytes; at most {Server.Options.RequestBytesMax} are allowed");
        }

        if (size > SaslExchange.MessageBytesMax && !Login.IsAdmitted())
        {
            // Strangers have nothing to say that is longer, and no claim to memory for it.
            ThrowIfOtherProtocol(rest);
            throw new KafkaParseException($"a request of {size} bytes; at most {SaslExchange.MessageBytesMax} are allowed before the login");
        }

        if (rest.Length - SizeBytes < size)
        {
            return false;
        }

        frame = rest.Slice(SizeBytes, size);
        rest = rest.Slice(frame.End);
        return true;
    }

    /// <summary>What is no size of a request may be the beginning of something else.</summary>
    private void ThrowIfOtherProtocol(in ReadOnlySequence<byte> rest)
    {
        Span<byte> bytes = stackalloc byte[FirstBytes.Needed];
        ReadOnlySequence<byte> first = rest.Slice(0, Math.Min(rest.Length, bytes.Length));
        first.CopyTo(bytes);
        if (s_wrongProtocol.Of(bytes[..(int)first.Length], Client.Tls is not null) is { } reason)
        {
            throw new ConnectionRefusedException(reason);
        }
    }

    private static bool IsProduce(in ReadOnlySequence<byte> frame)
    {
        if (frame.Length < sizeof(short))
        {
            return false;
        }

        Span<byte> key = stackalloc byte[sizeof(short)];
        frame.Slice(0, key.Length).CopyTo(key);
        return BinaryPrimitives.ReadInt16BigEndian(key) == (short)KafkaApiKey.Produce;
    }

    /// <summary>Handles one request. What must be over before the next is read is awaited.</summary>
    private ValueTask Handle(in ReadOnlySequence<byte> frame)
    {
        if (frame.IsSingleSegment)
        {
            return Server.Dispatcher.Dispatch(this, frame.First);
        }

        byte[] whole = Server.Buffers.Take((int)frame.Length);
        try
        {
            frame.CopyTo(whole);
            return Server.Dispatcher.Dispatch(this, whole.AsMemory(0, (int)frame.Length));
        }
        finally
        {
            // The dispatcher copies what outlives the call.
            Server.Buffers.Return(whole);
        }
    }
}
