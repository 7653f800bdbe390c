using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Sluice.Base.Changes;
using Sluice.Base.Scheduling;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Shares;
using Sluice.Broker.Topics;
using Sluice.Storage;
using Sluice.Storage.Metadata;

namespace Sluice.Broker;

/// <summary>The broker: its virtual hosts over one <see cref="LogStore"/>. No sockets, no wire formats.</summary>
public sealed class MessageBroker
{
    private const string DefaultHost = "/";
    private readonly Lock _hostsChange = new();
    private readonly ConcurrentDictionary<string, VirtualHost> _hosts = new(StringComparer.Ordinal);
    private readonly IPropertiesReader?[] _formats = new IPropertiesReader?[256];
    private readonly ILogger _logger;
    private volatile string? _blockedReason;
    private bool _isStopped;

    private MessageBroker(LogStore store, BrokerOptions options, IReadOnlyList<IPropertiesReader> formats, IScheduler scheduler, TimeProvider clock, Random random, ILoggerFactory loggers)
    {
        Store = store;
        Options = options;
        Scheduler = scheduler;
        Clock = clock;
        Random = random;
        Loggers = loggers;
        _logger = loggers.CreateLogger("Sluice.Broker");
        foreach (IPropertiesReader format in formats.Append(new KafkaProperties()))
        {
            _formats[(byte)format.Format] = format;
        }
    }

    /// <summary>Raised after <see cref="BlockedReason"/> changed; the argument is the new reason.</summary>
    public event Action<string?>? BlockedChanged;

    public LogStore Store { get; }

    public BrokerOptions Options { get; }

    /// <summary>Why publishers are held back (memory or disk watermark); null when they are not.</summary>
    public string? BlockedReason => _blockedReason;

    /// <summary>The share groups there are; null: none. Set before clients come, by the protocol that keeps them.</summary>
    public IShareGroups? ShareGroups { get; set; }

    internal IScheduler Scheduler { get; }

    internal TimeProvider Clock { get; }

    internal Random Random { get; }

    internal ILoggerFactory Loggers { get; }

    /// <summary>Loads virtual hosts, exchanges, queues, bindings and policies from the metadata store; creates virtual host "/" in an empty one.</summary>
    public static MessageBroker Open(LogStore store, BrokerOptions options, IReadOnlyList<IPropertiesReader> formats, IScheduler scheduler, TimeProvider clock, Random random, ILoggerFactory loggers)
    {
        var broker = new MessageBroker(store, options, formats, scheduler, clock, random, loggers);
        broker.Load();
        return broker;
    }

    public VirtualHost? FindVirtualHost(string name) => _hosts.GetValueOrDefault(name);

    public IReadOnlyList<VirtualHost> ListVirtualHosts() => [.. _hosts.Values.OrderBy(host => host.Name, StringComparer.Ordinal)];

    /// <summary>Creates the virtual host; one that is there stays as it is.</summary>
    /// <param name="name">1 to 255 characters.</param>
    /// <param name="by">The user who asks for it, for the log; null: the program that the broker is part of.</param>
    public async ValueTask<BrokerResult<VirtualHost>> CreateVirtualHostAsync(string name, string? by = null)
    {
        if (name.Length is 0 or > 255)
        {
            return new BrokerResult(BrokerStatus.InvalidArgument, "a virtual host's name has 1 to 255 characters");
        }

        VirtualHost? host;
        ValueTask<MetadataResult> kept = default;
        bool isNew;
        lock (_hostsChange)
        {
            isNew = !_hosts.TryGetValue(name, out host);
            if (isNew)
            {
                // In the journal before anything can be declared in it.
                host = new VirtualHost(this, name);
                kept = Store.Metadata.CommitAsync(MetadataTransaction.Put(MetadataKeys.VirtualHost(name), ReadOnlyMemory<byte>.Empty));
                _hosts[name] = host;
                if (_isStopped)
                {
                    host.Stop();
                }
            }
        }

        if (!isNew)
        {
            await Store.Metadata.WhenKeptAsync().ConfigureAwait(false);
            return host!;
        }

        await kept.ConfigureAwait(false);
        _logger.LogInformation("{Who} created virtual host '{Host}'", ChangeWords.Who(by), name);
        return host!;
    }

    /// <summary>Deletes the virtual host and all it holds.</summary>
    /// <param name="name">Which.</param>
    /// <param name="by">As with <see cref="CreateVirtualHostAsync"/>.</param>
    public async ValueTask<BrokerResult> DeleteVirtualHostAsync(string name, string? by = null)
    {
        VirtualHost? host;
        ValueTask kept;
        List<Queues.Consumer> consumers;
        lock (_hostsChange)
        {
            if (!_hosts.TryRemove(name, out host))
            {
                return new BrokerResult(BrokerStatus.NotFound, $"no vhost '{name}'");
            }

            (kept, consumers) = host.Delete();
        }

        host.Release(consumers);

        await kept.ConfigureAwait(false);
        _logger.LogInformation("{Who} deleted virtual host '{Host}'", ChangeWords.Who(by), name);
        return BrokerResult.Ok;
    }

    /// <summary>
    /// Ends what works of itself: the timers of queues and the delivery of delayed messages. Call it when the protocols have stopped and before the store is closed.
    /// </summary>
    public void Stop()
    {
        lock (_hostsChange)
        {
            _isStopped = true;
        }

        foreach (VirtualHost host in _hosts.Values)
        {
            host.Stop();
        }
    }

    /// <summary>Sets or lifts (null) the block; raises <see cref="BlockedChanged"/>. Called by the watermark monitor.</summary>
    public void SetBlocked(string? reason)
    {
        if (_blockedReason == reason)
        {
            return;
        }

        bool was = _blockedReason is not null;
        _blockedReason = reason;
        if (was != (reason is not null))
        {
            if (reason is null)
            {
                _logger.LogWarning("Publishers may go on: the resource is available again");
            }
            else
            {
                _logger.LogWarning("Publishers are blocked: {Reason}", reason);
            }
        }

        BlockedChanged?.Invoke(reason);
    }

    internal IPropertiesReader? FindFormat(PropertiesFormat format) => _formats[(byte)format];

    private void Load()
    {
        foreach (MetadataEntry entry in Store.Metadata.Range(MetadataKeys.VirtualHosts))
        {
            string name = MetadataKeys.ReadVirtualHost(entry.Key);
            _hosts[name] = new VirtualHost(this, name);
        }

        if (_hosts.IsEmpty)
        {
            // Not waited for: every later declaration is behind it in the journal.
            _hosts[DefaultHost] = new VirtualHost(this, DefaultHost);
            _ = Store.Metadata.CommitAsync(MetadataTransaction.Put(MetadataKeys.VirtualHost(DefaultHost), ReadOnlyMemory<byte>.Empty)).AsTask();
        }

        var wanted = new HashSet<LogId>();
        foreach (VirtualHost host in _hosts.Values)
        {
            host.Load(wanted);
        }

        Store.DeleteOrphans(wanted.Contains);
        Topic[] topics = [.. _hosts.Values.SelectMany(static host => host.ListTopics()).Where(static topic => !topic.Definition.IsQueue)];
        int own = PartitionsOf(topics, isInternal: true);
        int partitions = PartitionsOf(topics, isInternal: false);
        int queues = _hosts.Values.Sum(static host => host.QueueCount) - partitions - own;
        long delayLogs = _hosts.Values.Sum(host => host.Delays?.LogIds.LongCount() ?? 0);
        _logger.LogInformation(
            "Loaded {Hosts} virtual hosts with {Queues} queues and streams, which have {QueueLogs} logs (one for each priority), and {Topics} topics with {Partitions} partitions; the broker's own topics have {OwnPartitions} partitions, another {DelayLogs} logs keep the messages of delayed exchanges by their time",
            _hosts.Count, queues, wanted.Count - delayLogs - partitions - own, topics.Count(static topic => !topic.Definition.IsInternal), partitions, own, delayLogs);
        foreach (VirtualHost host in _hosts.Values)
        {
            host.Start();
        }
    }

    private static int PartitionsOf(Topic[] topics, bool isInternal) => topics.Where(topic => topic.Definition.IsInternal == isInternal).Sum(static topic => topic.Partitions.Count);
}

/// <summary>Settings of a <see cref="MessageBroker"/>.</summary>
public sealed record BrokerOptions
{
    /// <summary>What a persistent message to a durable queue is promised.</summary>
    public Durability DurablePromise { get; init; } = Durability.Disk;

    /// <summary>Largest message body, in bytes.</summary>
    public int MessageBytesMax { get; init; } = 128 << 20;

    /// <summary>Most bytes that one transaction may hold before its commit.</summary>
    public long TransactionBytesMax { get; init; } = 128L << 20;

    /// <summary>Most queues per virtual host.</summary>
    public int QueuesMax { get; init; } = 1_000_000;

    /// <summary>Most queues of the virtual host of this name, as operators have set it; null for no such limit. Called under the virtual host's lock: must be quick and take no lock.</summary>
    public Func<string, int?>? QueuesMaxOf { get; init; }

    /// <summary>Time a delivery may stay unacknowledged before its channel is closed (RabbitMQ's consumer_timeout), in ms; -1: never.</summary>
    public long ConsumerTimeoutMs { get; init; } = -1;
}
