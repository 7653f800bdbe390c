using Sluice.Base.Compression;

namespace Sluice.Client.Producing;

/// <summary>How a producer works.</summary>
public sealed record ProducerOptions : KafkaClientOptions
{
    /// <summary>The most requests on their way to one broker at once: brokers know the last five of an idempotent producer.</summary>
    public const int MaxInFlightMost = 5;

    /// <summary>When a record counts as delivered.</summary>
    public Acks Acks { get; init; } = Acks.All;

    /// <summary>Records for one partition are gathered up to this size, in bytes.</summary>
    public int BatchBytes { get; init; } = 16 << 10;

    /// <summary>How long a batch that is not full waits for more. Batches also grow while as many requests as allowed are on their way.</summary>
    public TimeSpan Linger { get; init; }

    /// <summary>How batches are compressed.</summary>
    public CompressionType Compression { get; init; }

    /// <summary>The codec's own level; null: its default.</summary>
    public int? CompressionLevel { get; init; }

    /// <summary>Requests on their way to one broker at once, 1 to 5.</summary>
    public int MaxInFlight { get; init; } = MaxInFlightMost;

    /// <summary>Whether a repetition can never make a second record, nor change the order. Needs acks of all.</summary>
    public bool EnableIdempotence { get; init; } = true;

    /// <summary>A name that is this producer's alone, over restarts; null: no transactions.</summary>
    public string? TransactionalId { get; init; }

    /// <summary>A transaction that is open for longer is rolled back by the broker.</summary>
    public TimeSpan TransactionTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a record may take from being accepted to being acknowledged, repetitions included.</summary>
    public TimeSpan DeliveryTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Most bytes of batches that are not acknowledged; who sends more waits.</summary>
    public long BufferBytes { get; init; } = 32 << 20;

    /// <summary>The largest request, and so the largest record, in bytes.</summary>
    public int RequestBytesMax { get; init; } = 1 << 20;

    /// <summary>Whether a topic that does not exist may be made by asking for it, if the broker allows that.</summary>
    public bool CreateTopics { get; init; } = true;

    /// <summary>Chooses partitions; null: <see cref="DefaultPartitioner"/>. One object for one producer.</summary>
    public Partitioner? Partitioner { get; init; }

    internal bool IsTransactional => TransactionalId is not null;

    internal override void Validate()
    {
        base.Validate();
        Require(BatchBytes is >= 256 and <= 64 << 20, $"{nameof(BatchBytes)} is 256 to 67108864");
        Require(RequestBytesMax is >= 1024 and <= 1 << 29, $"{nameof(RequestBytesMax)} is 1024 to 536870912");
        Require(BufferBytes >= BatchBytes && BufferBytes >= RequestBytesMax, $"{nameof(BufferBytes)} must hold at least one batch and one request");
        Require(MaxInFlight is >= 1 and <= MaxInFlightMost, $"{nameof(MaxInFlight)} is 1 to {MaxInFlightMost}");
        Require(Linger >= TimeSpan.Zero, $"{nameof(Linger)} is not negative");
        Require(DeliveryTimeout >= Linger + RequestTimeout, $"{nameof(DeliveryTimeout)} must not be below {nameof(Linger)} and {nameof(RequestTimeout)} together");
        Require(!EnableIdempotence || Acks == Acks.All, $"{nameof(EnableIdempotence)} needs {nameof(Acks)} of all: switch it off for other acks");
        Require(!IsTransactional || EnableIdempotence, $"{nameof(TransactionalId)} needs {nameof(EnableIdempotence)}");
        Require(Compressor.IsAvailable(Compression), $"{nameof(Compression)} {Compression} needs a library that is not installed");
    }
}
