using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Base.Changes;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Security;

namespace Sluice.Admin;

/// <summary>What the management API works on.</summary>
public sealed record AdminContext
{
    public required MessageBroker Broker { get; init; }

    public required AccessControl AccessControl { get; init; }

    public required Authenticator Authenticator { get; init; }

    public required IConnectionSource Connections { get; init; }

    /// <summary>What Kafka clients tell of themselves; asked for at each request.</summary>
    public Func<IReadOnlyList<ClientMetricsInfo>> ClientMetrics { get; init; } = static () => [];

    /// <summary>What definitions have besides what the broker core and RabbitMQ know of.</summary>
    public IReadOnlyList<DefinitionSection> DefinitionSections { get; init; } = [];

    public required IMessageFormat Messages { get; init; }

    public required TimeProvider Clock { get; init; }

    /// <summary>Shown as the node's and the cluster's name.</summary>
    public string NodeName { get; init; } = "sluice@localhost";

    /// <summary>Version of the product.</summary>
    public required string Version { get; init; }

    /// <summary>Listeners that are up; asked for at each request.</summary>
    public required Func<IReadOnlyList<ListenerInfo>> Listeners { get; init; }

    /// <summary>When this process began to serve.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>The groups of Kafka clients; null if no such clients are served.</summary>
    public IGroupSource? Groups { get; init; }

    /// <summary>The user that Kafka clients are who do not log in; empty if they must, or if no such clients are served.</summary>
    public string KafkaAnonymousUser { get; init; } = "";

    /// <summary>Figures of Kafka's protocol, for who sees the virtual host of <see cref="Groups"/>; asked for at each request.</summary>
    public Func<IReadOnlyList<MetricFamily>> KafkaMetrics { get; init; } = static () => [];
}

/// <summary>A part of a file of definitions that somebody else keeps.</summary>
/// <param name="Name">Of the member that is the list of its entries.</param>
/// <param name="Export">All entries; asked for at each export.</param>
/// <param name="ImportAsync">Takes entries in, on behalf of the user named, and returns what became of each; a <see cref="FormatException"/> says what is wrong with which.</param>
public sealed record DefinitionSection(string Name, Func<IEnumerable<JsonObject>> Export, Func<IReadOnlyList<JsonElement>, string, ValueTask<IReadOnlyList<PutOutcome>>> ImportAsync);

/// <param name="Protocol">amqp, amqp/ssl, http…</param>
/// <param name="Address">Address it listens on.</param>
/// <param name="Port">TCP port.</param>
public sealed record ListenerInfo(string Protocol, string Address, int Port);

/// <summary>The connections of all protocols, for operators. Thread-safe.</summary>
public interface IConnectionSource
{
    /// <summary>Those that connections can have, as <see cref="ConnectionInfo.Protocol"/> names them.</summary>
    IReadOnlyList<string> Protocols { get; }

    /// <summary>A copy, of the moment.</summary>
    IReadOnlyList<ConnectionInfo> List();

    /// <summary>Asks the connection of this name to close, telling the client the reason; false if there is none.</summary>
    bool Close(string name, string reason);
}

/// <summary>One connection, of the moment.</summary>
public sealed record ConnectionInfo
{
    /// <summary>"127.0.0.1:50312 -> 127.0.0.1:5672"; unique.</summary>
    public required string Name { get; init; }

    /// <summary>The name that the client gave itself; null if none.</summary>
    public string? ClientName { get; init; }

    /// <summary>The client's library; null if it does not say.</summary>
    public string? SoftwareName { get; init; }

    /// <summary>The library's version; null if the client does not say.</summary>
    public string? SoftwareVersion { get; init; }

    public required string User { get; init; }

    /// <summary>The SASL mechanism of its login; null if it has not logged in.</summary>
    public string? Mechanism { get; init; }

    /// <summary>Empty before it is chosen.</summary>
    public required string VirtualHost { get; init; }

    /// <summary>As "AMQP 0-9-1" or "Kafka".</summary>
    public required string Protocol { get; init; }

    /// <summary>starting, tuning, opening, running, blocked, closing…</summary>
    public required string State { get; init; }

    public required string PeerHost { get; init; }

    public required int PeerPort { get; init; }

    public bool IsTls { get; init; }

    public int FrameMax { get; init; }

    public int HeartbeatSeconds { get; init; }

    public DateTimeOffset ConnectedAt { get; init; }

    public Arguments ClientProperties { get; init; } = Arguments.Empty;

    public IReadOnlyList<ChannelInfo> Channels { get; init; } = [];
}

/// <summary>One channel of a connection, of the moment.</summary>
public sealed record ChannelInfo
{
    public required int Number { get; init; }

    public int ConsumerCount { get; init; }

    /// <summary>Deliveries not acknowledged.</summary>
    public int UnacknowledgedCount { get; init; }

    /// <summary>Published and not confirmed.</summary>
    public int UnconfirmedCount { get; init; }

    /// <summary>Per consumer; 0: none.</summary>
    public int PrefetchCount { get; init; }

    /// <summary>For the channel as a whole; 0: none.</summary>
    public int GlobalPrefetchCount { get; init; }

    public bool IsConfirming { get; init; }

    public bool IsTransactional { get; init; }
}

/// <summary>Translates message properties between a protocol's bytes and the API's JSON.</summary>
public interface IMessageFormat
{
    /// <summary>Writes the properties as members of an object that is open.</summary>
    void WriteProperties(Utf8JsonWriter to, PropertiesFormat format, ReadOnlySpan<byte> properties);

    /// <summary>Encodes properties given as JSON (delivery_mode, headers, priority, expiration…).</summary>
    /// <exception cref="FormatException">A property is unknown or has a value that it cannot have; the message names it.</exception>
    EncodedProperties Encode(JsonElement properties);
}

/// <summary>Properties in a protocol's bytes, with what the broker acts on taken out.</summary>
public sealed record EncodedProperties(PropertiesFormat Format, ReadOnlyMemory<byte> Bytes)
{
    public bool Persistent { get; init; }

    public byte Priority { get; init; }

    public long TimeToLiveMs { get; init; } = -1;

    public long DelayMs { get; init; } = -1;

    public IMessageHeaders? Headers { get; init; }

    public IReadOnlyList<byte[]>? ExtraRoutingKeys { get; init; }
}
