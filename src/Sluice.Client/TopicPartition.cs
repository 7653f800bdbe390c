namespace Sluice.Client;

/// <summary>A partition of a topic.</summary>
public readonly record struct TopicPartition(string Topic, int Partition)
{
    public override string ToString() => $"{Topic}-{Partition}";
}

/// <summary>A place in a partition.</summary>
/// <param name="Partition">Which.</param>
/// <param name="Offset">Of a record; as a commit, of the record that is to be read next.</param>
public readonly record struct TopicPartitionOffset(TopicPartition Partition, long Offset)
{
    public TopicPartitionOffset(string topic, int partition, long offset)
        : this(new TopicPartition(topic, partition), offset)
    {
    }

    public override string ToString() => $"{Partition}@{Offset}";
}
