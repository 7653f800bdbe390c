using System.Diagnostics;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Sluice.Admin;
using Sluice.Broker;
using Sluice.Hosting.Configuration;
using Sluice.Hosting.Management;
using Sluice.Protocols.Amqp091;
using Sluice.Protocols.Amqp091.Messages;
using Sluice.Protocols.Kafka;
using Sluice.Protocols.Kafka.Definitions;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.Protocols.Kafka.Transactions;
using Sluice.Security;
using Sluice.Storage;
using Sluice.Transport;

namespace Sluice.Hosting;

/// <summary>
/// A whole broker inside this process: storage, virtual hosts, security and listeners, made from settings. What the `sluice` program runs, and
/// what any .NET host or test can run as well.
/// </summary>
public sealed class SluiceBroker : IAsyncDisposable
{
    private readonly SluiceEnvironment _environment;
    private readonly ILogger _logger;
    private readonly List<RunningListener> _listeners = [];
    private Amqp091Server? _amqp;
    private KafkaServer? _kafka;
    private ManagementServer? _management;
    private WatermarkMonitor? _monitor;
    private LogStore? _store;
    private TokenLogin? _tokens;
    private bool _stopped;

    private SluiceBroker(SluiceSettings settings, SluiceEnvironment environment)
    {
        Settings = settings;
        _environment = environment;
        _logger = environment.Loggers.CreateLogger<SluiceBroker>();
        Transport = new TransportServer(
            new TransportOptions
            {
                ConnectionsMax = settings.Connections.Max,
                IoThreads = settings.Connections.IoThreads,
                SocketBufferBytes = settings.Connections.SocketBufferBytes,
                HandshakeTimeout = TimeSpan.FromSeconds(settings.Connections.HandshakeTimeoutSeconds),
                CloseTimeout = TimeSpan.FromSeconds(settings.Connections.CloseTimeoutSeconds),
                KeepAliveTime = TimeSpan.FromSeconds(settings.Connections.KeepAliveSeconds),
                Output = new ConnectionWriterLimits
                {
                    HighWaterBytes = settings.Connections.OutputHighWaterBytes,
                    LowWaterBytes = settings.Connections.OutputLowWaterBytes,
                    HardLimitBytes = settings.Connections.OutputHardLimitBytes,
                },
            },
            environment.Clock,
            environment.Loggers);
    }

    public SluiceSettings Settings { get; }

    public TransportServer Transport { get; }

    /// <summary>Listeners that are up, with the ports taken.</summary>
    public IReadOnlyList<RunningListener> Listeners => _listeners;

    public MessageBroker Broker { get; private set; } = null!;

    public AccessControl AccessControl { get; private set; } = null!;

    public Authenticator Authenticator { get; private set; } = null!;

    /// <summary>Recovers the data directory, then opens the protocols' listeners. On failure nothing stays open.</summary>
    /// <exception cref="IOException">The data directory cannot be made.</exception>
    /// <exception cref="Base.Disk.DiskLockedException">Another broker uses the data directory.</exception>
    /// <exception cref="StorageFormatException">The data directory is of a newer format or damaged.</exception>
    /// <exception cref="InvalidDataException">The users cannot be read.</exception>
    /// <exception cref="SettingsException">Settings contradict each other.</exception>
    /// <exception cref="ListenException">A port or certificate cannot be used.</exception>
    public static async Task<SluiceBroker> StartAsync(SluiceSettings settings, SluiceEnvironment environment)
    {
        var broker = new SluiceBroker(settings, environment);
        try
        {
            await broker.OpenAsync().ConfigureAwait(false);

            // Before clients of any protocol come: it keeps the share groups.
            await broker.OpenKafkaAsync().ConfigureAwait(false);
            broker.ListenAmqp();
            broker.ListenKafka();
            await broker.ListenHttpAsync().ConfigureAwait(false);
            return broker;
        }
        catch
        {
            await broker.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Closes connections in good order, within <see cref="SluiceSettings.StopTimeoutSeconds"/>, then the store: everything is kept and the next start needs no recovery.</summary>
    public async Task StopAsync()
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        _monitor?.Dispose();
        if (_management is not null)
        {
            await _management.DisposeAsync().ConfigureAwait(false);
        }

        await Transport.StopAsync(TimeSpan.FromSeconds(Settings.StopTimeoutSeconds)).ConfigureAwait(false);
        _amqp?.Dispose();
        _kafka?.Dispose();
        Broker?.Stop();
        _store?.Dispose();
        _tokens?.Dispose();
        Authenticator?.Dispose();
        await Transport.DisposeAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync() => await StopAsync().ConfigureAwait(false);

    private async Task OpenAsync()
    {
        (SluiceSettings settings, SluiceEnvironment environment) = (Settings, _environment);
        try
        {
            environment.Disk.CreateDirectory("");
        }
        catch (IOException error)
        {
            throw new IOException($"{error.Message} Choose another data directory with the setting {nameof(SluiceSettings.DataDirectory)}.", error);
        }

        _store = LogStore.Open(
            new LogStoreOptions
            {
                SegmentBytes = settings.Storage.SegmentBytes,
                JournalBytesMax = settings.Storage.JournalBytesMax,
                JournalBacklogBytesMax = settings.Storage.JournalBacklogBytesMax,
                TailBytesMax = settings.Storage.TailBytesMax,
                TailBytesPerLogMax = settings.Storage.TailBytesPerLogMax,
                BatchBytesMax = LimitSettings.BatchBytesMax,
            },
            environment.Disk,
            environment.Scheduler,
            environment.Clock,
            environment.Loggers);
        _tokens = new TokenLogin(settings.Security.OAuthBearer, environment.Clock, _logger);
        AccessControl = new AccessControl(new MetadataSecurityStore(_store.Metadata), environment.Loggers.CreateLogger<AccessControl>(), settings.Security.ScramFromPasswords);
        Authenticator = new Authenticator(
            AccessControl,
            new AuthenticatorOptions { LoopbackUsers = settings.Security.LoopbackUsers, CertificateLogin = settings.Security.CertificateLogin },
            environment.Clock,
            environment.Loggers.CreateLogger<Authenticator>(),
            _tokens.Validator);
        if (settings.Security.DefaultUser.Length > 0
            && await AccessControl.CreateFirstUserAsync(settings.Security.DefaultUser, settings.Security.DefaultPassword, "/").ConfigureAwait(false))
        {
            _logger.LogInformation("First start: user '{User}' is made, with all permissions", settings.Security.DefaultUser);
        }

        Broker = MessageBroker.Open(
            _store,
            new BrokerOptions
            {
                DurablePromise = settings.Durability switch
                {
                    DurabilityPromise.Memory => Durability.Memory,
                    DurabilityPromise.Os => Durability.OperatingSystem,
                    DurabilityPromise.Disk => Durability.Disk,
                    _ => throw new UnreachableException(),
                },
                MessageBytesMax = settings.Limits.MessageBytesMax,
                TransactionBytesMax = settings.Limits.TransactionBytesMax,
                QueuesMax = settings.Limits.QueuesPerVirtualHostMax,
                QueuesMaxOf = host => AccessControl.LimitsOf(host).QueuesMax,
                ConsumerTimeoutMs = settings.Limits.ConsumerTimeoutSeconds == 0 ? -1 : settings.Limits.ConsumerTimeoutSeconds * 1000L,
            },
            [new Amqp091PropertiesReader()],
            environment.Scheduler,
            environment.Clock,
            environment.Random,
            environment.Loggers);
        long memoryMax = settings.Memory.Watermark.ToBytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        _monitor = new WatermarkMonitor(
            new WatermarkSources(
                static () => Environment.WorkingSet,
                () => _store.FreeDiskBytes,
                static () => GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true)),
            memoryMax,
            settings.Disk.FreeBytesMin,
            Broker.SetBlocked,
            environment.Clock,
            _logger);
    }

    private void ListenAmqp()
    {
        AmqpSettings amqp = Settings.Amqp;
        _amqp = new Amqp091Server(
            new Amqp091Options
            {
                ChannelMax = (ushort)amqp.ChannelMax,
                FrameMax = amqp.FrameMax,
                HeartbeatSeconds = (ushort)amqp.HeartbeatSeconds,
                ConsumersPerChannelMax = amqp.ConsumersPerChannelMax,
            },
            Broker,
            AccessControl,
            Authenticator,
            new UsageLimits(AccessControl),
            _environment.Clock,
            _environment.Loggers.CreateLogger<Amqp091Server>());
        ListenBoth("amqp", "Amqp", amqp.Address, amqp.Port, amqp.Tls, _amqp);
    }

    private async Task OpenKafkaAsync()
    {
        KafkaSettings kafka = Settings.Kafka;
        if (kafka.Address.Length == 0 && kafka.Tls.CertificateFile.Length == 0)
        {
            return;
        }

        KafkaSettingsTargets.Check(kafka, Broker, AccessControl, _logger);
        _kafka = await KafkaServer.CreateAsync(
            new KafkaOptions
            {
                VirtualHost = kafka.VirtualHost,
                NodeId = kafka.NodeId,
                AdvertisedHost = kafka.AdvertisedHost,
                AdvertisedPort = kafka.AdvertisedPort,
                TlsAdvertisedHost = TlsAdvertisedHost,
                TlsAdvertisedPort = kafka.Tls.AdvertisedPort,
                AnonymousUser = kafka.AnonymousUser,
                ReauthenticationMaxMs = kafka.ReauthenticationMaxMs,
                AutoCreateTopics = kafka.AutoCreateTopics,
                DefaultPartitions = kafka.DefaultPartitions,
                RequestBytesMax = kafka.RequestBytesMax,
                FetchSessionsMax = kafka.FetchSessionsMax,
                Groups = new GroupOptions
                {
                    OffsetsTopicPartitions = kafka.OffsetsTopicPartitions,
                    OffsetsRetentionMs = kafka.OffsetsRetentionMinutes * 60_000L,
                    OffsetMetadataMax = kafka.OffsetMetadataMax,
                    InitialRebalanceDelayMs = kafka.GroupInitialRebalanceDelayMs,
                    SessionTimeoutMinMs = kafka.GroupSessionTimeoutMinMs,
                    SessionTimeoutMaxMs = kafka.GroupSessionTimeoutMaxMs,
                    MembersMax = kafka.GroupMembersMax,
                    MigrationPolicy = kafka.GroupMigrationPolicy,
                    ShareMembersMax = kafka.ShareMembersMax,
                },
                Shares = new ShareOptions { StateTopicPartitions = kafka.ShareTopicPartitions, SessionsMax = kafka.ShareSessionsMax },
                Telemetry = new TelemetryOptions { PushBytesMax = kafka.TelemetryPushBytesMax, KeptBytesMax = kafka.TelemetryKeptBytesMax },
                Transactions = new TransactionOptions
                {
                    StateTopicPartitions = kafka.TransactionTopicPartitions,
                    TimeoutMaxMs = kafka.TransactionTimeoutMaxMs,
                    TransactionalIdExpirationMs = kafka.TransactionalIdExpirationMinutes * 60_000L,
                    ProducerIdExpirationMs = kafka.ProducerIdExpirationMinutes * 60_000L,
                },
            },
            Broker,
            AccessControl,
            Authenticator,
            _environment.Scheduler,
            _environment.Clock,
            _environment.Random,
            _environment.Loggers.CreateLogger<KafkaServer>()).ConfigureAwait(false);
    }

    private void ListenKafka()
    {
        if (_kafka is not null)
        {
            string host = TlsAdvertisedHost;
            string setting = host == Settings.Kafka.AdvertisedHost ? "Kafka:AdvertisedHost" : "Kafka:Tls:AdvertisedHost";
            ListenBoth("kafka", "Kafka", Settings.Kafka.Address, Settings.Kafka.Port, Settings.Kafka.Tls, _kafka, certificate => CertificateRemark.Of(certificate, host, setting));
        }
    }

    /// <summary>What clients of Kafka's TLS listener are told.</summary>
    private string TlsAdvertisedHost => Settings.Kafka.Tls.AdvertisedHost.Length > 0 ? Settings.Kafka.Tls.AdvertisedHost : Settings.Kafka.AdvertisedHost;

    /// <summary>Opens a protocol's plaintext listener and its listener for TLS, so far as they are configured.</summary>
    private void ListenBoth(string name, string section, string address, int port, TlsSettings tls, IProtocolHandler handler, Func<X509Certificate2, string?>? remark = null)
    {
        if (address.Length > 0)
        {
            Listen(name, $"{section}:Port", address, port, tls: null, handler);
        }

        if (tls.CertificateFile.Length > 0)
        {
            TlsOptions options = new()
            {
                CertificateFile = tls.CertificateFile,
                KeyFile = NullIfEmpty(tls.KeyFile),
                Password = NullIfEmpty(tls.Password),
                ClientCertificates = tls.ClientCertificates,
                ClientAuthorityFile = NullIfEmpty(tls.ClientAuthorityFile),
                Tls13Only = tls.Tls13Only,
                Section = $"{section}:Tls",
                Remark = remark,
            };
            Listen($"{name}s", $"{section}:Tls:Port", tls.Address, tls.Port, options, handler);
        }
    }

    private void Listen(string name, string setting, string address, int port, TlsOptions? tls, IProtocolHandler handler)
    {
        IPEndPoint endPoint = Transport.Listen(
            new ListenerOptions
            {
                Name = name,
                PortSetting = setting,
                EndPoint = new IPEndPoint(ListenAddress.Parse(address), port),
                Tls = tls,
                ConnectionsMax = Settings.Connections.Max,
            },
            handler);
        _listeners.Add(new RunningListener(name, endPoint));
    }

    /// <summary>Management comes after the protocols: clients need not wait for it.</summary>
    private async Task ListenHttpAsync()
    {
        if (Settings.Admin.Address.Length == 0)
        {
            return;
        }

        AdminContext context = new()
        {
            Broker = Broker,
            AccessControl = AccessControl,
            Authenticator = Authenticator,
            Connections = new ConnectionSource(Transport),
            ClientMetrics = () => _kafka is null ? [] : KafkaClientMetrics.List(_kafka.Telemetry),
            DefinitionSections = [.. KafkaSections().Select(static section => new DefinitionSection(section.Name, section.Export, section.ImportAsync))],
            Messages = new AmqpMessageFormat(),
            KafkaAnonymousUser = _kafka is null ? "" : Settings.Kafka.AnonymousUser,
            Groups = _kafka is null ? null : new KafkaGroups(_kafka),
            KafkaMetrics = () => _kafka is null ? [] : KafkaFigures.List(_kafka),
            Clock = _environment.Clock,
            NodeName = $"sluice@{Environment.MachineName}",
            Version = typeof(SluiceBroker).Assembly.GetName().Version?.ToString(3) ?? "",
            Listeners = () => [.. _listeners.Select(listener => new ListenerInfo(ProtocolOf(listener.Name), listener.EndPoint.Address.ToString(), listener.EndPoint.Port))],
            StartedAt = _environment.Clock.GetUtcNow(),
        };
        var endPoint = new IPEndPoint(ListenAddress.Parse(Settings.Admin.Address), Settings.Admin.Port);
        _management = await ManagementServer.StartAsync(endPoint, context, _environment.Loggers).ConfigureAwait(false);
        _listeners.Add(new RunningListener("http", _management.EndPoint));
    }

    private IReadOnlyList<KafkaSection> KafkaSections() => _kafka is not null ? KafkaDefinitions.Of(_kafka) : KafkaDefinitions.OfStore(Broker.Store.Metadata, _environment.Clock, _logger);

    /// <summary>What the management API calls a listener's protocol, as RabbitMQ does.</summary>
    private static string ProtocolOf(string listener) => listener == "amqps" ? "amqp/ssl" : listener;

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}

/// <param name="Name">"amqp", "amqps", "kafka", "kafkas", "http".</param>
/// <param name="EndPoint">The address bound.</param>
public sealed record RunningListener(string Name, IPEndPoint EndPoint);
