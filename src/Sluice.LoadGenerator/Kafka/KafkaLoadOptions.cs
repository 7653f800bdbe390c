using System.Net.Security;
using Sluice.Base.Compression;
using Sluice.Client;
using Sluice.Client.Producing;

namespace Sluice.LoadGenerator.Kafka;

/// <summary>What a load run against a Kafka broker does.</summary>
public sealed record KafkaLoadOptions
{
    /// <summary>Brokers, as <c>host:port</c> separated by commas.</summary>
    public string BootstrapServers { get; init; } = "127.0.0.1:9092";

    /// <summary>Null: no login.</summary>
    public SaslCredentials? Sasl { get; init; }

    /// <summary>Null: no TLS.</summary>
    public SslClientAuthenticationOptions? Tls { get; init; }

    /// <summary>See <see cref="KafkaClientOptions.RetriesFirstConnection"/>.</summary>
    public bool RetriesFirstConnection { get; init; } = true;

    /// <summary>See <see cref="KafkaClientOptions.OnBackgroundError"/>; null: nobody is told.</summary>
    public Action<KafkaClientException>? OnBackgroundError { get; init; }

    public string Topic { get; init; } = "sluice-load";

    /// <summary>Producers, each with connections of its own; 0 only consumes what is there.</summary>
    public int Producers { get; init; } = 1;

    /// <summary>Consumers, which share the partitions; 0 only produces.</summary>
    public int Consumers { get; init; }

    /// <summary>Records of all producers, or to consume, together.</summary>
    public long Records { get; init; } = 1_000_000;

    /// <summary>Bytes of a record's value.</summary>
    public int ValueBytes { get; init; } = 1024;

    /// <summary>Different keys; 0: records have none.</summary>
    public int Keys { get; init; }

    /// <summary>Records per second of all producers; 0: as fast as it goes.</summary>
    public double Rate { get; init; }

    /// <summary>Most records of a producer that are not acknowledged; 0: no limit but that of <see cref="BufferBytes"/>.</summary>
    public int Window { get; init; }

    public Acks Acks { get; init; } = Acks.All;

    /// <summary>Null: with acks of all.</summary>
    public bool? Idempotence { get; init; }

    public int BatchBytes { get; init; } = 16 << 10;

    public double LingerMs { get; init; }

    public CompressionType Compression { get; init; }

    public int MaxInFlight { get; init; } = ProducerOptions.MaxInFlightMost;

    public long BufferBytes { get; init; } = 32 << 20;

    public int FetchMinBytes { get; init; } = 1;

    /// <summary>Bytes of one partition in an answer.</summary>
    public int FetchBytes { get; init; } = 1 << 20;

    /// <summary>Seconds without a record after which consumers give up.</summary>
    public double IdleSeconds { get; init; } = 20;

    /// <summary>Process whose tree's CPU time and memory are measured as the broker's; 0: not measured.</summary>
    public int BrokerProcessId { get; init; }

    internal bool IsIdempotent => Idempotence ?? (Acks == Acks.All);

    /// <summary>Refuses what makes no sense, with a sentence that says why.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public void Validate()
    {
        Require(Producers is >= 0 and <= 1000 && Consumers is >= 0 and <= 1000 && Producers + Consumers > 0, "at least one producer or consumer is needed");
        Require(Records >= 1, "at least one record is needed");
        Require(ValueBytes is >= 0 and <= 128 << 20, "a value has 0 to 134217728 bytes");
        Require(Rate >= 0 && Keys >= 0 && LingerMs >= 0, "rate, keys and linger are not negative");
        Require(Window >= 0, "window is not negative");
        Require(IdleSeconds > 0, "idle is more than 0");
        Require(MaxInFlight is >= 1 and <= 5, "in-flight is 1 to 5");
        Require(BatchBytes is >= 256 and <= 64 << 20, "batch-bytes is 256 to 67108864");
        Require(!IsIdempotent || Acks == Acks.All, "idempotence needs acks of all");
    }

    /// <summary>How producers work.</summary>
    public ProducerOptions ToProducer() => new()
    {
        BootstrapServers = BootstrapServers,
        ClientId = "sluice load",
        Sasl = Sasl,
        Tls = Tls,
        RetriesFirstConnection = RetriesFirstConnection,
        OnBackgroundError = OnBackgroundError,
        Acks = Acks,
        EnableIdempotence = IsIdempotent,
        BatchBytes = BatchBytes,
        Linger = TimeSpan.FromMilliseconds(LingerMs),
        Compression = Compression,
        MaxInFlight = MaxInFlight,
        BufferBytes = Math.Max(BufferBytes, Math.Max(BatchBytes, RequestBytes)),
        RequestBytesMax = RequestBytes,
    };

    private int RequestBytes => Math.Max(1 << 20, Math.Max(BatchBytes, ValueBytes) + 1024);

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new ArgumentException($"Invalid load: {otherwise}.");
        }
    }
}
