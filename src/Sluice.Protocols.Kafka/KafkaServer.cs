using System.Buffers.Text;
using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Base.Logging;
using Sluice.Base.Scheduling;
using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Overview;
using Sluice.Protocols.Kafka.Handlers;
using Sluice.Protocols.Kafka.Metrics;
using Sluice.Protocols.Kafka.Quotas;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.Protocols.Kafka.Transactions;
using Sluice.Security;
using Sluice.Storage.Metadata;
using Sluice.Transport;

namespace Sluice.Protocols.Kafka;

/// <summary>The Kafka protocol over any number of listeners: what its connections share.</summary>
public sealed class KafkaServer : IProtocolHandler, IDisposable
{
    /// <summary>Of every partition: one node has always led it.</summary>
    internal const int LeaderEpoch = 0;

    private const string ClusterIdKey = "kafka/cluster-id";

    private readonly ProducerExpiry _producerExpiry;

    private KafkaServer(KafkaOptions options, MessageBroker broker, AccessControl accessControl, Authenticator authenticator, IScheduler scheduler, TimeProvider clock, Random random, ILogger<KafkaServer> logger, string clusterId)
    {
        Options = options;
        Broker = broker;
        AccessControl = accessControl;
        Authenticator = authenticator;
        Scheduler = scheduler;
        Clock = clock;
        Random = random;
        Logger = logger;
        ClusterId = clusterId;
        FetchSessions = new FetchSessions(options.FetchSessionsMax, clock, random);
        ProducerIds = new ProducerIds(broker.Store.Metadata);
        Groups = new GroupCoordinator(options.Groups, broker, () => Host, Buffers, scheduler, clock, logger, NewId);
        Transactions = new TransactionCoordinator(options.Transactions, broker, () => Host, ProducerIds, Groups, Buffers, scheduler, clock, logger, NewId);
        Shares = new ShareCoordinator(options.Shares, new ShareContext(broker.Store, broker.Options.DurablePromise, Groups.Topics, Groups.Configs, Buffers, scheduler, clock, logger), Groups, () => Host, scheduler, NewId);
        _producerExpiry = new ProducerExpiry(options.Transactions, () => Host, scheduler, clock);
        GroupOverview = new GroupOverview(Groups, Shares, () => Host);
        Quotas = new ClientQuotas(broker.Store.Metadata, clock);
        Telemetry = new ClientTelemetry(options.Telemetry, broker.Store.Metadata, Buffers, clock);
        Acls = new AclStore(broker.Store.Metadata, logger);
        RefusedOperations = new RefusalLog<RefusedOperation>(logger, clock);
        RefusedClients = new RefusalLog<RefusedClient>(logger, clock);
        Dispatcher = new RequestDispatcher(this);
    }

    public string Name => "kafka";

    /// <summary>Names this broker's data, from its first start on.</summary>
    public string ClusterId { get; }

    /// <summary>The virtual host whose topics clients see.</summary>
    public string VirtualHost => Options.VirtualHost;

    /// <summary>What clients tell of themselves.</summary>
    public ClientTelemetry Telemetry { get; }

    /// <summary>The groups, for operators.</summary>
    public GroupOverview GroupOverview { get; }

    /// <summary>What was done, in figures.</summary>
    public KafkaMetrics Metrics { get; } = new();

    internal KafkaOptions Options { get; }

    internal MessageBroker Broker { get; }

    internal AccessControl AccessControl { get; }

    internal Authenticator Authenticator { get; }

    internal IScheduler Scheduler { get; }

    internal TimeProvider Clock { get; }

    internal Random Random { get; }

    internal ILogger Logger { get; }

    internal FetchSessions FetchSessions { get; }

    internal ProducerIds ProducerIds { get; }

    internal GroupCoordinator Groups { get; }

    internal ShareCoordinator Shares { get; }

    internal TransactionCoordinator Transactions { get; }

    internal ClientQuotas Quotas { get; }

    internal AclStore Acls { get; }

    /// <summary>Hears of what clients may not do.</summary>
    internal RefusalLog<RefusedOperation> RefusedOperations { get; }

    /// <summary>Hears of clients that are not served.</summary>
    internal RefusalLog<RefusedClient> RefusedClients { get; }

    internal RequestDispatcher Dispatcher { get; }

    /// <summary>Blocks of responses.</summary>
    internal BufferPool Buffers { get; } = new(keptBytesMax: 16 << 20);

    /// <summary>The host whose topics clients see; null once it was deleted.</summary>
    internal VirtualHost? Host => Broker.FindVirtualHost(Options.VirtualHost);

    /// <summary>How the broker's own topic of this name is made; null: no such name.</summary>
    internal InternalTopic? FindInternalTopic(string name) => name switch
    {
        InternalTopics.Offsets => Groups.Kept,
        InternalTopics.Transactions => Transactions.Kept,
        InternalTopics.Shares => Shares.Kept,
        _ => null,
    };

    internal long NowMs => Clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Reads, or at the first start chooses, what the broker must remember.</summary>
    public static async Task<KafkaServer> CreateAsync(
        KafkaOptions options,
        MessageBroker broker,
        AccessControl accessControl,
        Authenticator authenticator,
        IScheduler scheduler,
        TimeProvider clock,
        Random random,
        ILogger<KafkaServer> logger)
    {
        IMetadataStore metadata = broker.Store.Metadata;
        if (metadata.Get(ClusterIdKey) is not { } entry)
        {
            byte[] id = new byte[16];
            random.NextBytes(id);
            await metadata.CommitAsync(MetadataTransaction.Put(ClusterIdKey, System.Text.Encoding.ASCII.GetBytes(Base64Url.EncodeToString(id)))).ConfigureAwait(false);
            entry = metadata.Get(ClusterIdKey)!;
        }

        var server = new KafkaServer(options, broker, accessControl, authenticator, scheduler, clock, random, logger, System.Text.Encoding.ASCII.GetString(entry.Value.Span));
        server.Groups.Start();
        server.Transactions.Start();
        server.Shares.Start();
        broker.ShareGroups = new ShareGroups(options.VirtualHost, server.Shares, server.Groups);
        return server;
    }

    /// <summary>Transactions that have begun and not ended, as far as that can be told.</summary>
    public int CountOpenTransactions()
    {
        Transactions.List(out IReadOnlyList<Transaction> transactions);
        return transactions.Count(static transaction => transaction.Status == TransactionStatus.Ongoing);
    }

    public void Dispose()
    {
        RefusedOperations.Dispose();
        RefusedClients.Dispose();
        _producerExpiry.Dispose();
        Transactions.Dispose();
        Shares.Dispose();
        Groups.Dispose();
        ProducerIds.Dispose();
    }

    /// <summary>An id for a new topic or member: version 4 of RFC 9562, never one of the two that Kafka reserves for topics.</summary>
    internal Guid NewId()
    {
        Span<byte> bytes = stackalloc byte[16];
        lock (Random)
        {
            Random.NextBytes(bytes);
        }

        bytes[6] = (byte)((bytes[6] & 0x0F) | 0x40);
        bytes[8] = (byte)((bytes[8] & 0x3F) | 0x80);
        return new Guid(bytes, bigEndian: true);
    }

    public Task HandleAsync(ClientConnection connection, CancellationToken stopping)
    {
        int throttleMs = Quotas.Connect(connection.RemoteEndPoint.Address);
        return throttleMs == 0 ? new KafkaConnection(this, connection).RunAsync(stopping) : RefuseAsync(connection, throttleMs, stopping);
    }

    /// <summary>The address has opened too many connections (KIP-612): this one is not served, and ends only after some time, so that its client does not come again at once.</summary>
    private async Task RefuseAsync(ClientConnection connection, int throttleMs, CancellationToken stopping)
    {
        Logger.LogDebug("Connection {Connection} is not served: its address is over its quota {Quota}", connection.Name, ClientQuotas.Connections);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping, connection.Closed);
        await Task.Delay(TimeSpan.FromMilliseconds(throttleMs), Clock, ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
