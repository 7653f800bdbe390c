using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.Protocols.Kafka.Transactions;

namespace Sluice.Protocols.Kafka;

/// <summary>Settings of the Kafka protocol.</summary>
public sealed record KafkaOptions
{
    /// <summary>The virtual host whose topics Kafka clients see: they know of no virtual hosts.</summary>
    public string VirtualHost { get; init; } = "/";

    /// <summary>This broker's id.</summary>
    public int NodeId { get; init; } = 1;

    /// <summary>Host that clients without TLS are told to connect to; empty: the address at which each has reached the broker.</summary>
    public string AdvertisedHost { get; init; } = "";

    /// <summary>Port that clients without TLS are told to connect to; 0: the port at which each has reached the broker.</summary>
    public int AdvertisedPort { get; init; }

    /// <summary>As <see cref="AdvertisedHost"/>, for clients with TLS.</summary>
    public string TlsAdvertisedHost { get; init; } = "";

    /// <summary>As <see cref="AdvertisedPort"/>, for clients with TLS.</summary>
    public int TlsAdvertisedPort { get; init; }

    /// <summary>The user that clients are that do not log in; empty: they must log in.</summary>
    public string AnonymousUser { get; init; } = "guest";

    /// <summary>How long a login by SASL is good, in ms (Kafka's connections.max.reauth.ms); 0: as long as the connection.</summary>
    public int ReauthenticationMaxMs { get; init; }

    /// <summary>Whether a topic is made when a client asks for its metadata or produces to it.</summary>
    public bool AutoCreateTopics { get; init; } = true;

    /// <summary>Partitions of a topic whose creator does not say how many.</summary>
    public int DefaultPartitions { get; init; } = 1;

    /// <summary>Largest request, in bytes.</summary>
    public int RequestBytesMax { get; init; } = 100 << 20;

    /// <summary>Requests of a connection that may wait for their answers; more are not read.</summary>
    public int RequestsInFlightMax { get; init; } = 100;

    /// <summary>Fetch sessions kept; clients beyond fetch without.</summary>
    public int FetchSessionsMax { get; init; } = 1000;

    /// <summary>Largest answer to a fetch, in bytes, whatever the client asks for.</summary>
    public int FetchBytesMax { get; init; } = 55 << 20;

    /// <summary>Consumer groups.</summary>
    public GroupOptions Groups { get; init; } = new();

    /// <summary>Share groups.</summary>
    public ShareOptions Shares { get; init; } = new();

    /// <summary>What clients tell of themselves.</summary>
    public TelemetryOptions Telemetry { get; init; } = new();

    /// <summary>Transactions, and producers with an id.</summary>
    public TransactionOptions Transactions { get; init; } = new();
}
