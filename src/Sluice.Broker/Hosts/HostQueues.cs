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

        StoredQueue queue;
        ValueTask kept = default;
        lock (names.Control)
        {
            if (names.IsDeleted)
            {
                return names.NoHost();
            }

            if (names.Queues.TryGetValue(definition.Name, out StoredQueue? existing))
            {
                return CheckExisting(existing, definition, owner);
            }

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

            queue = Create(definition, definition.Exclusive ? owner : null, existingLogs: null);
            if (queue.IsDurable)
            {
                kept = names.Commit([new MetadataOperation(MetadataKeys.Queue(host.Name, queue.Name), DefinitionCodec.Encode(queue.Definition, queue.LogIds))]);
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
        }

        await kept.ConfigureAwait(false);
        return queue;
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
                return 0;
            }

            if (queue.Close(conditions, out consumers, out ready) is var closed && closed != BrokerStatus.Ok)
            {
                return names.NotDeleted(queue.Name, closed);
            }

            if (queue.IsDurable)
            {
                operations.Add(new MetadataOperation(MetadataKeys.Queue(host.Name, queue.Name), null));
            }

            Remove(queue, operations);
            kept = names.Commit(operations);
            DeleteLogs(queue);
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
            StoredQueue queue = Create(definition, owner: null, logs);
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

    private StoredQueue Create(QueueDefinition definition, object? owner, IReadOnlyList<LogId>? existingLogs)
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

    private BrokerResult<MessageQueue> CheckExisting(StoredQueue existing, QueueDefinition wanted, object? owner)
    {
        if (existing.Owner is not null && !ReferenceEquals(existing.Owner, owner))
        {
            return names.Locked(existing);
        }

        BrokerResult same = Equivalence.Check(existing.Definition, wanted, host.Name);
        if (!same.IsOk)
        {
            return same;
        }

        existing.Touch();
        return existing;
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
