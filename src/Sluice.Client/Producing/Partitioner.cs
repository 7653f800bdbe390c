namespace Sluice.Client.Producing;

/// <summary>A record whose partition is to be chosen.</summary>
/// <param name="topic">Where it goes.</param>
/// <param name="key">Its key's bytes.</param>
/// <param name="hasKey">False for a null key.</param>
/// <param name="value">Its value's bytes.</param>
/// <param name="partitionCount">How many partitions there are to choose from.</param>
public readonly ref struct PartitionChoice(string topic, ReadOnlySpan<byte> key, bool hasKey, ReadOnlySpan<byte> value, int partitionCount)
{
    public string Topic { get; } = topic;

    public ReadOnlySpan<byte> Key { get; } = key;

    public bool HasKey { get; } = hasKey;

    public ReadOnlySpan<byte> Value { get; } = value;

    public int PartitionCount { get; } = partitionCount;
}

/// <summary>Chooses the partitions of records that name none. One belongs to one producer; called by all threads that send.</summary>
public abstract class Partitioner
{
    /// <summary>A number from 0 on, below <see cref="PartitionChoice.PartitionCount"/>.</summary>
    public abstract int Choose(in PartitionChoice choice);
}
