using System.Text.Json.Serialization;

namespace Sluice.LoadGenerator.Kafka;

/// <summary>What a load run against a Kafka broker measured, from the first record to the last answer.</summary>
public sealed record KafkaLoadResult
{
    public required double Seconds { get; init; }

    public required long Produced { get; init; }

    public required double ProducedPerSecond { get; init; }

    /// <summary>Of values, in units of 2^20 bytes.</summary>
    public required double ProducedMegabytesPerSecond { get; init; }

    public required long Consumed { get; init; }

    public required double ConsumedPerSecond { get; init; }

    public required double ConsumedMegabytesPerSecond { get; init; }

    /// <summary>From handing over to acknowledgement (with a rate: from when it was due); null without producers.</summary>
    public LatencySummary? ProduceLatency { get; init; }

    /// <summary>From handing over to being consumed; null unless both are measured.</summary>
    public LatencySummary? EndToEndLatency { get; init; }

    /// <summary>This process's CPU time per record (produced and consumed), in µs.</summary>
    public required double ClientCpuUsPerRecord { get; init; }

    /// <summary>The broker's CPU time per record, in µs; null when not measured.</summary>
    public double? BrokerCpuUsPerRecord { get; init; }

    /// <summary>The broker's resident memory at the end, in bytes.</summary>
    public long? BrokerResidentBytes { get; init; }

    /// <summary>Garbage collections of this process.</summary>
    public required int Collections { get; init; }

    /// <summary>Why the first record that was not acknowledged was not; null: all were.</summary>
    [JsonIgnore]
    public Exception? Failure { get; init; }

    /// <summary>What does not add up: records refused, lost, or more than sent. Empty when all is well.</summary>
    public required IReadOnlyList<string> Problems { get; init; }
}

/// <summary>How far a run has come.</summary>
/// <param name="Seconds">Since its start.</param>
/// <param name="Produced">Records acknowledged so far.</param>
/// <param name="Consumed">Records consumed so far.</param>
public sealed record KafkaLoadProgress(double Seconds, long Produced, long Consumed);
