using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Sluice.Base.Scheduling;
using Sluice.Broker.Definitions;
using Sluice.Broker.Delays;
using Sluice.Broker.Exchanges;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Storage;
using Sluice.Storage.Metadata;

namespace Sluice.Broker;

/// <summary>
/// Names and routing of one virtual host: exchanges, queues, bindings, policies. Declarations complete when they are kept
/// (durable ones survive a restart). Thread-safe. <c>owner</c> is the connection (any object with identity) that exclusive queues belong to.
/// </summary>
public sealed class VirtualHost : IRoutingTable
{
    private const string ReservedPrefix = "amq.";
    private readonly Lock _control = new();
    private readonly ConcurrentDictionary<string, StoredQueue> _queues = new(Utf8NameComparer.Instance);
    private readonly ConcurrentDictionary<string, Exchange> _exchanges = new(Utf8NameComparer.Instance);
    private readonly ConcurrentDictionary<string, StoredQueue>.AlternateLookup<ReadOnlySpan<byte>> _queuesByBytes;
    private readonly ConcurrentDictionary<string, Exchange>.AlternateLookup<ReadOnlySpan<byte>> _exchangesByBytes;
    private readonly Dictionary<IDestination, HashSet<Exchange>> _sources = [];
    private readonly Dictionary<object, List<StoredQueue>> _owned = new(ReferenceEqualityComparer.Instance);
    private readonly SettingsInForce _settings = new();
    private readonly DelayedDelivery _delays;
    private long _routingVersion;
    private volatile bool _isDeleted;
    private bool _isStopped;

    internal VirtualHost(MessageBroker broker, string name)
    {
        Broker = broker;
        Name = name;
        _delays = new DelayedDelivery(this);
        Logger = broker.Loggers.CreateLogger("Sluice.Broker.VirtualHost");
        _queuesByBytes = _queues.GetAlternateLookup<ReadOnlySpan<byte>>();
        _exchangesByBytes = _exchanges.GetAlternateLookup<ReadOnlySpan<byte>>();
        foreach (ExchangeDefinition predeclared in ExchangeTypes.Predeclared)
        {
            _exchanges[predeclared.Name] = ExchangeTypes.Create(predeclared);
        }
    }

    public string Name { get; }

    public int QueueCount => _queues.Count;

    internal MessageBroker Broker { get; }

    internal BrokerOptions Options => Broker.Options;

    internal LogStore Store => Broker.Store;

    internal IScheduler Scheduler => Broker.Scheduler;

    internal TimeProvider Clock => Broker.Clock;

    internal ILogger Logger { get; }

    /// <summary>Messages that wait in delayed exchanges; null until the first such exchange is declared.</summary>
    internal DelayStore? Delays => _delays.Store;

    /// <summary>Nothing can be declared in it any more.</summary>
    internal bool IsDeleted => _isDeleted;

    internal long NowMs => Broker.Clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Rises with every change that can alter where a message goes.</summary>
    internal long RoutingVersion => Volatile.Read(ref _routingVersion);

    /// <summary>Creates the queue, or checks that it exists with the same properties. An empty name lets the broker choose one (amq.gen-…).</summary>
    public async ValueTask<BrokerResult<MessageQueue>> DeclareQueueAsync(QueueDefinition definition, object? owner)
    {
        if (definition.Name.Length == 0)
        {
            definition = definition with { Name = NewQueueName() };
        }
        else if (!_queues.ContainsKey(definition.Name) && definition.Name.StartsWith(ReservedPrefix, StringComparison.Ordinal))
        {
            return new BrokerResult(BrokerStatus.Forbidden, $"queue name '{definition.Name}' contains reserved prefix 'amq.*'");
        }

        StoredQueue queue;
        ValueTask kept = default;
        lock (_control)
        {
            if (_isDeleted)
            {
                return NoHost();
            }

            if (_queues.TryGetValue(definition.Name, out StoredQueue? existing))
            {
                return CheckExisting(existing, definition, owner);
            }

            int queuesMax = Math.Min(Options.QueuesMax, Options.QueuesMaxOf?.Invoke(Name) ?? int.MaxValue);
            if (_queues.Count >= queuesMax)
            {
                return new BrokerResult(BrokerStatus.LimitReached, $"cannot declare queue '{definition.Name}': queue limit in vhost '{Name}' ({queuesMax}) is reached");
            }

            BrokerResult valid = QueueArguments.Check(definition, Name);
            if (!valid.IsOk)
            {
                return valid;
            }

            queue = CreateQueue(definition, _settings.For(definition), definition.Exclusive ? owner : null, existingLogs: null);
            if (queue.IsDurable)
            {
                kept = Commit([new MetadataOperation(MetadataKeys.Queue(Name, queue.Name), DefinitionCodec.Encode(queue.Definition, queue.LogIds))]);
            }

            _queues[definition.Name] = queue;
            if (queue.Owner is not null)
            {
                NoteOwner(queue, queue.Owner);
            }

            RoutingChanged();
            if (!_isStopped)
            {
                queue.Start();
            }
        }

        await kept.ConfigureAwait(false);
        return queue;
    }

    /// <summary>Finds a queue; NotFound, or Locked when it is exclusive to another connection than <paramref name="owner"/>.</summary>
    public BrokerResult<MessageQueue> FindQueue(string name, object? owner)
    {
        if (!_queues.TryGetValue(name, out StoredQueue? queue))
        {
            return NoQueue(name);
        }

        return queue.Owner is null || ReferenceEquals(queue.Owner, owner) ? queue : LockedQueue(queue);
    }

    /// <summary>Deletes; the value is the number of messages that went with it.</summary>
    public async ValueTask<BrokerResult<long>> DeleteQueueAsync(string name, bool ifUnused, bool ifEmpty, object? owner)
    {
        BrokerResult<MessageQueue> found = FindQueue(name, owner);
        if (!found.IsOk)
        {
            return new BrokerResult(found.Status, found.Detail);
        }

        var queue = (StoredQueue)found.Value!;
        CloseConditions conditions = (ifUnused ? CloseConditions.Unused : CloseConditions.None) | (ifEmpty ? CloseConditions.Empty : CloseConditions.None);
        return await DeleteAsync(queue, conditions).ConfigureAwait(false);
    }

    public async ValueTask<BrokerResult> DeclareExchangeAsync(ExchangeDefinition definition)
    {
        if (definition.Type == ExchangeTypes.Delayed && Delays is null)
        {
            await _delays.CreateAsync().ConfigureAwait(false);
        }

        ValueTask kept = default;
        lock (_control)
        {
            if (_isDeleted)
            {
                return NoHost();
            }

            if (_exchanges.TryGetValue(definition.Name, out Exchange? existing))
            {
                return Equivalence.Check(existing.Definition, definition, Name);
            }

            if (definition.Name.StartsWith(ReservedPrefix, StringComparison.Ordinal))
            {
                return new BrokerResult(BrokerStatus.Forbidden, $"exchange name '{definition.Name}' contains reserved prefix 'amq.*'");
            }

            BrokerResult valid = ExchangeTypes.Check(definition, Name);
            if (!valid.IsOk)
            {
                return valid;
            }

            if (definition.Durable)
            {
                kept = Commit([new MetadataOperation(MetadataKeys.Exchange(Name, definition.Name), DefinitionCodec.Encode(definition))]);
            }

            AddExchange(definition);
        }

        await kept.ConfigureAwait(false);
        return BrokerResult.Ok;
    }

    public BrokerResult<ExchangeDefinition> FindExchange(string name) =>
        _exchanges.TryGetValue(name, out Exchange? exchange) ? exchange.Definition : NoExchange(name);

    public async ValueTask<BrokerResult> DeleteExchangeAsync(string name, bool ifUnused)
    {
        var operations = new List<MetadataOperation>();
        ValueTask kept;
        lock (_control)
        {
            if (!_exchanges.TryGetValue(name, out Exchange? exchange))
            {
                return BrokerResult.Ok;
            }

            if (ExchangeTypes.IsReserved(name))
            {
                return new BrokerResult(BrokerStatus.Forbidden, name.Length == 0 ? "operation not permitted on the default exchange" : $"exchange name '{name}' contains reserved prefix 'amq.*'");
            }

            if (ifUnused && exchange.Router.Count > 0)
            {
                return new BrokerResult(BrokerStatus.InUse, $"exchange '{name}' in vhost '{Name}' in use");
            }

            RemoveExchange(exchange, operations);
            kept = Commit(operations);
        }

        await kept.ConfigureAwait(false);
        return BrokerResult.Ok;
    }

    /// <summary>Binds a queue or exchange to an exchange; binding twice is no error.</summary>
    public async ValueTask<BrokerResult> BindAsync(string source, DestinationKind kind, string destination, string routingKey, Arguments arguments, object? owner)
    {
        ValueTask kept = default;
        lock (_control)
        {
            BrokerResult<(Exchange Source, IDestination Destination)> ends = FindEnds(source, kind, destination, owner);
            if (!ends.IsOk)
            {
                return new BrokerResult(ends.Status, ends.Detail);
            }

            (Exchange from, IDestination to) = ends.Value;
            var binding = new Binding(to, routingKey, arguments);
            BrokerResult valid = ExchangeTypes.CheckBinding(from.Definition, routingKey, arguments);
            if (!valid.IsOk)
            {
                return valid;
            }

            if (!from.Router.Add(binding))
            {
                return BrokerResult.Ok;
            }

            NoteSource(to, from);
            RoutingChanged();
            if (from.Definition.Durable && IsKept(to))
            {
                var definition = new BindingDefinition(source, kind, destination, routingKey, arguments);
                kept = Commit([new MetadataOperation(MetadataKeys.Binding(Name, source, kind, destination, routingKey, arguments), DefinitionCodec.Encode(definition))]);
            }
        }

        await kept.ConfigureAwait(false);
        return BrokerResult.Ok;
    }

    /// <summary>Unbinds; no error if there is no such binding (as RabbitMQ).</summary>
    public async ValueTask<BrokerResult> UnbindAsync(string source, DestinationKind kind, string destination, string routingKey, Arguments arguments, object? owner)
    {
        var operations = new List<MetadataOperation>();
        ValueTask kept;
        lock (_control)
        {
            BrokerResult<(Exchange Source, IDestination Destination)> ends = FindEnds(source, kind, destination, owner);
            if (!ends.IsOk)
            {
                return ends.Status == BrokerStatus.NotFound ? BrokerResult.Ok : new BrokerResult(ends.Status, ends.Detail);
            }

            (Exchange from, IDestination to) = ends.Value;
            if (!from.Router.Remove(new Binding(to, routingKey, arguments)))
            {
                return BrokerResult.Ok;
            }

            operations.Add(new MetadataOperation(MetadataKeys.Binding(Name, source, kind, destination, routingKey, arguments), null));
            DeleteIfUnused(from, operations);
            RoutingChanged();
            kept = Commit(operations);
        }

        await kept.ConfigureAwait(false);
        return BrokerResult.Ok;
    }

    /// <summary>Snapshots for operators.</summary>
    public IReadOnlyList<MessageQueue> ListQueues() => [.. _queues.Values.OrderBy(queue => queue.Name, StringComparer.Ordinal)];

    public IReadOnlyList<ExchangeDefinition> ListExchanges() => [.. _exchanges.Values.Select(exchange => exchange.Definition).OrderBy(definition => definition.Name, StringComparer.Ordinal)];

    public IReadOnlyList<(string Source, Binding Binding)> ListBindings() =>
        [.. _exchanges.Values.OrderBy(exchange => exchange.Definition.Name, StringComparer.Ordinal)
            .SelectMany(exchange => exchange.Router.Bindings.Select(binding => (exchange.Definition.Name, binding)))];

    public IReadOnlyList<PolicyDefinition> ListPolicies() => _settings.Policies.Policies;

    public async ValueTask<BrokerResult> SetPolicyAsync(PolicyDefinition policy)
    {
        BrokerResult valid = Policies.Check(policy);
        if (!valid.IsOk)
        {
            return valid;
        }

        ValueTask kept;
        lock (_control)
        {
            if (_isDeleted)
            {
                return NoHost();
            }

            kept = Commit([new MetadataOperation(MetadataKeys.Policy(Name, policy.Name, policy.IsOperator), DefinitionCodec.Encode(policy))]);
            _settings.Policies = _settings.Policies.With(policy);
            ApplyPolicies();
        }

        await kept.ConfigureAwait(false);
        return BrokerResult.Ok;
    }

    public async ValueTask<BrokerResult> DeletePolicyAsync(string name, bool isOperator)
    {
        ValueTask kept;
        lock (_control)
        {
            PolicySet without = _settings.Policies.Without(name, isOperator);
            if (ReferenceEquals(without, _settings.Policies))
            {
                return new BrokerResult(BrokerStatus.NotFound, $"no policy '{name}' in vhost '{Name}'");
            }

            kept = Commit([new MetadataOperation(MetadataKeys.Policy(Name, name, isOperator), null)]);
            _settings.Policies = without;
            ApplyPolicies();
        }

        await kept.ConfigureAwait(false);
        return BrokerResult.Ok;
    }

    /// <summary>A publisher's turn; one per connection.</summary>
    public PublishTurn CreatePublishTurn() => new(this);

    /// <summary>A transactional channel's turn: nothing of it happens before its commit.</summary>
    public PublishTurn CreateTransaction() => new(this) { IsTransaction = true };

    /// <summary>The connection has gone: its exclusive queues are deleted. Its consumers must have been removed by the protocol.</summary>
    public async ValueTask ReleaseOwnerAsync(object owner)
    {
        List<StoredQueue>? queues;
        lock (_control)
        {
            _owned.Remove(owner, out queues);
        }

        foreach (StoredQueue queue in queues ?? [])
        {
            await DeleteAsync(queue, CloseConditions.None).ConfigureAwait(false);
        }
    }

    Exchange? IRoutingTable.FindExchange(string name) => _exchanges.GetValueOrDefault(name);

    IDestination? IRoutingTable.FindQueue(ReadOnlySpan<byte> name) => FindStoredQueue(name);

    internal Exchange? FindExchange(ReadOnlySpan<byte> name) => _exchangesByBytes.TryGetValue(name, out Exchange? exchange) ? exchange : null;

    internal StoredQueue? FindStoredQueue(ReadOnlySpan<byte> name) => _queuesByBytes.TryGetValue(name, out StoredQueue? queue) ? queue : null;

    /// <summary>Deletes a queue for a reason of the broker's own, unless that holds no more when its turn comes; the reason is logged.</summary>
    internal void DeleteInBackground(StoredQueue queue, CloseConditions conditions, string reason)
    {
        Logger.LogDebug("Queue '{Queue}' in virtual host '{Host}' is to be deleted: {Reason}", queue.Name, Name, reason);
        Scheduler.Post(new BackgroundDelete(this, queue, conditions));
    }

    /// <summary>
    /// Ends the host and all it holds, its own record included, in one transaction: nothing can be declared in it any more. The task ends when that is kept.
    /// <see cref="Release"/> is to follow, off the caller's lock, with the consumers.
    /// </summary>
    internal (ValueTask Kept, List<Consumer> Consumers) Delete()
    {
        lock (_control)
        {
            var consumers = new List<Consumer>();
            _isDeleted = true;
            ValueTask kept = Commit([
                .. Store.Metadata.Range(MetadataKeys.AllOf(Name)).Select(entry => new MetadataOperation(entry.Key, null)),
                new MetadataOperation(MetadataKeys.VirtualHost(Name), null),
            ]);
            foreach (StoredQueue queue in _queues.Values)
            {
                queue.Close(CloseConditions.None, out IReadOnlyList<Consumer> cancelled, out _);
                consumers.AddRange(cancelled);
                foreach (LogId log in queue.LogIds)
                {
                    Store.DeleteLog(log);
                }
            }

            _queues.Clear();
            _exchanges.Clear();
            _sources.Clear();
            _owned.Clear();
            RoutingChanged();
            return (kept, consumers);
        }
    }

    /// <summary>Ends what must be waited for or told off the locks, after <see cref="Delete"/>.</summary>
    internal void Release(List<Consumer> consumers)
    {
        _delays.Delete();
        foreach (Consumer consumer in consumers)
        {
            consumer.Cancelled();
        }
    }

    /// <summary>
    /// Restores what the metadata store holds; nothing moves before <see cref="Start"/>. Ids of the logs in use are added to <paramref name="wanted"/>.
    /// </summary>
    internal void Load(HashSet<LogId> wanted)
    {
        foreach (MetadataEntry entry in Store.Metadata.Range(MetadataKeys.Policies(Name)))
        {
            _settings.Policies = _settings.Policies.With(DefinitionCodec.DecodePolicy(entry.Value));
        }

        foreach (MetadataEntry entry in Store.Metadata.Range(MetadataKeys.Exchanges(Name)))
        {
            AddExchange(DefinitionCodec.DecodeExchange(entry.Value));
        }

        foreach (MetadataEntry entry in Store.Metadata.Range(MetadataKeys.Queues(Name)))
        {
            (QueueDefinition definition, IReadOnlyList<LogId> logs) = DefinitionCodec.DecodeQueue(entry.Value);
            _queues[definition.Name] = CreateQueue(definition, _settings.For(definition), owner: null, logs);
            wanted.UnionWith(logs);
        }

        foreach (MetadataEntry entry in Store.Metadata.Range(MetadataKeys.Bindings(Name)))
        {
            BindingDefinition record = DefinitionCodec.DecodeBinding(entry.Value);
            BrokerResult<(Exchange Source, IDestination Destination)> ends = FindEnds(record.Source, record.Kind, record.Destination, owner: null);
            if (ends.IsOk)
            {
                ends.Value.Source.Router.Add(new Binding(ends.Value.Destination, record.RoutingKey, record.Arguments));
                NoteSource(ends.Value.Destination, ends.Value.Source);
            }
        }

        wanted.UnionWith(_delays.Open());
    }

    /// <summary>Sets queues and delayed messages going. Once, after <see cref="Load"/>.</summary>
    internal void Start()
    {
        foreach (StoredQueue queue in _queues.Values)
        {
            queue.Start();
        }

        _delays.Start();
    }

    /// <summary>Ends what works of itself: timers and delayed delivery. Waits for a delivery under way.</summary>
    internal void Stop()
    {
        lock (_control)
        {
            _isStopped = true;
            foreach (StoredQueue queue in _queues.Values)
            {
                queue.Stop();
            }
        }

        _delays.Stop();
    }

    private StoredQueue CreateQueue(QueueDefinition definition, QueueSettings settings, object? owner, IReadOnlyList<LogId>? existingLogs)
    {
        LogKind kind = definition.Durable && owner is null && !definition.Exclusive ? LogKind.Durable : LogKind.Volatile;
        bool isStream = settings.Kind == QueueKind.Stream;
        RetentionPolicy retention = isStream ? StreamQueue.Retention(settings) : RetentionPolicy.Queue;
        var logs = new Log[isStream ? 1 : settings.MaxPriority + 1];
        for (int i = 0; i < logs.Length; i++)
        {
            LogId? id = existingLogs is not null && i < existingLogs.Count ? existingLogs[i] : null;
            logs[i] = (id is { } known ? Store.FindLog(known) : null) ?? Store.CreateLog(kind, retention);
        }

        return isStream
            ? new StreamQueue(this, definition, settings, owner, logs[0])
            : new CompetingQueue(this, definition, settings, owner, logs);
    }

    private void NoteOwner(StoredQueue queue, object owner)
    {
        if (!_owned.TryGetValue(owner, out List<StoredQueue>? owned))
        {
            _owned[owner] = owned = [];
        }

        owned.Add(queue);
    }

    private BrokerResult<MessageQueue> CheckExisting(StoredQueue existing, QueueDefinition wanted, object? owner)
    {
        if (existing.Owner is not null && !ReferenceEquals(existing.Owner, owner))
        {
            return LockedQueue(existing);
        }

        BrokerResult same = Equivalence.Check(existing.Definition, wanted, Name);
        if (!same.IsOk)
        {
            return same;
        }

        existing.Touch();
        return existing;
    }

    /// <summary>Deletes the queue if the conditions hold; the value is the number of messages that went with it.</summary>
    internal async ValueTask<BrokerResult<long>> DeleteAsync(StoredQueue queue, CloseConditions conditions)
    {
        var operations = new List<MetadataOperation>();
        IReadOnlyList<Consumer> consumers;
        long ready;
        ValueTask kept;
        lock (_control)
        {
            if (!_queues.TryGetValue(queue.Name, out StoredQueue? current) || !ReferenceEquals(current, queue))
            {
                return 0;
            }

            switch (queue.Close(conditions, out consumers, out ready))
            {
                case BrokerStatus.InUse:
                    return new BrokerResult(BrokerStatus.InUse, $"queue '{queue.Name}' in vhost '{Name}' in use");
                case BrokerStatus.NotEmpty:
                    return new BrokerResult(BrokerStatus.NotEmpty, $"queue '{queue.Name}' in vhost '{Name}' is not empty");
            }

            _queues.TryRemove(queue.Name, out _);
            if (queue.IsDurable)
            {
                operations.Add(new MetadataOperation(MetadataKeys.Queue(Name, queue.Name), null));
            }

            if (queue.Owner is not null && _owned.TryGetValue(queue.Owner, out List<StoredQueue>? owned))
            {
                owned.Remove(queue);
            }

            RemoveAsDestination(queue, operations);
            RoutingChanged();
            kept = Commit(operations);
            foreach (LogId log in queue.LogIds)
            {
                Store.DeleteLog(log);
            }
        }

        foreach (Consumer consumer in consumers)
        {
            consumer.Cancelled();
        }

        await kept.ConfigureAwait(false);
        return ready;
    }

    private void AddExchange(ExchangeDefinition definition)
    {
        Exchange exchange = ExchangeTypes.Create(definition);
        exchange.ApplyPolicy(_settings.Policies.ForExchange(definition.Name));
        _exchanges[definition.Name] = exchange;
        RoutingChanged();
    }

    private void RemoveExchange(Exchange exchange, List<MetadataOperation> operations)
    {
        string name = exchange.Definition.Name;
        _exchanges.TryRemove(name, out _);
        if (exchange.Definition.Durable)
        {
            operations.Add(new MetadataOperation(MetadataKeys.Exchange(Name, name), null));
        }

        foreach (Binding binding in exchange.Router.Bindings)
        {
            AddUnbind(exchange, binding, operations);
            ForgetSource(binding.Destination, exchange);
        }

        RemoveAsDestination(exchange, operations);
        RoutingChanged();
    }

    private void RemoveAsDestination(IDestination destination, List<MetadataOperation> operations)
    {
        if (!_sources.Remove(destination, out HashSet<Exchange>? sources))
        {
            return;
        }

        foreach (Exchange source in sources)
        {
            foreach (Binding binding in source.Router.RemoveDestination(destination))
            {
                AddUnbind(source, binding, operations);
            }

            DeleteIfUnused(source, operations);
        }
    }

    private void AddUnbind(Exchange source, Binding binding, List<MetadataOperation> operations)
    {
        if (source.Definition.Durable && IsKept(binding.Destination))
        {
            DestinationKind kind = binding.Destination is Exchange ? DestinationKind.Exchange : DestinationKind.Queue;
            operations.Add(new MetadataOperation(MetadataKeys.Binding(Name, source.Definition.Name, kind, binding.Destination.Name, binding.RoutingKey, binding.Arguments), null));
        }
    }

    private void DeleteIfUnused(Exchange exchange, List<MetadataOperation> operations)
    {
        if (exchange.Definition.AutoDelete && exchange.Router.Count == 0 && _exchanges.ContainsKey(exchange.Definition.Name))
        {
            RemoveExchange(exchange, operations);
        }
    }

    private BrokerResult<(Exchange Source, IDestination Destination)> FindEnds(string source, DestinationKind kind, string destination, object? owner)
    {
        if (source.Length == 0 || (kind == DestinationKind.Exchange && destination.Length == 0))
        {
            return new BrokerResult(BrokerStatus.Forbidden, "operation not permitted on the default exchange");
        }

        IDestination? to = null;
        if (kind == DestinationKind.Queue)
        {
            BrokerResult<MessageQueue> queue = FindQueue(destination, owner);
            if (!queue.IsOk)
            {
                return new BrokerResult(queue.Status, queue.Detail);
            }

            to = queue.Value;
        }

        if (!_exchanges.TryGetValue(source, out Exchange? from))
        {
            return NoExchange(source);
        }

        if (kind == DestinationKind.Exchange)
        {
            if (!_exchanges.TryGetValue(destination, out Exchange? exchange))
            {
                return NoExchange(destination);
            }

            to = exchange;
        }

        return (from, to!);
    }

    private void NoteSource(IDestination destination, Exchange source)
    {
        if (!_sources.TryGetValue(destination, out HashSet<Exchange>? sources))
        {
            _sources[destination] = sources = [];
        }

        sources.Add(source);
    }

    private void ForgetSource(IDestination destination, Exchange source)
    {
        if (_sources.TryGetValue(destination, out HashSet<Exchange>? sources) && sources.Remove(source) && sources.Count == 0)
        {
            _sources.Remove(destination);
        }
    }

    private void ApplyPolicies()
    {
        foreach (StoredQueue queue in _queues.Values)
        {
            QueueSettings settings = _settings.For(queue.Definition);
            if (settings != queue.Settings)
            {
                queue.ApplySettings(settings);
            }
        }

        foreach (Exchange exchange in _exchanges.Values)
        {
            exchange.ApplyPolicy(_settings.Policies.ForExchange(exchange.Name));
        }

        RoutingChanged();
    }

    private static bool IsKept(IDestination destination) => destination switch
    {
        StoredQueue queue => queue.IsDurable,
        Exchange exchange => exchange.Definition.Durable,
        _ => false,
    };

    private void RoutingChanged() => Interlocked.Increment(ref _routingVersion);

    /// <summary>
    /// Writes changes into the journal, in the order of the calls; the returned task ends when they are kept, and is awaited off the lock. Under the control lock,
    /// and before a new name can be found: else a message could be confirmed in a queue whose definition a crash loses.
    /// </summary>
    private async ValueTask Commit(IReadOnlyList<MetadataOperation> operations)
    {
        if (operations.Count > 0)
        {
            await Store.Metadata.CommitAsync(new MetadataTransaction([], operations)).ConfigureAwait(false);
        }
    }

    private string NewQueueName()
    {
        Span<byte> id = stackalloc byte[16];
        lock (_control)
        {
            Broker.Random.NextBytes(id);
        }

        return "amq.gen-" + Convert.ToBase64String(id).TrimEnd('=').Replace('+', '-').Replace('/', '_');
    }

    private BrokerResult NoQueue(string name) => new(BrokerStatus.NotFound, $"no queue '{name}' in vhost '{Name}'");

    private BrokerResult NoHost() => new(BrokerStatus.NotFound, $"no vhost '{Name}'");

    private BrokerResult NoExchange(string name) => new(BrokerStatus.NotFound, $"no exchange '{name}' in vhost '{Name}'");

    private BrokerResult LockedQueue(MessageQueue queue) =>
        new(BrokerStatus.Locked, Equivalence.LockedText(queue.Name, Name));
}
