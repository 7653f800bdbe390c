using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using Sluice.Base.Disk;
using Sluice.Base.Scheduling;
using Sluice.Broker;
using Sluice.Protocols.Amqp091.Messages;
using Sluice.Security;
using Sluice.Storage;
using Sluice.TestKit.Disk;
using Sluice.Transport;

namespace Sluice.Protocols.Amqp091.Tests;

/// <summary>A broker on a disk in memory that listens on a free port of this machine, and remembers what it logged.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly TransportServer _transport;

    private TestServer(Amqp091Options options, BrokerOptions brokerOptions, TimeProvider clock, IDisk disk)
    {
        Store = LogStore.Open(new LogStoreOptions(), disk, new SystemScheduler(), clock, Log);
        Broker = MessageBroker.Open(Store, brokerOptions, [new Amqp091PropertiesReader()], new SystemScheduler(), clock, new Random(1), Log);
        AccessControl = new AccessControl(new MemorySecurityStore(), Log.CreateLogger<AccessControl>());
        Limits = new UsageLimits(AccessControl);
        var authenticator = new Authenticator(AccessControl, new AuthenticatorOptions(), clock, Log.CreateLogger<Authenticator>());
        Amqp = new Amqp091Server(options, Broker, AccessControl, authenticator, Limits, clock, Log.CreateLogger<Amqp091Server>());
        _transport = new TransportServer(new TransportOptions(), clock, Log);
    }

    public LogStore Store { get; }

    public MessageBroker Broker { get; }

    public VirtualHost Host => Broker.FindVirtualHost("/")!;

    public AccessControl AccessControl { get; }

    public UsageLimits Limits { get; }

    public Amqp091Server Amqp { get; }

    public RecordingLog Log { get; } = new();

    public BlockPool Pool => _transport.Pool;

    public IPEndPoint EndPoint { get; private set; } = null!;

    public static async Task<TestServer> StartAsync(Amqp091Options? options = null, BrokerOptions? broker = null, TimeProvider? clock = null, IDisk? disk = null)
    {
        var server = new TestServer(options ?? new Amqp091Options(), broker ?? new BrokerOptions(), clock ?? TimeProvider.System, disk ?? new FaultDisk(1));
        await server.AccessControl.CreateFirstUserAsync("guest", "guest", "/");
        server.EndPoint = server._transport.Listen(new ListenerOptions { Name = "amqp", EndPoint = new IPEndPoint(IPAddress.Loopback, 0) }, server.Amqp);
        return server;
    }

    public ConnectionFactory Factory(string user = "guest", string password = "guest") => new()
    {
        HostName = "127.0.0.1",
        Port = EndPoint.Port,
        UserName = user,
        Password = password,
        AutomaticRecoveryEnabled = false,
        RequestedConnectionTimeout = TimeSpan.FromSeconds(30),
        ContinuationTimeout = TimeSpan.FromSeconds(30),
    };

    public Task<IConnection> ConnectAsync(string user = "guest", string password = "guest") => Factory(user, password).CreateConnectionAsync();

    /// <summary>Adds a user with these permissions on "/".</summary>
    public async Task AddUserAsync(string name, string configure, string write, string read)
    {
        await AccessControl.PutUserAsync(new User(name, PasswordHash.Create(Encoding.UTF8.GetBytes(name)), [], default));
        await AccessControl.PutPermissionAsync(new Permission(name, "/", configure, write, read));
    }

    public async ValueTask DisposeAsync()
    {
        await _transport.StopAsync(TimeSpan.FromSeconds(10));
        await _transport.DisposeAsync();
        Amqp.Dispose();
        Store.Dispose();
    }

    private sealed class MemorySecurityStore : ISecurityStore
    {
        public IReadOnlyList<SecurityEntry> Load() => [];

        public ValueTask CommitAsync(IReadOnlyList<SecurityChange> changes) => default;
    }
}

/// <summary>Keeps what was logged at warning or above, and everything of the protocol.</summary>
internal sealed class RecordingLog : ILoggerFactory
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> _lines = new();

    public IReadOnlyList<string> Errors => [.. _lines.Where(line => line.Level >= LogLevel.Error).Select(line => line.Text)];

    public IReadOnlyList<string> Warnings => [.. _lines.Where(line => line.Level == LogLevel.Warning).Select(line => line.Text)];

    public IReadOnlyList<string> Lines => [.. _lines.Select(line => line.Text)];

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public ILogger CreateLogger(string categoryName) => new Logger(this);

    public void Dispose()
    {
    }

    private sealed class Logger(RecordingLog log) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            log._lines.Enqueue((logLevel, exception is null ? formatter(state, exception) : $"{formatter(state, exception)} {exception}"));
    }
}

/// <summary>Waits for what happens elsewhere, with one generous time-out.</summary>
internal static class Eventually
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public static async Task TrueAsync(Func<bool> condition, string what)
    {
        long start = Environment.TickCount64;
        while (!condition())
        {
            if (Environment.TickCount64 - start > Limit.TotalMilliseconds)
            {
                Assert.Fail($"not within {Limit.TotalSeconds} s: {what}");
            }

            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }
}
