namespace Sluice.Storage.Records;

/// <summary>
/// One record of a Kafka v2 record batch, as it lies in memory. Borrowed: valid until the reader it came from is next used.
/// Layout: https://kafka.apache.org/documentation/#record
/// </summary>
public ref struct RecordView
{
    public long Offset;

    /// <summary>Unix time in milliseconds: the batch's base timestamp plus the record's delta, or the time at which a log took the batch.</summary>
    public long Timestamp;

    /// <summary>Laid out by this broker; else as a Kafka client sent it.</summary>
    public bool IsBrokerMessage;

    /// <summary>False for a null key (distinct from an empty one).</summary>
    public bool HasKey;

    public ReadOnlySpan<byte> Key;

    /// <summary>False for a null value (a tombstone; distinct from an empty one).</summary>
    public bool HasValue;

    public ReadOnlySpan<byte> Value;

    public int HeaderCount;

    /// <summary>The headers as encoded: per header varint key length, key, varint value length (-1 for null), value.</summary>
    public ReadOnlySpan<byte> Headers;
}
