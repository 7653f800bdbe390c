namespace Sluice.Broker.Messages;

/// <summary>
/// A message on its way in, borrowed from the protocol's receive buffer for the length of the publish call.
/// The protocol has already extracted what the broker acts on; <see cref="Properties"/> stay the protocol's own bytes.
/// </summary>
public ref struct MessageToPublish
{
    public MessageToPublish()
    {
    }

    /// <summary>The exchange name the client gave, UTF-8; kept with the message.</summary>
    public ReadOnlySpan<byte> Exchange;

    /// <summary>The routing key, UTF-8; kept with the message.</summary>
    public ReadOnlySpan<byte> RoutingKey;

    /// <summary>More routing keys (AMQP's CC and BCC headers); null for none.</summary>
    public IReadOnlyList<byte[]>? ExtraRoutingKeys;

    /// <summary>Which protocol's property encoding <see cref="Properties"/> is.</summary>
    public PropertiesFormat Format;

    /// <summary>The protocol's property bytes, kept exactly.</summary>
    public ReadOnlySpan<byte> Properties;

    public ReadOnlySpan<byte> Body;

    /// <summary>Asked to survive a restart (AMQP delivery-mode 2). Only a durable queue honours it.</summary>
    public bool Persistent;

    /// <summary>Whether somebody waits for the message to be kept (confirms, transaction). Without, a persistent message is written but its sync is not waited for.</summary>
    public bool Confirmed;

    /// <summary>Time to live from now in ms; -1: none.</summary>
    public long TimeToLiveMs = -1;

    /// <summary>Priority asked for, 0 the lowest.</summary>
    public byte Priority;

    /// <summary>Delay asked for (x-delay) in ms; -1: header absent. Only a delayed exchange looks.</summary>
    public long DelayMs = -1;

    /// <summary>Headers for a headers exchange (and hash-header); null if the message has none. Read during the call only.</summary>
    public IMessageHeaders? Headers;

    /// <summary>Encoded <see cref="DeathHistory"/>; empty unless the broker itself publishes (dead-lettering).</summary>
    public ReadOnlySpan<byte> Deaths;
}

/// <summary>Which protocol's encoding a stored message's property bytes have. Persisted: values never change.</summary>
public enum PropertiesFormat : byte
{
    /// <summary>No properties of a protocol (a bare record).</summary>
    None = 0,

    /// <summary>AMQP 0-9-1 property flags and list (spec 4.2.6.1), as sent by the publisher.</summary>
    Amqp091 = 1,

    /// <summary>A record as a Kafka client sent it: key and record headers of its own.</summary>
    Kafka = 2,
}

/// <summary>Named header values of one message, for routing.</summary>
public interface IMessageHeaders
{
    /// <summary>Finds a header by its UTF-8 name. The value is borrowed.</summary>
    bool TryGet(ReadOnlySpan<byte> name, out HeaderValue value);

    /// <summary>Number of headers.</summary>
    int Count { get; }
}

/// <summary>Kinds a header value is compared as.</summary>
public enum HeaderKind : byte
{
    Null = 0,
    Boolean,
    Integer,
    Double,

    /// <summary>UTF-8 or raw bytes.</summary>
    Bytes,

    /// <summary>A table, array, decimal or timestamp, as the protocol's bytes.</summary>
    Other,
}

/// <summary>A borrowed header value.</summary>
public ref struct HeaderValue
{
    public HeaderKind Kind;
    public long Integer;
    public double Double;
    public ReadOnlySpan<byte> Bytes;
}

/// <summary>Properties that an exchange can route by (hash-property of x-consistent-hash).</summary>
public enum MessageProperty : byte
{
    MessageId = 1,
    CorrelationId = 2,

    /// <summary>An integer, in the protocol's own unit.</summary>
    Timestamp = 3,
    AppId = 4,
}

/// <summary>
/// What the broker asks of a protocol about stored property bytes when it must route a message again without the
/// protocol at hand (dead-lettering, delayed delivery). Registered once per <see cref="PropertiesFormat"/>.
/// </summary>
public interface IPropertiesReader
{
    PropertiesFormat Format { get; }

    /// <summary>The headers in the property bytes; null if there are none.</summary>
    IMessageHeaders? ReadHeaders(ReadOnlyMemory<byte> properties);

    /// <summary>Routing keys besides the main one that the headers carry and that routing must honour (AMQP CC); null if none.</summary>
    IReadOnlyList<byte[]>? ReadExtraRoutingKeys(ReadOnlyMemory<byte> properties);

    /// <summary>Priority in the property bytes, 0 if absent.</summary>
    byte ReadPriority(ReadOnlyMemory<byte> properties);

    /// <summary>Finds one property, as Bytes or Integer; false if the message does not have it. The value is borrowed. No allocation.</summary>
    bool TryReadProperty(ReadOnlySpan<byte> properties, MessageProperty property, out HeaderValue value);

    /// <summary>Shows all properties and headers. No allocation.</summary>
    void Visit(ReadOnlySpan<byte> properties, IPropertyVisitor visitor);
}

/// <summary>Is shown what property bytes say. Names and values are borrowed.</summary>
public interface IPropertyVisitor
{
    /// <summary>One of the protocol's own properties, by its name in AMQP 0-9-1 ("content-type").</summary>
    void Property(ReadOnlySpan<byte> name, scoped in HeaderValue value);

    /// <summary>A header that the publisher has named.</summary>
    void Header(ReadOnlySpan<byte> name, scoped in HeaderValue value);
}
