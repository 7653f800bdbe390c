namespace Sluice.Client.Producing;

/// <summary>What is sent.</summary>
public readonly record struct ProducerRecord<TKey, TValue>
{
    [System.Diagnostics.CodeAnalysis.SetsRequiredMembers]
    public ProducerRecord(string topic, TKey key, TValue value)
    {
        Topic = topic;
        Key = key;
        Value = value;
    }

    public required string Topic { get; init; }

    public TKey Key { get; init; }

    public TValue Value { get; init; }

    /// <summary>Null: the producer's partitioner chooses.</summary>
    public int? Partition { get; init; }

    /// <summary>Null: the time at which it is sent.</summary>
    public DateTimeOffset? Timestamp { get; init; }

    /// <summary>In their order; null: none.</summary>
    public IReadOnlyList<RecordHeader>? Headers { get; init; }
}
