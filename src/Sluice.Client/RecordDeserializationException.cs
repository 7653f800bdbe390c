namespace Sluice.Client;

/// <summary>A record that a consumer's deserializer cannot read. The consumer stays at it: what it throws next time, unless it seeks beyond.</summary>
public sealed class RecordDeserializationException : Exception
{
    public RecordDeserializationException()
    {
    }

    public RecordDeserializationException(string message)
        : base(message)
    {
    }

    public RecordDeserializationException(string message, Exception inner)
        : base(message, inner)
    {
    }

    /// <param name="record">Where it is.</param>
    /// <param name="inner">What the deserializer threw.</param>
    public RecordDeserializationException(TopicPartitionOffset record, Exception inner)
        : base($"The record at offset {record.Offset} of {record.Partition} cannot be deserialized: {inner?.Message} Seek beyond it to go on.", inner) => Record = record;

    /// <summary>Where the record is.</summary>
    public TopicPartitionOffset Record { get; }
}
