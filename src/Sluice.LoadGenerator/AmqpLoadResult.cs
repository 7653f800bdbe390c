namespace Sluice.LoadGenerator;

/// <summary>What a load run measured. Rates and CPU are of the measured time only, totals of the whole run.</summary>
public sealed record AmqpLoadResult
{
    /// <summary>Length of the measured time, in seconds.</summary>
    public required double Seconds { get; init; }

    public required double PublishedPerSecond { get; init; }

    /// <summary>0 without publisher confirms.</summary>
    public required double ConfirmedPerSecond { get; init; }

    public required double ConsumedPerSecond { get; init; }

    public required long TotalPublished { get; init; }

    public required long TotalConfirmed { get; init; }

    /// <summary>Messages the server refused to keep (basic.nack).</summary>
    public required long TotalNacked { get; init; }

    public required long TotalConsumed { get; init; }

    /// <summary>Deliveries marked redelivered.</summary>
    public required long TotalRedelivered { get; init; }

    /// <summary>From send (with a rate: from when it was due) to receipt by the consumer; null when not measured.</summary>
    public LatencySummary? Latency { get; init; }

    /// <summary>From send to publisher confirm; null without confirms.</summary>
    public LatencySummary? ConfirmLatency { get; init; }

    /// <summary>This process's CPU time per message (published and consumed), in µs.</summary>
    public required double ClientCpuUsPerMessage { get; init; }

    /// <summary>The broker's CPU time per message, in µs; null when not measured.</summary>
    public double? BrokerCpuUsPerMessage { get; init; }

    /// <summary>The broker's CPU use as a share of one core over the measured time.</summary>
    public double? BrokerCpuShare { get; init; }

    /// <summary>The broker's resident memory at the end of the measured time, in bytes.</summary>
    public long? BrokerResidentBytes { get; init; }

    /// <summary>Times the server held a publisher back (connection.blocked).</summary>
    public required int BlockedCount { get; init; }

    /// <summary>What does not add up: lost or surplus messages, refused ones. Empty when all is well.</summary>
    public required IReadOnlyList<string> Problems { get; init; }
}
