using Sluice.Base.Binary;
using Sluice.Broker.Queues;

namespace Sluice.Broker.Topics;

/// <summary>A named set of logs, its partitions, that readers take from positions of their own. Partitions are only ever added. Thread-safe.</summary>
public sealed class Topic
{
    private volatile TopicPartition[] _partitions;
    private volatile TopicState _state;
    private int _turn = -1;

    internal Topic(VirtualHost host, TopicDefinition definition, TopicPartition[] partitions)
    {
        Host = host;
        _state = new TopicState(definition, TopicConfig.Resolve(definition.Config));
        _partitions = partitions;
        AsQueue = definition.IsQueue ? null : new TopicQueue(this);
        foreach (TopicPartition partition in partitions)
        {
            partition.Topic = this;
        }
    }

    public string Name => Definition.Name;

    public Guid Id => Definition.Id;

    public TopicDefinition Definition => _state.Definition;

    public TopicSettings Settings => _state.Settings;

    public VirtualHost Host { get; }

    /// <summary>By index.</summary>
    public IReadOnlyList<TopicPartition> Partitions => _partitions;

    /// <summary>What is bound and published to by the topic's name; null for what was declared as a queue.</summary>
    internal TopicQueue? AsQueue { get; }

    /// <summary>Null if there is none of that index.</summary>
    public TopicPartition? FindPartition(int index)
    {
        TopicPartition[] partitions = _partitions;
        return (uint)index < (uint)partitions.Length ? partitions[index] : null;
    }

    /// <summary>The name by which AMQP finds a partition: the topic's own if it has but one.</summary>
    internal static string QueueName(TopicDefinition topic, int index, int count) => count == 1 || (topic.HasGrown && index == 0) ? topic.Name : $"{topic.Name}:{index}";

    /// <summary>The partition of a key, as Kafka's default partitioner has it.</summary>
    internal TopicPartition PartitionOf(ReadOnlySpan<byte> key)
    {
        TopicPartition[] partitions = _partitions;
        return partitions.Length == 1 ? partitions[0] : partitions[Murmur2.Partition(key, partitions.Length)];
    }

    /// <summary>One partition after the other, for what has no key.</summary>
    internal TopicPartition NextPartition()
    {
        TopicPartition[] partitions = _partitions;
        return partitions[(int)((uint)Interlocked.Increment(ref _turn) % (uint)partitions.Length)];
    }

    internal void Add(IEnumerable<TopicPartition> partitions)
    {
        TopicPartition[] added = [.. partitions];
        foreach (TopicPartition partition in added)
        {
            partition.Topic = this;
        }

        _partitions = [.. _partitions, .. added];
    }

    /// <summary>Something was appended to a partition, or all have ended. Under the queue's gate, if it is one queue's.</summary>
    internal void OnChanged()
    {
        foreach (TopicPartition partition in _partitions)
        {
            partition.OnChanged();
        }
    }

    /// <summary>Another configuration is in force from now on.</summary>
    internal void Configure(TopicDefinition definition)
    {
        _state = new TopicState(definition, TopicConfig.Resolve(definition.Config));
        foreach (TopicPartition partition in _partitions)
        {
            partition.ApplyRetention(Settings.Retention);
        }
    }

    private sealed record TopicState(TopicDefinition Definition, TopicSettings Settings);
}
