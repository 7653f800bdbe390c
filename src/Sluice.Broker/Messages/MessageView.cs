namespace Sluice.Broker.Messages;

/// <summary>A stored message as a consumer's protocol sees it. Borrowed: valid only during the call it is handed to.</summary>
public ref struct MessageView
{
    /// <summary>Unix ms at which the broker took it.</summary>
    public long TimestampMs;

    /// <summary>Exchange it was (last) published to, UTF-8.</summary>
    public ReadOnlySpan<byte> Exchange;

    public ReadOnlySpan<byte> RoutingKey;

    public PropertiesFormat Format;

    /// <summary>The publisher's property bytes.</summary>
    public ReadOnlySpan<byte> Properties;

    public ReadOnlySpan<byte> Body;

    /// <summary>Unix ms at which it expires by its own TTL; -1: never.</summary>
    public long ExpiresAtMs;

    /// <summary>Encoded <see cref="DeathHistory"/>; empty for a message never dead-lettered.</summary>
    public ReadOnlySpan<byte> Deaths;

    /// <summary>Unix ms that a <see cref="PropertiesFormat.Kafka"/> record carries; as a rule its producer's.</summary>
    public long CreatedMs;

    /// <summary>The <see cref="PropertiesFormat.Kafka"/> record has no value, which is not the same as an empty one: it says that the key is no more.</summary>
    public bool HasNoBody;

    /// <summary>False for no key. Only a <see cref="PropertiesFormat.Kafka"/> record has one.</summary>
    public bool HasKey;

    public ReadOnlySpan<byte> Key;

    public int HeaderCount;

    /// <summary>The record headers of a <see cref="PropertiesFormat.Kafka"/> record as encoded; see <see cref="Storage.Records.RecordView.Headers"/>. Empty for the broker's own messages, whose headers are the fields above.</summary>
    public ReadOnlySpan<byte> Headers;

    /// <summary>Its offset in the log it was read from (what a stream consumer is told).</summary>
    public long Offset;
}

/// <summary>Names a message within its queue: lane (priority level) and log offset.</summary>
public readonly record struct MessageId(long Value)
{
    private const int LaneShift = 55;

    public MessageId(int lane, long offset)
        : this(((long)lane << LaneShift) | offset)
    {
    }

    public int Lane => (int)(Value >> LaneShift);

    public long Offset => Value & ((1L << LaneShift) - 1);
}
