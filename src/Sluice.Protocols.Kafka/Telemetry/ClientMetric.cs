namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>The newest value of one metric of a client.</summary>
/// <param name="Name">As in org.apache.kafka.producer.record.send.total.</param>
/// <param name="Attributes">What tells it from others of the name: those of the client (group_id…), then its own (topic, node…).</param>
/// <param name="IsTotal">It has been summed up since the client's start; otherwise it is of the moment.</param>
/// <param name="Value">NaN when the client has none.</param>
public sealed record ClientMetric(string Name, IReadOnlyList<KeyValuePair<string, string>> Attributes, bool IsTotal, double Value)
{
    // The objects and references of a value, roughly.
    private const int FixedBytes = 160, BytesPerAttribute = 80;

    /// <summary>It has been summed up since the last push only.</summary>
    internal bool IsDelta { get; init; }

    /// <summary>The memory that it takes, about.</summary>
    internal long Bytes => FixedBytes + (2L * Name.Length) + Attributes.Sum(static attribute => BytesPerAttribute + (2L * (attribute.Key.Length + attribute.Value.Length)));

    /// <summary>The same in two pushes for the same metric.</summary>
    internal string Key => string.Join('\0', Attributes.Select(static attribute => $"{attribute.Key}\0{attribute.Value}").Prepend(Name));
}

/// <summary>What is known of a client instance, of the moment.</summary>
public sealed record ClientMetrics
{
    /// <summary>The id that the broker gave it, as Kafka writes ids.</summary>
    public required string InstanceId { get; init; }

    /// <summary>Null if it has none.</summary>
    public string? ClientId { get; init; }

    public required string SoftwareName { get; init; }

    public required string SoftwareVersion { get; init; }

    public required string Address { get; init; }

    public required int Port { get; init; }

    /// <summary>How often it is to push.</summary>
    public required int IntervalMs { get; init; }

    /// <summary>Prefixes of the metrics that it is asked for; "*": all.</summary>
    public required IReadOnlyList<string> Requested { get; init; }

    /// <summary>When its values came; null: it has sent none.</summary>
    public DateTimeOffset? ReceivedAt { get; init; }

    /// <summary>It has said that it ends.</summary>
    public bool IsTerminating { get; init; }

    public required IReadOnlyList<ClientMetric> Values { get; init; }

    /// <summary>Values of its last push that were not kept.</summary>
    public int LeftOff { get; init; }
}
