namespace Sluice.Broker.Topics;

/// <summary>A named set of logs, its partitions, that readers take from positions of their own. Partitions are only ever added. Thread-safe.</summary>
public sealed class Topic
{
    private volatile TopicPartition[] _partitions;
    private volatile TopicState _state;

    internal Topic(VirtualHost host, TopicDefinition definition, TopicPartition[] partitions)
    {
        Host = host;
        _state = new TopicState(definition, TopicConfig.Resolve(definition.Config));
        _partitions = partitions;
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

    /// <summary>Null if there is none of that index.</summary>
    public TopicPartition? FindPartition(int index)
    {
        TopicPartition[] partitions = _partitions;
        return (uint)index < (uint)partitions.Length ? partitions[index] : null;
    }

    /// <summary>The name by which AMQP finds a partition: the topic's own if it has but one.</summary>
    internal static string QueueName(TopicDefinition topic, int index, int count) => count == 1 || (topic.HasGrown && index == 0) ? topic.Name : $"{topic.Name}:{index}";

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
