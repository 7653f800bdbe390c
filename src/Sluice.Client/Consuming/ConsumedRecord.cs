namespace Sluice.Client.Consuming;

/// <summary>A record that was taken.</summary>
public readonly record struct ConsumedRecord<TKey, TValue>
{
    public TopicPartition Partition { get; init; }

    public long Offset { get; init; }

    /// <summary>Unix time in milliseconds: the sender's, or the broker's where the topic says so.</summary>
    public long TimestampMs { get; init; }

    public TKey Key { get; init; }

    public TValue Value { get; init; }

    /// <summary>Bytes of the key; -1 for null.</summary>
    public int KeyBytes { get; init; }

    /// <summary>Bytes of the value; -1 for null.</summary>
    public int ValueBytes { get; init; }

    public IReadOnlyList<RecordHeader> Headers { get; init; }

    /// <summary>What to commit once this record is done with.</summary>
    public TopicPartitionOffset Next => new(Partition, Offset + 1);
}
