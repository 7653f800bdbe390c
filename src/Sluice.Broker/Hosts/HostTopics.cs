using System.Buffers.Binary;
using System.Collections.Concurrent;
using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Broker.Topics;
using Sluice.Storage;
using Sluice.Storage.Metadata;

namespace Sluice.Broker.Hosts;

/// <summary>
/// The topics of a virtual host. Each partition is also a stream among the host's queues, under the topic's name if it is the only one, else as <c>topic:index</c>,
/// which no topic can be called.
/// </summary>
internal sealed class HostTopics(VirtualHost host, HostNames names, HostQueues queues, HostBindings bindings, SettingsInForce settings)
{
    /// <summary>Most partitions of one topic.</summary>
    public const int PartitionsMax = 10_000;

    private static readonly Arguments StreamArguments = new(new Dictionary<string, object?> { ["x-queue-type"] = "stream" });

    private readonly ConcurrentDictionary<Guid, Topic> _byId = new();

    public ICollection<Topic> All => names.Topics.Values;

    /// <summary>What log clients see: the queues that could be topics, too. A queue that nobody has asked for as a topic before becomes a little larger by it.</summary>
    public IEnumerable<Topic> AllWithQueues => names.Topics.Values.Concat(names.Queues.Values.Select(ViewOf).OfType<Topic>());

    public Topic? Find(string name) => names.Topics.GetValueOrDefault(name) ?? (names.Queues.TryGetValue(name, out StoredQueue? queue) ? ViewOf(queue) : null);

    public Topic? Find(Guid id) => _byId.GetValueOrDefault(id);

    /// <summary>Says why the topic could not be created; ok if it could.</summary>
    public BrokerResult Check(TopicDefinition definition, int partitions)
    {
        if (TopicDefinition.NameProblem(definition.Name) is { } problem)
        {
            return new BrokerResult(BrokerStatus.InvalidArgument, problem);
        }

        if (names.Topics.ContainsKey(definition.Name))
        {
            return new BrokerResult(BrokerStatus.Differs, $"Topic '{definition.Name}' already exists.");
        }

        if (names.Queues.ContainsKey(definition.Name))
        {
            return new BrokerResult(BrokerStatus.Differs, $"Topic '{definition.Name}' cannot be created: a queue of this name exists.");
        }

        if (!definition.IsInternal && InternalTopics.IsReserved(definition.Name))
        {
            return new BrokerResult(BrokerStatus.Forbidden, $"Topic '{definition.Name}' is the broker's own.");
        }

        return CheckCount(definition, before: 0, partitions) is { IsOk: false } count ? count : TopicConfig.Check(definition.Config);
    }

    /// <summary>A stream has been declared as a queue: log clients find it as a topic, if a topic can have its name. Control lock held.</summary>
    public void Attach(StoredQueue queue)
    {
        if (queue is not StreamQueue stream || TopicDefinition.NameProblem(queue.Name) is not null)
        {
            return;
        }

        var definition = new TopicDefinition(queue.Name, IdOf(stream.Log), TopicConfig.Of(queue.Settings), IsQueue: true);
        var topic = new Topic(host, definition, [new TopicPartition(0, stream, stream.Log)]);
        names.Topics[topic.Name] = topic;
        _byId[topic.Id] = topic;
    }

    /// <summary>The queue is no more. Control lock held.</summary>
    public void Detach(StoredQueue queue)
    {
        if (queue is CompetingQueue { AsTopic: { } view })
        {
            _byId.TryRemove(view.Id, out _);
        }
        else if (queue is StreamQueue { Partition.Topic: { Definition.IsQueue: true } topic })
        {
            names.Topics.TryRemove(topic.Name, out _);
            _byId.TryRemove(topic.Id, out _);
        }
    }

    public async ValueTask<BrokerResult<Topic>> CreateAsync(TopicDefinition definition, int partitions)
    {
        Topic topic;
        ValueTask kept;
        lock (names.Control)
        {
            if (names.IsDeleted)
            {
                return names.NoHost();
            }

            BrokerResult valid = Check(definition, partitions);
            if (!valid.IsOk)
            {
                return valid;
            }

            TopicSettings inForce = TopicConfig.Resolve(definition.Config);
            TopicPartition[] created = [.. Enumerable.Range(0, partitions).Select(index => CreatePartition(definition, index, partitions, inForce, existing: null))];
            topic = new Topic(host, definition, created);
            kept = Commit(definition, created);
            Add(topic, created);
        }

        await kept.ConfigureAwait(false);
        return topic;
    }

    /// <summary>Says why the topic could not have so many partitions; ok if it could.</summary>
    public BrokerResult CheckGrowth(Topic topic, int count)
    {
        if (topic.Definition.IsQueue)
        {
            return new BrokerResult(BrokerStatus.LimitReached, $"Topic {topic.Name} is a queue: its partitions cannot be changed.");
        }

        if (!IsCurrent(topic))
        {
            return names.NoTopic(topic.Name);
        }

        int before = topic.Partitions.Count;
        if (count <= before)
        {
            return new BrokerResult(BrokerStatus.Differs, count == before
                ? $"Topic already has {count} partition(s)."
                : $"The topic {topic.Name} currently has {before} partition(s); {count} would not be an increase.");
        }

        return CheckCount(Grown(topic), before, count);
    }

    /// <summary>Adds partitions up to a total of <paramref name="count"/>.</summary>
    public async ValueTask<BrokerResult> AddPartitionsAsync(Topic topic, int count)
    {
        ValueTask kept;
        lock (names.Control)
        {
            if (CheckGrowth(topic, count) is { IsOk: false } valid)
            {
                return valid;
            }

            int before = topic.Partitions.Count;
            TopicDefinition grown = Grown(topic);
            TopicPartition[] added = [.. Enumerable.Range(before, count - before).Select(index => CreatePartition(grown, index, count, topic.Settings, existing: null))];
            kept = Commit(grown, [.. topic.Partitions, .. added]);
            topic.Configure(grown);
            topic.Add(added);
            foreach (TopicPartition partition in added)
            {
                names.Queues[partition.Queue.Name] = partition.Queue;
            }

            names.RoutingChanged();
        }

        await kept.ConfigureAwait(false);
        return BrokerResult.Ok;
    }

    /// <summary>Puts another configuration in the place of the topic's own: what <paramref name="change"/> makes of that. Changes at once are made one after the other.</summary>
    public async ValueTask<BrokerResult> ConfigureAsync(Topic topic, Func<IReadOnlyDictionary<string, string>, IReadOnlyDictionary<string, string>> change)
    {
        if (topic.Definition.IsQueue)
        {
            return new BrokerResult(BrokerStatus.InvalidArgument, $"Topic {topic.Name} is a queue: its settings are the queue's arguments and policies.");
        }

        ValueTask kept;
        lock (names.Control)
        {
            if (!IsCurrent(topic))
            {
                return names.NoTopic(topic.Name);
            }

            IReadOnlyDictionary<string, string> config = change(topic.Definition.Config);
            BrokerResult valid = TopicConfig.Check(config);
            if (!valid.IsOk)
            {
                return valid;
            }

            TopicDefinition definition = topic.Definition with { Config = config };
            kept = Commit(definition, topic.Partitions);
            topic.Configure(definition);
        }

        await kept.ConfigureAwait(false);
        return BrokerResult.Ok;
    }

    /// <summary>Deletes the topic if the conditions hold; the value is the number of records that went with it.</summary>
    public async ValueTask<BrokerResult<long>> DeleteAsync(Topic topic, CloseConditions conditions)
    {
        if (topic.Definition.IsQueue)
        {
            return await queues.DeleteAsync(topic.Partitions[0].Queue, conditions).ConfigureAwait(false);
        }

        List<Consumer> consumers = [];
        long ready;
        ValueTask kept;
        lock (names.Control)
        {
            if (!IsCurrent(topic))
            {
                return names.NoTopic(topic.Name);
            }

            if (Close(topic.Partitions, conditions, consumers, out ready) is var closed && closed != BrokerStatus.Ok)
            {
                return names.NotDeleted(topic.Name, closed);
            }

            List<MetadataOperation> operations = [new MetadataOperation(MetadataKeys.Topic(host.Name, topic.Name), null)];
            foreach (TopicPartition partition in topic.Partitions)
            {
                queues.Remove(partition.Queue, operations);
            }

            bindings.RemoveDestination(topic.AsQueue!, operations);

            names.Topics.TryRemove(topic.Name, out _);
            _byId.TryRemove(topic.Id, out _);

            // Who has found the topic after its last partition was gone must not remember it.
            names.RoutingChanged();
            kept = names.Commit(operations);
            foreach (TopicPartition partition in topic.Partitions)
            {
                queues.DeleteLogs(partition.Queue);
            }
        }

        foreach (Consumer consumer in consumers)
        {
            consumer.Cancelled();
        }

        await kept.ConfigureAwait(false);
        return ready;
    }

    /// <summary>Restores what the metadata store holds; ids of the logs in use are added to <paramref name="wanted"/>.</summary>
    public void Load(HashSet<LogId> wanted)
    {
        foreach (MetadataEntry entry in host.Store.Metadata.Range(MetadataKeys.Topics(host.Name)))
        {
            (TopicDefinition definition, IReadOnlyList<LogId> logs) = DefinitionCodec.DecodeTopic(entry.Value);
            TopicSettings inForce = TopicConfig.Resolve(definition.Config);
            TopicPartition[] partitions = [.. logs.Select((log, index) => CreatePartition(definition, index, logs.Count, inForce, log))];
            Add(new Topic(host, definition, partitions), partitions);
            wanted.UnionWith(logs);
        }
    }

    /// <summary>Forgets all topics, because the virtual host goes; their streams are ended with its queues. Control lock held.</summary>
    public void Clear()
    {
        names.Topics.Clear();
        _byId.Clear();
    }

    /// <summary>The definition it has with more partitions.</summary>
    private static TopicDefinition Grown(Topic topic) => topic.Definition with { HasGrown = topic.Definition.HasGrown || topic.Partitions.Count == 1 };

    /// <summary>Whether there can be so many partitions, of which there are some already.</summary>
    private BrokerResult CheckCount(TopicDefinition topic, int before, int partitions)
    {
        switch (partitions)
        {
            case < 1:
                return new BrokerResult(BrokerStatus.LimitReached, "Number of partitions must be larger than 0.");
            case > PartitionsMax:
                return new BrokerResult(BrokerStatus.LimitReached, $"A topic has at most {PartitionsMax} partitions.");
        }

        for (int index = before; index < partitions; index++)
        {
            string name = Topic.QueueName(topic, index, partitions);
            if (names.Queues.ContainsKey(name))
            {
                return new BrokerResult(BrokerStatus.LimitReached, $"Topic '{topic.Name}' cannot have {partitions} partitions: a queue '{name}' exists.");
            }
        }

        return BrokerResult.Ok;
    }

    /// <summary>Ends all partitions, or none if a condition does not hold.</summary>
    private static BrokerStatus Close(IReadOnlyList<TopicPartition> partitions, CloseConditions conditions, List<Consumer> consumers, out long ready)
    {
        ready = 0;
        int entered = 0;
        try
        {
            // Their sequence is that of their indexes.
            for (; entered < partitions.Count; entered++)
            {
                Monitor.Enter(partitions[entered].Queue.Gate);
            }

            if (conditions.HasFlag(CloseConditions.Unused) && partitions.Any(static partition => partition.Queue.ConsumerCount > 0))
            {
                return BrokerStatus.InUse;
            }

            if (conditions.HasFlag(CloseConditions.Empty) && partitions.Any(static partition => partition.Queue.ReadyCount > 0))
            {
                return BrokerStatus.NotEmpty;
            }

            foreach (TopicPartition partition in partitions)
            {
                partition.Queue.Close(CloseConditions.None, out IReadOnlyList<Consumer> cancelled, out long waiting);
                consumers.AddRange(cancelled);
                ready += waiting;
            }

            return BrokerStatus.Ok;
        }
        finally
        {
            while (entered > 0)
            {
                Monitor.Exit(partitions[--entered].Queue.Gate);
            }
        }
    }

    /// <summary>Logs are numbered once for all, so the id tells a stream from an earlier one of its name: version 8 of RFC 9562.</summary>
    private static Guid IdOf(Log log)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        BinaryPrimitives.WriteInt64BigEndian(bytes[8..], log.Id.Value);
        "stream"u8.CopyTo(bytes);
        bytes[6] = 0x80;
        bytes[8] |= 0x80;
        return new Guid(bytes, bigEndian: true);
    }

    /// <summary>The queue as a topic; null if it cannot be one: a connection's own, or by its name.</summary>
    private Topic? ViewOf(StoredQueue queue)
    {
        if (queue is not CompetingQueue { Owner: null } competing || TopicDefinition.NameProblem(queue.Name) is not null)
        {
            return null;
        }

        if (competing.AsTopic is { } known)
        {
            return known;
        }

        IReadOnlyList<Lane> lanes = competing.Lanes.All;
        var definition = new TopicDefinition(queue.Name, IdOf(lanes[0].Log), TopicConfig.OfQueue, IsQueue: true);
        Topic view = competing.ShowAs(new Topic(host, definition, [.. lanes.Select(lane => new QueuePartition(competing, lane))]));
        _byId[view.Id] = view;
        if (!competing.IsOpen)
        {
            // Whoever ended it may have looked before.
            _byId.TryRemove(view.Id, out _);
        }

        return view;
    }

    private bool IsCurrent(Topic topic) => names.Topics.TryGetValue(topic.Name, out Topic? current) && ReferenceEquals(current, topic);

    private ValueTask Commit(TopicDefinition definition, IReadOnlyList<TopicPartition> partitions) => names.Commit([
        new MetadataOperation(MetadataKeys.Topic(host.Name, definition.Name), DefinitionCodec.Encode(definition, [.. partitions.Select(partition => partition.LogId)])),
    ]);

    private void Add(Topic topic, TopicPartition[] partitions)
    {
        foreach (TopicPartition partition in partitions)
        {
            names.Queues[partition.Queue.Name] = partition.Queue;
        }

        names.Topics[topic.Name] = topic;
        _byId[topic.Id] = topic;
        names.RoutingChanged();
    }

    private TopicPartition CreatePartition(TopicDefinition topic, int index, int count, TopicSettings inForce, LogId? existing)
    {
        var definition = new QueueDefinition(Topic.QueueName(topic, index, count), Durable: true, Exclusive: false, AutoDelete: false, StreamArguments);
        Log log = (existing is { } id ? host.Store.FindLog(id) : null) ?? host.Store.CreateLog(LogKind.Durable, inForce.Retention);
        return new TopicPartition(index, new StreamQueue(host, definition, settings.For(definition), owner: null, log), log);
    }
}
