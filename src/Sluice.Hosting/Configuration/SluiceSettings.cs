using Sluice.Protocols.Kafka.Groups;

namespace Sluice.Hosting.Configuration;

/// <summary>What an operator can set. Immutable; read from files, environment and command line by <see cref="SettingsReader"/>.</summary>
public sealed record SluiceSettings
{
    [Setting("Directory of everything the broker keeps. Used by one broker at a time.")]
    public string DataDirectory { get; init; } = "./data";

    [Setting("What a persistent message in a durable queue is promised before it is confirmed: `Memory` (may be lost with the process), `Os` (survives the process), `Disk` (survives the power).")]
    public DurabilityPromise Durability { get; init; } = DurabilityPromise.Disk;

    [Setting("Time that connections get to end in good order when the broker stops.", Unit = "seconds", Min = 0, Max = 3600)]
    public int StopTimeoutSeconds { get; init; } = 10;

    public AmqpSettings Amqp { get; init; } = new();

    public KafkaSettings Kafka { get; init; } = new();

    public AdminSettings Admin { get; init; } = new();

    public ConnectionSettings Connections { get; init; } = new();

    public SecuritySettings Security { get; init; } = new();

    public MemorySettings Memory { get; init; } = new();

    public DiskSettings Disk { get; init; } = new();

    public LimitSettings Limits { get; init; } = new();

    public StorageSettings Storage { get; init; } = new();

    public LogSettings Log { get; init; } = new();
}

/// <summary>See <see cref="SluiceSettings.Durability"/>.</summary>
public enum DurabilityPromise
{
    Memory,
    Os,
    Disk,
}

/// <summary>AMQP 0-9-1 listeners.</summary>
public sealed record AmqpSettings
{
    [Setting("Address of the plaintext listener: `*` for all, or an IP address of this machine. Empty: no plaintext listener.")]
    public string Address { get; init; } = "*";

    [Setting("Port of the plaintext listener. 0 takes a free one and logs it.", Max = 65_535)]
    public int Port { get; init; } = 5672;

    [Setting("Most channels of a connection.", Min = 1, Max = 65_535)]
    public int ChannelMax { get; init; } = 2047;

    [Setting("Largest frame that clients may negotiate.", Unit = "bytes", Min = 4096, Max = 16 << 20)]
    public int FrameMax { get; init; } = 128 << 10;

    [Setting("Heartbeat interval suggested to clients, which decide. 0: none.", Unit = "seconds", Max = 65_535)]
    public int HeartbeatSeconds { get; init; } = 60;

    [Setting("Most consumers of a channel.", Min = 1, Max = 1_000_000)]
    public int ConsumersPerChannelMax { get; init; } = 10_000;

    public TlsSettings Tls { get; init; } = new();
}

/// <summary>Kafka listeners.</summary>
public sealed record KafkaSettings
{
    [Setting("Address of the plaintext listener: `*` for all, or an IP address of this machine. Empty: no plaintext listener.")]
    public string Address { get; init; } = "*";

    [Setting("Port of the plaintext listener. 0 takes a free one and logs it.", Max = 65_535)]
    public int Port { get; init; } = 9092;

    [Setting("Host that clients are told to connect to: a name or an IP address. Empty: the address at which each has reached the broker.")]
    public string AdvertisedHost { get; init; } = "";

    [Setting("Port that clients of the plaintext listener are told to connect to. 0: the port at which each has reached the broker.", Max = 65_535)]
    public int AdvertisedPort { get; init; }

    [Setting("This broker's id, as clients see it.", Max = int.MaxValue)]
    public int NodeId { get; init; } = 1;

    [Setting("Virtual host whose topics Kafka clients see. It must be there.")]
    public string VirtualHost { get; init; } = "/";

    [Setting("User that clients are that do not log in; where it may connect from still counts. It must be there, but for `guest`. Empty: clients must log in.")]
    public string AnonymousUser { get; init; } = "guest";

    [Setting("How long a login by SASL is good, Kafka's connections.max.reauth.ms: a client that has not logged in again by then (KIP-368) is disconnected at its next request. 0: as long as the connection.", Unit = "ms", Max = int.MaxValue)]
    public int ReauthenticationMaxMs { get; init; }

    [Setting("Whether a topic is made when a client asks for it and it is not there.")]
    public bool AutoCreateTopics { get; init; } = true;

    [Setting("Partitions of a topic whose creator does not say how many.", Min = 1, Max = 10_000)]
    public int DefaultPartitions { get; init; } = 1;

    [Setting("Largest request.", Unit = "bytes", Min = 1 << 20, Max = 1 << 30)]
    public int RequestBytesMax { get; init; } = 100 << 20;

    [Setting("Fetch sessions kept; clients beyond fetch without.", Max = 1_000_000)]
    public int FetchSessionsMax { get; init; } = 1000;

    [Setting("Partitions of the internal topic `__consumer_offsets`, which keeps consumer groups and their offsets, when it is made. A topic that is there already stays as it is.", Min = 1, Max = 10_000)]
    public int OffsetsTopicPartitions { get; init; } = 50;

    [Setting("How long committed offsets are kept after their consumer group has lost its last member; of clients that assign partitions by themselves, after the last commit.", Unit = "minutes", Min = 1, Max = int.MaxValue)]
    public int OffsetsRetentionMinutes { get; init; } = 7 * 24 * 60;

    [Setting("Most characters that a client may commit beside an offset.", Max = 1 << 20)]
    public int OffsetMetadataMax { get; init; } = 4096;

    [Setting("How long the first rebalance of a consumer group that was empty waits for more members. 0: not at all.", Unit = "ms", Max = 300_000)]
    public int GroupInitialRebalanceDelayMs { get; init; } = 3000;

    [Setting("Shortest session timeout that a consumer may ask for. Not above the longest.", Unit = "ms", Min = 1, Max = int.MaxValue)]
    public int GroupSessionTimeoutMinMs { get; init; } = 6000;

    [Setting("Longest session timeout that a consumer may ask for.", Unit = "ms", Min = 1, Max = int.MaxValue)]
    public int GroupSessionTimeoutMaxMs { get; init; } = 30 * 60 * 1000;

    [Setting("Most members of a consumer group.", Min = 1, Max = 1_000_000)]
    public int GroupMembersMax { get; init; } = 10_000;

    [Setting("Which consumer groups change their protocol while they have members, Kafka's group.consumer.migration.policy: `Bidirectional` (to that of KIP-848 when a member joins with it, and back when the last of them has gone), `Upgrade`, `Downgrade`, `Disabled`.")]
    public GroupMigrationPolicy GroupMigrationPolicy { get; init; }

    [Setting("Partitions of the internal topic `__share_group_state`, which keeps where share groups are, when it is made. A topic that is there already stays as it is.", Min = 1, Max = 10_000)]
    public int ShareTopicPartitions { get; init; } = 50;

    [Setting("Members of share groups that may fetch at a time.", Min = 1, Max = 1_000_000)]
    public int ShareSessionsMax { get; init; } = 2000;

    [Setting("Most members of a share group.", Min = 1, Max = 100_000)]
    public int ShareMembersMax { get; init; } = 200;

    [Setting("Largest push of a client's metrics, as it comes and decompressed, Kafka's telemetry.max.bytes.", Unit = "bytes", Min = 1, Max = 16 << 20)]
    public int TelemetryPushBytesMax { get; init; } = 1 << 20;

    [Setting("Memory for the newest metrics of all clients. Beyond, those of the clients not heard of for longest are dropped.", Unit = "bytes", Min = 0)]
    public long TelemetryKeptBytesMax { get; init; } = 64 << 20;

    [Setting("Partitions of the internal topic `__transaction_state`, which keeps transactional ids, when it is made. A topic that is there already stays as it is.", Min = 1, Max = 10_000)]
    public int TransactionTopicPartitions { get; init; } = 50;

    [Setting("Longest time that a producer may ask for until its transaction is rolled back.", Unit = "ms", Min = 1, Max = int.MaxValue)]
    public int TransactionTimeoutMaxMs { get; init; } = 15 * 60 * 1000;

    [Setting("How long a transactional id is remembered after its last transaction.", Unit = "minutes", Min = 1, Max = int.MaxValue)]
    public int TransactionalIdExpirationMinutes { get; init; } = 7 * 24 * 60;

    [Setting("How long a partition remembers an idempotent or transactional producer that writes nothing.", Unit = "minutes", Min = 1, Max = int.MaxValue)]
    public int ProducerIdExpirationMinutes { get; init; } = 24 * 60;

    public KafkaTlsSettings Tls { get; init; } = new() { Port = 9093 };
}

/// <summary>TLS on a listener of its own.</summary>
public record TlsSettings
{
    [Setting("Address of the TLS listener: `*` for all, or an IP address of this machine.")]
    public string Address { get; init; } = "*";

    [Setting("Port of the TLS listener. 0 takes a free one and logs it.", Max = 65_535)]
    public int Port { get; init; } = 5671;

    [Setting("The server's certificate: a PEM file (its own certificate first, then those above it) or a PFX file. When it or the key is replaced, new connections use it within seconds. Empty: no TLS listener.")]
    public string CertificateFile { get; init; } = "";

    [Setting("PEM file of the certificate's private key. Empty: it is in the certificate's file.")]
    public string KeyFile { get; init; } = "";

    [Setting("Password of the key or of the PFX file. Empty: none.", Secret = true)]
    public string Password { get; init; } = "";

    [Setting("Whether clients show a certificate: `None` (not asked for), `Optional` (one that is shown must be valid), `Required`.")]
    public Transport.ClientCertificateMode ClientCertificates { get; init; }

    [Setting("PEM file of the authorities that client certificates must descend from. Empty: those that the machine trusts.")]
    public string ClientAuthorityFile { get; init; } = "";

    [Setting("Refuse TLS 1.2.")]
    public bool Tls13Only { get; init; }
}

/// <summary>TLS for Kafka clients.</summary>
public sealed record KafkaTlsSettings : TlsSettings
{
    [Setting("Host that clients of the TLS listener are told to connect to: a name or an IP address that the certificate has. Empty: that of `Kafka:AdvertisedHost`.")]
    public string AdvertisedHost { get; init; } = "";

    [Setting("Port that clients of the TLS listener are told to connect to. 0: the port at which each has reached the broker.", Max = 65_535)]
    public int AdvertisedPort { get; init; }
}

/// <summary>The HTTP listener: management API, metrics, console.</summary>
public sealed record AdminSettings
{
    [Setting("Address of the HTTP listener: `*` for all, or an IP address of this machine. Empty: no HTTP listener.")]
    public string Address { get; init; } = "*";

    [Setting("Port of the HTTP listener. 0 takes a free one and logs it.", Max = 65_535)]
    public int Port { get; init; } = 15_672;
}

/// <summary>Connections of every protocol.</summary>
public sealed record ConnectionSettings
{
    [Setting("Connections open at once.", Min = 1, Max = 1_000_000)]
    public int Max { get; init; } = 50_000;

    [Setting("Threads that receive, handle and send for connections (Linux); 0: as many as processors.", Min = 0, Max = 256)]
    public int IoThreads { get; init; }

    [Setting("Time from a connection's first packet until its client has logged in, TLS included.", Unit = "seconds", Min = 1, Max = 3600)]
    public int HandshakeTimeoutSeconds { get; init; } = 10;

    [Setting("Time that a client gets to take the last bytes when its connection closes.", Unit = "seconds", Min = 1, Max = 3600)]
    public int CloseTimeoutSeconds { get; init; } = 5;

    [Setting("Idle time after which the kernel begins to probe whether a client is still there.", Unit = "seconds", Min = 1, Max = 32_767)]
    public int KeepAliveSeconds { get; init; } = 60;

    [Setting("Kernel send and receive buffer of a connection. Small ones keep the data in the processor's cache.", Unit = "bytes", Min = 8 << 10, Max = 16 << 20)]
    public int SocketBufferBytes { get; init; } = 256 << 10;

    [Setting("Output waiting for a client at which deliveries to it pause. Reading from it pauses when 8 MB wait.", Unit = "bytes", Min = 64 << 10, Max = 1 << 30)]
    public int OutputHighWaterBytes { get; init; } = 512 << 10;

    [Setting("Output waiting for a client at which deliveries to it and reading from it resume. Below the high-water mark.", Unit = "bytes", Min = 0, Max = 1 << 30)]
    public int OutputLowWaterBytes { get; init; } = 128 << 10;

    [Setting("Output waiting for a client above which it is disconnected. At least the largest message and the high-water mark together.", Unit = "bytes", Min = 1 << 20)]
    public long OutputHardLimitBytes { get; init; } = 512 << 20;
}

/// <summary>Who may come in.</summary>
public sealed record SecuritySettings
{
    [Setting("Administrator made on the first start, when there is no user at all. Empty: none is made.")]
    public string DefaultUser { get; init; } = "guest";

    [Setting("The default user's password.", Secret = true)]
    public string DefaultPassword { get; init; } = "guest";

    [Setting("Users who may connect over the loopback interface (127.0.0.1, ::1) only.")]
    public IReadOnlyList<string> LoopbackUsers { get; init; } = ["guest"];

    [Setting("Whether a password that is set is also kept as salted keys for SCRAM-SHA-256 and SCRAM-SHA-512, beside its hash. They take 16384 rounds to guess at where the hash takes 120000.")]
    public bool ScramFromPasswords { get; init; } = true;

    [Setting("What of a client certificate is the user's name: `DistinguishedName` (as in `CN=worker,O=Example`) or `CommonName`.")]
    public Security.CertificateLogin CertificateLogin { get; init; }

    public OAuthBearerSettings OAuthBearer { get; init; } = new();
}

/// <summary>Login of Kafka clients by JSON Web Tokens (SASL OAUTHBEARER). It is offered when one of the sources of keys is set.</summary>
public sealed record OAuthBearerSettings
{
    [Setting("File with a JSON Web Key Set: the public keys (RSA, EC) of those who make tokens. When it is replaced, logins use it within seconds.")]
    public string JwksFile { get; init; } = "";

    [Setting("URL of a JSON Web Key Set, instead of a file.")]
    public string JwksUrl { get; init; } = "";

    [Setting("How long the keys of the URL are used without asking again. A token that names another key asks earlier.", Unit = "minutes", Min = 1, Max = 10_080)]
    public int JwksRefreshMinutes { get; init; } = 60;

    [Setting("Secret of at least 32 bytes that the maker of tokens and the broker share (HS256, HS384, HS512), instead of a key set.", Secret = true)]
    public string Secret { get; init; } = "";

    [Setting("Who must have made a token (claim `iss`). Empty: whoever has a key.")]
    public string Issuer { get; init; } = "";

    [Setting("For whom a token must be (one of claim `aud`). Empty: for anybody.")]
    public string Audience { get; init; } = "";

    [Setting("The claim that is the name of Sluice's user.")]
    public string UserClaim { get; init; } = "sub";

    [Setting("By how much the clocks of broker and token makers may differ.", Unit = "seconds", Max = 3600)]
    public int ClockSkewSeconds { get; init; } = 30;

    [Setting("Takes tokens without any signature (`alg` none), by which anybody can be any user. For tests on machines that nobody else reaches.")]
    public bool AllowUnsecuredTokens { get; init; }
}

/// <summary>When publishers are held back for want of memory.</summary>
public sealed record MemorySettings
{
    [Setting("Memory of the process above which publishers wait: a fraction of the machine's (or container's), from above 0 to 1, or bytes, from 32 MB.")]
    public MemoryLimit Watermark { get; init; } = MemoryLimit.OfFraction(0.4);
}

/// <summary>When publishers are held back for want of disk.</summary>
public sealed record DiskSettings
{
    [Setting("Free space on the data directory's volume below which publishers wait.", Unit = "bytes", Min = 0)]
    public long FreeBytesMin { get; init; } = 256 << 20;
}

/// <summary>How much is too much.</summary>
public sealed record LimitSettings
{
    /// <summary>Largest record batch: the largest body that can be set, and room for the largest properties and dead-letter history. Not less for a lower limit, because messages taken under a higher one are still moved.</summary>
    internal const int BatchBytesMax = MessageBytesHighest + (64 << 20);

    private const int MessageBytesHighest = 512 << 20;

    [Setting("Largest message body.", Unit = "bytes", Min = 1, Max = MessageBytesHighest)]
    public int MessageBytesMax { get; init; } = 128 << 20;

    [Setting("Bytes that one transaction may hold before its commit, a message counted for each queue it goes to.", Unit = "bytes", Min = 1, Max = 1 << 30)]
    public long TransactionBytesMax { get; init; } = 128 << 20;

    [Setting("Queues of a virtual host.", Min = 1, Max = 100_000_000)]
    public int QueuesPerVirtualHostMax { get; init; } = 1_000_000;

    [Setting("Time that a delivery may stay unacknowledged before its channel is closed. 0: no limit.", Unit = "seconds", Max = 31_536_000)]
    public int ConsumerTimeoutSeconds { get; init; }
}

/// <summary>Sizes of the log engine.</summary>
public sealed record StorageSettings
{
    [Setting("Size of a segment file at which the next begins.", Unit = "bytes", Min = 64 << 10, Max = 1 << 30)]
    public int SegmentBytes { get; init; } = 64 << 20;

    [Setting("Size of the journal after which a checkpoint cuts it.", Unit = "bytes", Min = 1 << 20)]
    public long JournalBytesMax { get; init; } = 256 << 20;

    [Setting("Bytes waiting for the journal above which publishers wait.", Unit = "bytes", Min = 64 << 10)]
    public long JournalBacklogBytesMax { get; init; } = 16 << 20;

    [Setting("Newest messages kept in memory, all logs together.", Unit = "bytes", Min = 1 << 20)]
    public long TailBytesMax { get; init; } = 64 << 20;

    [Setting("Newest messages kept in memory, one log.", Unit = "bytes", Min = 64 << 10, Max = 1 << 30)]
    public int TailBytesPerLogMax { get; init; } = 4 << 20;
}

/// <summary>What is written to standard output.</summary>
public sealed record LogSettings
{
    [Setting("The least that is logged: `Trace`, `Debug`, `Information`, `Warning`, `Error`, `Critical`, `None`.")]
    public Microsoft.Extensions.Logging.LogLevel Level { get; init; } = Microsoft.Extensions.Logging.LogLevel.Information;
}
