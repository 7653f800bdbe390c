using Microsoft.Extensions.Logging;
using Sluice.Base.Logging;
using Sluice.Broker;
using Sluice.Protocols.Amqp091.Channels;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Security;
using Sluice.Transport;

namespace Sluice.Protocols.Amqp091;

/// <summary>AMQP 0-9-1 over any number of listeners: what its connections share.</summary>
public sealed class Amqp091Server : IProtocolHandler, IDisposable
{
    private readonly ITimer _timer;
    private int _tick;

    public Amqp091Server(
        Amqp091Options options,
        MessageBroker broker,
        AccessControl accessControl,
        Authenticator authenticator,
        UsageLimits limits,
        TimeProvider clock,
        ILogger<Amqp091Server> logger)
    {
        ArgumentOutOfRangeException.ThrowIfZero(options.ChannelMax);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.FrameMax, Amqp091Limits.FrameMin);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.FrameMax, 16 << 20);
        Options = options;
        Broker = broker;
        AccessControl = accessControl;
        Authenticator = authenticator;
        Limits = limits;
        Clock = clock;
        Logger = logger;
        RefusedClients = new RefusalLog<RefusedClient>(logger, clock);
        Broker.BlockedChanged += OnBlockedChanged;
        var period = TimeSpan.FromMilliseconds(Amqp091Limits.TickMs);
        _timer = clock.CreateTimer(static state => ((Amqp091Server)state!).OnTick(), this, period, period);
    }

    public string Name => "amqp";

    /// <summary>The connections there are.</summary>
    public ConnectionRegistry Connections { get; } = new();

    internal Amqp091Options Options { get; }

    internal MessageBroker Broker { get; }

    internal AccessControl AccessControl { get; }

    internal Authenticator Authenticator { get; }

    internal UsageLimits Limits { get; }

    internal TimeProvider Clock { get; }

    internal ILogger Logger { get; }

    /// <summary>Hears of clients that do not get in.</summary>
    internal RefusalLog<RefusedClient> RefusedClients { get; }

    internal DirectReplies DirectReplies { get; } = new();

    /// <summary>Counts <see cref="Amqp091Limits.TickMs"/>: the clock of everything that is allowed to be that coarse.</summary>
    internal int Tick => Volatile.Read(ref _tick);

    public Task HandleAsync(ClientConnection connection, CancellationToken stopping) => new Amqp091Connection(this, connection).RunAsync(stopping);

    public void Dispose()
    {
        Broker.BlockedChanged -= OnBlockedChanged;
        _timer.Dispose();
        RefusedClients.Dispose();
    }

    private void OnTick()
    {
        int now = Interlocked.Increment(ref _tick);
        foreach (Amqp091Connection connection in Connections.Connections)
        {
            connection.OnTick(now);
        }
    }

    private void OnBlockedChanged(string? reason)
    {
        foreach (Amqp091Connection connection in Connections.Connections)
        {
            connection.OnBlockedChanged(reason);
        }
    }
}
