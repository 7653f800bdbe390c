using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Sluice.Base.Logging;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Protocols.Amqp091.Channels;
using Sluice.Protocols.Amqp091.Messages;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.Security;
using Sluice.Transport;

namespace Sluice.Protocols.Amqp091.Connections;

#pragma warning disable CA1001 // RunAsync disposes what the connection owns when it ends.
/// <summary>
/// One connection from its protocol header to its end. A single receive loop reads frames from the receive buffer in place
/// (<see cref="ReceiveLoop"/>) and handles them in order. A <b>turn</b> is what one read brought: publishes are staged in <see cref="Turn"/> and
/// settlements in <see cref="Settlements"/>, and both are handed to the queues at the end of the turn or before any other method, so that order holds and each
/// queue is locked once. Nothing here blocks; methods that must wait (declarations, commits, gets from disk) hold up only this connection.
/// </summary>
internal sealed class Amqp091Connection : IAmqpConnectionInfo
{
    private const int CloseTimeoutTicks = (int)(Amqp091Limits.CloseTimeoutMs / Amqp091Limits.TickMs);

    private readonly ReceiveLoop _loop;
    private readonly Heartbeats _heartbeats;
    private readonly PublisherBlock _block;
    private volatile string? _closeRequest;
    private volatile Amqp091Channel? _timedOut;
    private int _closeDeadlineTick = int.MaxValue;
    private int _turnPublishes;
    private bool _isCounted;
    private string _endReason = "";

    public Amqp091Connection(Amqp091Server server, ClientConnection client)
    {
        Server = server;
        Client = client;
        FrameMax = Amqp091Limits.HandshakeFrameMax;
        ConnectedAt = server.Clock.GetUtcNow();
        Channels = new ChannelTable(this);
        Confirms = new ConfirmTracker(this);
        ContentBudget = new ContentBudget(server.Broker.Options.MessageBytesMax);
        _heartbeats = new Heartbeats(client);
        _block = new PublisherBlock(this);
        _loop = new ReceiveLoop(this, _heartbeats, _block);
    }

    public Amqp091Server Server { get; }

    public ClientConnection Client { get; }

    public ConnectionState State { get; set; }

    /// <summary>Set by the login.</summary>
    public User? User { get; set; }

    public ClientCapabilities Capabilities { get; set; }

    public ChannelTable Channels { get; }

    /// <summary>Set by connection.open.</summary>
    public VirtualHost VirtualHost { get; private set; } = null!;

    public VirtualHostAccess Access { get; private set; } = null!;

    /// <summary>Publishes of this turn, outside of transactions.</summary>
    public PublishTurn Turn { get; private set; } = null!;

    /// <summary>Settlements of this turn.</summary>
    public SettlementBatch Settlements { get; } = new();

    /// <summary>Confirms of this turn.</summary>
    public ConfirmTracker Confirms { get; }

    /// <summary>Bounds what incomplete messages hold.</summary>
    public ContentBudget ContentBudget { get; }

    /// <summary>For the receive loop only.</summary>
    public HeaderScratch Headers { get; } = new();

    /// <summary>Counts turns: what was checked in this turn need not be checked again.</summary>
    public int TurnNumber { get; private set; }

    /// <summary>True once a message was published on the connection.</summary>
    public bool HasPublished { get; private set; }

    /// <summary>The task of the connection is over after this turn.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>The byte stream can no longer be followed.</summary>
    public bool HasLostFraming { get; private set; }

    /// <summary>Why the connection ends; for the log.</summary>
    public string EndReason => _endReason;

    public bool IsCloseRequested => _closeRequest is not null;

    public ushort ChannelMax { get; set; }

    public int FrameMax { get; set; }

    public int HeartbeatSeconds { get; private set; }

    public int ChannelCount => Channels.Count;

    public long Id => Client.Id;

    public string Name => Client.Name;

    public string Protocol => "AMQP 0-9-1";

    public string StateName => State.ToString().ToLowerInvariant();

    public string? ClientName => ClientProperties["connection_name"] as string;

    public string? SoftwareName => ClientProperties["product"] as string;

    public string? SoftwareVersion => ClientProperties["version"] as string;

    public string? Mechanism { get; set; }

    public string UserName => User?.Name ?? "";

    public string VirtualHostName => VirtualHost?.Name ?? "";

    public IPEndPoint Remote => Client.RemoteEndPoint;

    public DateTimeOffset ConnectedAt { get; }

    public Arguments ClientProperties { get; set; } = Arguments.Empty;

    public int ConsumerCount => Channels.ListConsumers().Length;

    public IReadOnlyList<IChannelInfo> ListChannels() => [.. Channels.List()];

    public override string ToString() => Name;

    /// <summary>Serves the connection to its end.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        Client.Output.Drained = OnDrained;
        Server.Connections.Add(this);
        try
        {
            using (stopping.UnsafeRegister(static state => ((Amqp091Connection)state!).Close("shutdown"), this))
            {
                await _loop.RunAsync().ConfigureAwait(false);
            }
        }
        catch (Exception error) when (error is IOException or OperationCanceledException)
        {
            _endReason = Client.AbortReason ?? $"the connection broke: {error.Message}";
        }
#pragma warning disable CA1031 // Whatever is wrong with one connection must not touch the others.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _endReason = $"an error of the broker: {error.Message}";
            Server.Logger.LogError(error, "Connection {Connection}, user '{User}', virtual host '{VirtualHost}' ends by an error of the broker: please report it", Name, UserName, VirtualHostName);
        }
        finally
        {
            await CleanUpAsync().ConfigureAwait(false);
        }
    }

    public void Close(string reason)
    {
        _closeRequest = reason;
        // A loop that waits for a client that does not read comes to no close handshake: then the time limit ends it.
        Volatile.Write(ref _closeDeadlineTick, Math.Min(Volatile.Read(ref _closeDeadlineTick), Server.Tick + CloseTimeoutTicks));
        _block.Release();
        Client.Input.CancelPendingRead();
    }

    /// <summary>Tuning is agreed: heartbeats begin.</summary>
    public void StartHeartbeats(int seconds)
    {
        HeartbeatSeconds = seconds;
        _heartbeats.Start(seconds);
    }

    /// <summary>connection.open succeeded; the connection has been counted against the limits.</summary>
    public void Enter(VirtualHost host, VirtualHostAccess access)
    {
        VirtualHost = host;
        Access = access;
        Turn = host.CreatePublishTurn();
        _isCounted = true;
        State = ConnectionState.Running;
        Client.HandshakeCompleted();
        Server.Logger.LogInformation(
            "Connection {Connection}: user '{User}' logged in to virtual host '{VirtualHost}'{ClientName}",
            Name, UserName, VirtualHostName, ClientName is { } name ? $", client '{LogText.Cut(name)}'" : "");
    }

    /// <summary>Ends the connection after this turn without any further words.</summary>
    public void Finish(string reason)
    {
        IsFinished = true;
        _endReason = reason;
        State = ConnectionState.Closed;
    }

    /// <summary>Appends a method frame to the output; sent at the end of the turn.</summary>
    public void Send<T>(ushort channel, in T method)
        where T : IMethod, allows ref struct
    {
        ConnectionWriter output = Client.Output;
        if (!output.Enter())
        {
            return;
        }

        try
        {
            int size = FrameWriter.MethodFrameSize(method);
            FrameWriter.WriteMethod(output.Reserve(size), channel, method);
            output.Commit(size);
        }
        finally
        {
            output.Exit();
        }
    }

    /// <summary>Sends what is written at the end of the turn under way on this thread, or soon.</summary>
    public void FlushSoon() => FlushList.Request(Client.Output);

    /// <summary>403 unless the user may do this with the queue or exchange.</summary>
    public void Require(Access access, string kind, string name)
    {
        if (!Access.Allows(access, name))
        {
            throw Amqp091Errors.Refused(access, kind, name, VirtualHostName, UserName);
        }
    }

    /// <summary>The user-id property must be the user's own, or the user an impersonator.</summary>
    public void CheckUserId(ReadOnlySpan<byte> userId)
    {
        string claimed = Encoding.UTF8.GetString(userId);
        if (claimed != UserName && !User!.HasTag(UserTags.Impersonator))
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, $"user_id property set to '{claimed}' but authenticated user was '{UserName}'");
        }
    }

    /// <summary>A message was staged in <see cref="Turn"/>.</summary>
    public void Published()
    {
        HasPublished = true;
        _turnPublishes++;
        if (Turn.Bytes > Amqp091Limits.TurnBytesMax)
        {
            FlushTurn();
        }
    }

    /// <summary>A protocol error or a refused operation: ends the channel if that is enough, the connection otherwise.</summary>
    public void Fail(AmqpException error, uint methodId, Amqp091Channel? channel)
    {
        if (State is ConnectionState.Closing or ConnectionState.Closed)
        {
            if (error.LostFraming)
            {
                HasLostFraming = true;
            }

            return;
        }

        FlushTurn();
        bool isOpen = State is ConnectionState.Running or ConnectionState.Blocked;
        bool closesConnection = channel is null || ReplyCodes.IsHard(error.Code) || !isOpen;
        if (isOpen || Server.RefusedClients.IsNews(RefusedClient.Of(Client, error.Message)))
        {
            Server.Logger.LogWarning(
                "{Scope} {Connection}, channel {Channel}, user '{User}', virtual host '{VirtualHost}': {Error}",
                closesConnection ? "Closing connection" : "Closing a channel of", Name, channel?.Number ?? 0, UserName, VirtualHostName, error.Message);
        }

        if (closesConnection)
        {
            CloseWith(error, methodId);
            return;
        }

        channel!.Close(
            new ChannelClose
            {
                ReplyCode = (ushort)error.Code,
                ReplyText = Amqp091Errors.ReplyText(error.Message),
                ClassId = (ushort)(methodId >> 16),
                MethodId = (ushort)methodId,
            },
            waitForAnswer: true);
    }

    /// <summary>Hands staged publishes and settlements to the queues. No lock is held by the caller.</summary>
    public void FlushTurn()
    {
        if (_turnPublishes > 0 || !Confirms.IsEmpty)
        {
            _turnPublishes = 0;
            Confirms.Flushed(Turn.Flush());
        }

        if (!Settlements.IsEmpty)
        {
            Settlements.Flush();
        }
    }

    /// <summary>All that was read has been handled.</summary>
    public void EndTurn()
    {
        FlushTurn();
        TurnNumber++;
    }

    /// <summary>Every half second: heartbeats and time-outs. Any thread.</summary>
    public void OnTick(int now)
    {
        if (now >= Volatile.Read(ref _closeDeadlineTick))
        {
            Client.Abort(_closeRequest is { } reason ? $"{reason}; the client did not answer connection.close in time" : "no answer to connection.close");
            return;
        }

        if (_heartbeats.Tick(isPaused: !_loop.IsListening) is { } silence)
        {
            Client.Abort(silence);
            return;
        }

        if (now % Amqp091Limits.TimeOutTicks != 0)
        {
            return;
        }

        if (_timedOut is { } overdue)
        {
            // The loop has not come to it since the last look: it waits for the client to read.
            Client.Abort($"{overdue.TimeOut().Message}; the client does not read either");
            return;
        }

        foreach (Amqp091Channel? channel in Channels.All)
        {
            if (channel is not null && channel.HasTimedOut(now))
            {
                _timedOut = channel;
                Client.Input.CancelPendingRead();
                return;
            }
        }
    }

    /// <summary>The broker holds publishers back, or lets them go on. Any thread.</summary>
    public void OnBlockedChanged(string? reason)
    {
        if (reason is null)
        {
            _block.Release();
        }
        else if (HasPublished)
        {
            // The loop looks at the reason before its next read.
            Client.Input.CancelPendingRead();
        }
    }

    /// <summary>What other threads have asked of the receive loop.</summary>
    public void HandleRequests()
    {
        if (_timedOut is { } channel)
        {
            _timedOut = null;
            // It may have been acknowledged by what was just received.
            if (channel.IsOpen && channel.HasTimedOut(Server.Tick))
            {
                Fail(channel.TimeOut(), 0, channel);
            }
        }

        if (_closeRequest is not { } reason || State is ConnectionState.Closing or ConnectionState.Closed)
        {
            return;
        }

        if (State == ConnectionState.Connected)
        {
            Finish(reason);
            return;
        }

        FlushTurn();
        CloseWith(new AmqpException(ReplyCode.ConnectionForced, $"broker forced connection closure with reason '{reason}'"), 0);
    }

    /// <summary>Sends connection.close and waits for the answer; everything else from the client is dropped.</summary>
    public void CloseWith(AmqpException error, uint methodId)
    {
        Channels.ReleaseAll();
        State = ConnectionState.Closing;
        HasLostFraming |= error.LostFraming;
        _endReason = error.Message;
        Volatile.Write(ref _closeDeadlineTick, Server.Tick + CloseTimeoutTicks);
        Send(0, new ConnectionClose
        {
            ReplyCode = (ushort)error.Code,
            ReplyText = Amqp091Errors.ReplyText(error.Message),
            ClassId = (ushort)(methodId >> 16),
            MethodId = (ushort)methodId,
        });
    }

    /// <summary>The output has room again: consumers that were refused messages go on.</summary>
    private void OnDrained()
    {
        foreach (AmqpConsumer consumer in Channels.ListConsumers())
        {
            if (consumer.TakeStarved())
            {
                consumer.Queue.Resume(consumer);
            }
        }
    }

    private async Task CleanUpAsync()
    {
        Server.Connections.Remove(this);
        if (Turn is not null)
        {
            Attempt("what it published last could not be stored", FlushTurn);
        }

        Attempt("its channels could not be released; messages may stay unacknowledged until a restart", Channels.ReleaseAll);
        State = ConnectionState.Closed;
        _loop.Dispose();
        if (_isCounted)
        {
            Turn!.Dispose();
            Server.Limits.RemoveConnection(UserName, VirtualHostName);
            await ReleaseOwnedAsync().ConfigureAwait(false);
        }

        if (UserName.Length > 0)
        {
            Server.Logger.LogInformation("Connection {Connection}, user '{User}', virtual host '{VirtualHost}' closed: {Reason}", Name, UserName, VirtualHostName, _endReason);
        }
        else
        {
            Server.Logger.LogDebug("Connection {Connection} closed before a login: {Reason}", Name, _endReason);
        }
    }

    /// <summary>A step of the clean-up: what goes wrong in it must not keep the others from happening.</summary>
    private void Attempt(string consequence, Action step)
    {
        try
        {
            step();
        }
#pragma warning disable CA1031 // Reported; the connection is at its end.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Server.Logger.LogError(error, "Connection {Connection}, user '{User}', virtual host '{VirtualHost}': {Consequence}", Name, UserName, VirtualHostName, consequence);
        }
    }

    /// <summary>Deletes the connection's exclusive queues. Before connection.open there is nothing that it could own.</summary>
    public async Task ReleaseOwnedAsync()
    {
        if (!_isCounted)
        {
            return;
        }

        try
        {
            await VirtualHost.ReleaseOwnerAsync(this).ConfigureAwait(false);
        }
        catch (IOException error)
        {
            Server.Logger.LogError(error, "Connection {Connection}: its exclusive queues could not be deleted; they will be gone after a restart", Name);
        }
    }
}
