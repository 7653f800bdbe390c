using Sluice.Base.Changes;
using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Broker.Topics;
using Sluice.Storage;
using Sluice.Storage.Metadata;

namespace Sluice.Broker.Hosts;

/// <summary>Declaring and deleting queues of a virtual host.</summary>
internal sealed class HostQueues(VirtualHost host, HostNames names, HostBindings bindings, SettingsInForce settings)
{
    private readonly OwnedQueues _owned = new();

    /// <summary>Told of streams, which are topics too. Set once before use.</summary>
    public HostTopics Topics { get; set; } = null!;

    /// <summary>See <see cref="VirtualHost.DeclareQueueAsync"/>.</summary>
    public async ValueTask<BrokerResult<MessageQueue>> DeclareAsync(QueueDefinition definition, object? owner)
    {
        BrokerResult<(StoredQueue Queue, PutOutcome Outcome)> declared = await FindOrCreateAsync(definition, owner, isUse: true).ConfigureAwait(false);
        return declared.IsOk ? declared.Value.Queue : new BrokerResult(declared.Status, declared.Detail);
    }

    /// <summary>See <see cref="VirtualHost.EnsureQueueAsync"/>.</summary>
    public async ValueTask<BrokerResult<PutOutcome>> EnsureAsync(QueueDefinition definition)
    {
        BrokerResult<(StoredQueue Queue, PutOutcome Outcome)> declared = await FindOrCreateAsync(definition, owner: null, isUse: false).ConfigureAwait(false);
        return declared.IsOk ? declared.Value.Outcome : new BrokerResult(declared.Status, declared.Detail);
    }

    private async ValueTask<BrokerResult<(StoredQueue Queue, PutOutcome Outcome)>> FindOrCreateAsync(QueueDefinition definition, object? owner, bool isUse)
    {
        if (definition.Name.Length == 0)
        {
            definition = definition with { Name = NewName() };
        }
        else if (!names.Queues.ContainsKey(definition.Name) && definition.Name.StartsWith(VirtualHost.ReservedPrefix, StringComparison.Ordinal))
        {
            return new BrokerResult(BrokerStatus.Forbidden, $"queue name '{definition.Name}' contains reserved prefix 'amq.*'");
        }
        else if (!names.Queues.ContainsKey(definition.Name) && InternalTopics.IsReserved(definition.Name))
        {
            return new BrokerResult(BrokerStatus.Forbidden, $"queue name '{definition.Name}' in vhost '{host.Name}' is reserved for the broker's own topics");
        }

        StoredQueue? queue;
        Task kept = Task.CompletedTask;
        PutOutcome outcome = PutOutcome.Created;
        lock (names.Control)
        {
            if (names.IsDeleted)
            {
                return names.NoHost();
            }

            if (names.Queues.TryGetValue(definition.Name, out queue))
            {
                BrokerResult same = CheckExisting(queue, definition, owner);
                if (!same.IsOk)
                {
                    return same;
                }

                if (isUse)
                {
                    queue.Touch();
                }

                outcome = PutOutcome.Unchanged;
                kept = queue.IsDurable ? names.WhenKept().AsTask() : Task.CompletedTask;
            }
            else if (Create(definition, owner, out queue, out kept) is { IsOk: false } refused)
            {
                return refused;
            }
        }

        await kept.ConfigureAwait(false);
        return (queue!, outcome);
    }

    /// <summary>See <see cref="VirtualHost.FindQueue"/>.</summary>
    public BrokerResult<MessageQueue> Find(string name, object? owner)
    {
        if (names.Queues.TryGetValue(name, out StoredQueue? queue))
        {
            return queue.Owner is null || ReferenceEquals(queue.Owner, owner) ? queue : names.Locked(queue);
        }

        return names.Topics.TryGetValue(name, out Topic? topic) && topic.AsQueue is { } whole ? whole : names.NoQueue(name);
    }

    /// <summary>Deletes the queue if the conditions hold; the value is the number of messages that went with it, 0 if it has gone already.</summary>
    public async ValueTask<BrokerResult<long>> DeleteAsync(StoredQueue queue, CloseConditions conditions)
    {
        var operations = new List<MetadataOperation>();
        IReadOnlyList<Consumer> consumers;
        long ready;
        ValueTask kept;
        lock (names.Control)
        {
            if (!names.Queues.TryGetValue(queue.Name, out StoredQueue? current) || !ReferenceEquals(current, queue))
            {
                kept = names.WhenKept();
                (ready, consumers) = (0, []);
            }
            else if (queue.Close(conditions, out consumers, out ready) is var closed && closed != BrokerStatus.Ok)
            {
                return names.NotDeleted(queue.Name, closed);
            }
            else
            {
                if (queue.IsDurable)
                {
                    operations.Add(new MetadataOperation(MetadataKeys.Queue(host.Name, queue.Name), null));
                }

                Remove(queue, operations);
                kept = names.Commit(operations);
                DeleteLogs(queue);
            }
        }

        foreach (Consumer consumer in consumers)
        {
            consumer.Cancelled();
        }

        await kept.ConfigureAwait(false);
        return ready;
    }

    /// <summary>Takes an ended queue out of all tables; what else goes with it is added to <paramref name="operations"/>. <see cref="DeleteLogs"/> follows once these are committed. Control lock held.</summary>
    public void Remove(StoredQueue queue, List<MetadataOperation> operations)
    {
        names.Queues.TryRemove(queue.Name, out _);
        Topics.Detach(queue);
        _owned.Remove(queue);
        bindings.RemoveDestination(queue, operations);
        names.RoutingChanged();
    }

    public void DeleteLogs(StoredQueue queue)
    {
        foreach (LogId log in queue.LogIds)
        {
            host.Store.DeleteLog(log);
        }
    }

    /// <summary>See <see cref="VirtualHost.ReleaseOwnerAsync"/>.</summary>
    public async ValueTask ReleaseOwnerAsync(object owner)
    {
        IReadOnlyList<StoredQueue> queues;
        lock (names.Control)
        {
            queues = _owned.Release(owner);
        }

        foreach (StoredQueue queue in queues)
        {
            await DeleteAsync(queue, CloseConditions.None).ConfigureAwait(false);
        }
    }

    /// <summary>Restores what the metadata store holds, not started; ids of the logs in use are added to <paramref name="wanted"/>.</summary>
    public void Load(HashSet<LogId> wanted)
    {
        foreach (MetadataEntry entry in host.Store.Metadata.Range(MetadataKeys.Queues(host.Name)))
        {
            (QueueDefinition definition, IReadOnlyList<LogId> logs) = DefinitionCodec.DecodeQueue(entry.Value);
            StoredQueue queue = Make(definition, owner: null, logs);
            names.Queues[definition.Name] = queue;
            Topics.Attach(queue);
            wanted.UnionWith(logs);
        }
    }

    /// <summary>Ends all queues, because the virtual host goes; returns their consumers, to be told off the lock. Control lock held.</summary>
    public List<Consumer> CloseAll()
    {
        var consumers = new List<Consumer>();
        foreach (StoredQueue queue in names.Queues.Values)
        {
            queue.Close(CloseConditions.None, out IReadOnlyList<Consumer> cancelled, out _);
            consumers.AddRange(cancelled);
            DeleteLogs(queue);
        }

        names.Queues.Clear();
        _owned.Clear();
        return consumers;
    }

    private StoredQueue Make(QueueDefinition definition, object? owner, IReadOnlyList<LogId>? existingLogs)
    {
        QueueSettings inForce = settings.For(definition);
        LogKind kind = definition.Durable && owner is null && !definition.Exclusive ? LogKind.Durable : LogKind.Volatile;
        bool isStream = inForce.Kind == QueueKind.Stream;
        RetentionPolicy retention = isStream ? StreamQueue.Retention(inForce) : RetentionPolicy.Queue;
        var logs = new Log[isStream ? 1 : inForce.MaxPriority + 1];
        for (int i = 0; i < logs.Length; i++)
        {
            LogId? id = existingLogs is not null && i < existingLogs.Count ? existingLogs[i] : null;
            logs[i] = (id is { } known ? host.Store.FindLog(known) : null) ?? host.Store.CreateLog(kind, retention);
        }

        return isStream
            ? new StreamQueue(host, definition, inForce, owner, logs[0])
            : new CompetingQueue(host, definition, inForce, owner, logs);
    }

    private BrokerResult CheckExisting(StoredQueue existing, QueueDefinition wanted, object? owner) =>
        existing.Owner is not null && !ReferenceEquals(existing.Owner, owner) ? names.Locked(existing) : Equivalence.Check(existing.Definition, wanted, host.Name);

    /// <summary>Creates a queue of a name that none has. Control lock held; <paramref name="kept"/> is awaited off it.</summary>
    private BrokerResult Create(QueueDefinition definition, object? owner, out StoredQueue? queue, out Task kept)
    {
        queue = null;
        kept = Task.CompletedTask;
        if (Topics.Find(definition.Name) is not null)
        {
            return new BrokerResult(BrokerStatus.Differs, $"cannot declare queue '{definition.Name}' in vhost '{host.Name}': a topic of this name exists, with streams '{definition.Name}:0' and so on: declare it passively, or not at all");
        }

        int queuesMax = Math.Min(host.Options.QueuesMax, host.Options.QueuesMaxOf?.Invoke(host.Name) ?? int.MaxValue);
        if (names.Queues.Count >= queuesMax)
        {
            return new BrokerResult(BrokerStatus.LimitReached, $"cannot declare queue '{definition.Name}': queue limit in vhost '{host.Name}' ({queuesMax}) is reached");
        }

        BrokerResult valid = QueueArguments.Check(definition, host.Name);
        if (!valid.IsOk)
        {
            return valid;
        }

        queue = Make(definition, definition.Exclusive ? owner : null, existingLogs: null);
        if (queue.IsDurable)
        {
            kept = names.Commit([new MetadataOperation(MetadataKeys.Queue(host.Name, queue.Name), DefinitionCodec.Encode(queue.Definition, queue.LogIds))]).AsTask();
        }

        names.Queues[definition.Name] = queue;
        Topics.Attach(queue);
        if (queue.Owner is not null)
        {
            _owned.Add(queue, queue.Owner);
        }

        names.RoutingChanged();
        if (!names.IsStopped)
        {
            queue.Start();
        }

        return BrokerResult.Ok;
    }

    private string NewName()
    {
        Span<byte> id = stackalloc byte[16];
        lock (names.Control)
        {
            host.Broker.Random.NextBytes(id);
        }

        return "amq.gen-" + Convert.ToBase64String(id).TrimEnd('=').Replace('+', '-').Replace('/', '_');
    }
}
