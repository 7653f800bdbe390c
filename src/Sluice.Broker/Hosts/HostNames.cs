using System.Collections.Concurrent;
using Sluice.Broker.Definitions;
using Sluice.Broker.Exchanges;
using Sluice.Broker.Queues;
using Sluice.Broker.Topics;
using Sluice.Storage.Metadata;

namespace Sluice.Broker.Hosts;

/// <summary>
/// The queues, topics and exchanges of a virtual host by name. Finding one takes no lock; <see cref="Control"/> is held by whoever changes what there is, and
/// commits the change of its definition before the name can be found.
/// </summary>
internal sealed class HostNames : IRoutingTable
{
    private readonly VirtualHost _host;
    private readonly ConcurrentDictionary<string, StoredQueue>.AlternateLookup<ReadOnlySpan<byte>> _queuesByBytes;
    private readonly ConcurrentDictionary<string, Topic>.AlternateLookup<ReadOnlySpan<byte>> _topicsByBytes;
    private readonly ConcurrentDictionary<string, Exchange>.AlternateLookup<ReadOnlySpan<byte>> _exchangesByBytes;
    private long _routingVersion;
    private volatile bool _isDeleted;

    public HostNames(VirtualHost host)
    {
        _host = host;
        _queuesByBytes = Queues.GetAlternateLookup<ReadOnlySpan<byte>>();
        _topicsByBytes = Topics.GetAlternateLookup<ReadOnlySpan<byte>>();
        _exchangesByBytes = Exchanges.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    /// <summary>Guards declarations, bindings and policies.</summary>
    public Lock Control { get; } = new();

    public ConcurrentDictionary<string, StoredQueue> Queues { get; } = new(Utf8NameComparer.Instance);

    /// <summary>Topics and streams. Their partitions are among the queues.</summary>
    public ConcurrentDictionary<string, Topic> Topics { get; } = new(Utf8NameComparer.Instance);

    public ConcurrentDictionary<string, Exchange> Exchanges { get; } = new(Utf8NameComparer.Instance);

    /// <summary>Nothing can be declared any more.</summary>
    public bool IsDeleted
    {
        get => _isDeleted;
        set => _isDeleted = value;
    }

    /// <summary>The broker stops: a queue declared now is not started.</summary>
    public bool IsStopped { get; set; }

    /// <summary>Rises with every change that can alter where a message goes.</summary>
    public long RoutingVersion => Volatile.Read(ref _routingVersion);

    public void RoutingChanged() => Interlocked.Increment(ref _routingVersion);

    /// <summary>Where it goes what is published to a queue or topic of this name; null if there is none that clients may write to. No allocation.</summary>
    public MessageQueue? FindTarget(ReadOnlySpan<byte> name)
    {
        if (_queuesByBytes.TryGetValue(name, out StoredQueue? queue))
        {
            return TargetOf(queue);
        }

        return _topicsByBytes.TryGetValue(name, out Topic? topic) && topic.AsQueue is { } whole ? TargetOf(whole) : null;
    }

    /// <summary>What publishing or binding to the queue leads to: by a topic's name to all its partitions, however many it has or will have. Null: clients may not write to it.</summary>
    public static MessageQueue? TargetOf(MessageQueue queue) => queue switch
    {
        StreamQueue { Partition.Topic: { AsQueue: { } whole } topic } => topic.Definition.IsInternal ? null : queue.Name == topic.Name ? whole : queue,
        TopicQueue { Topic.Definition.IsInternal: true } => null,
        _ => queue,
    };

    /// <summary>Null if there is none. No allocation.</summary>
    public Exchange? FindExchange(ReadOnlySpan<byte> name) => _exchangesByBytes.TryGetValue(name, out Exchange? exchange) ? exchange : null;

    Exchange? IRoutingTable.FindExchange(string name) => Exchanges.GetValueOrDefault(name);

    IDestination? IRoutingTable.FindQueue(ReadOnlySpan<byte> name) => FindTarget(name);

    /// <summary>
    /// Writes changes into the journal, in the order of the calls; the returned task ends when they are kept, and is awaited off the lock. Under the control lock,
    /// and before a new name can be found: else a message could be confirmed in a queue whose definition a crash loses.
    /// </summary>
    public async ValueTask Commit(IReadOnlyList<MetadataOperation> operations)
    {
        if (operations.Count > 0)
        {
            await _host.Store.Metadata.CommitAsync(new MetadataTransaction([], operations)).ConfigureAwait(false);
        }
    }

    /// <summary>Ends when all is kept that can be found by now; awaited off the lock. Who is told that something is so already, or has gone already, is told after this: else it would hear it before a crash undoes it.</summary>
    public ValueTask WhenKept() => _host.Store.Metadata.WhenKeptAsync();

    public BrokerResult NoHost() => new(BrokerStatus.NotFound, $"no vhost '{_host.Name}'");

    public BrokerResult NoQueue(string name) => new(BrokerStatus.NotFound, $"no queue '{name}' in vhost '{_host.Name}'");

    public BrokerResult NoTopic(string name) => new(BrokerStatus.NotFound, $"no topic '{name}' in vhost '{_host.Name}'");

    public BrokerResult NoExchange(string name) => new(BrokerStatus.NotFound, $"no exchange '{name}' in vhost '{_host.Name}'");

    /// <summary>Why a queue or topic was not deleted: InUse or NotEmpty.</summary>
    public BrokerResult NotDeleted(string name, BrokerStatus status) => new(status, $"queue '{name}' in vhost '{_host.Name}' {(status == BrokerStatus.InUse ? "in use" : "is not empty")}");

    public BrokerResult Locked(StoredQueue queue) => new(BrokerStatus.Locked, Equivalence.LockedText(queue.Name, _host.Name));
}
