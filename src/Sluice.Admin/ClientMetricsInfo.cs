namespace Sluice.Admin;

/// <summary>What a Kafka client tells of itself, of the moment.</summary>
public sealed record ClientMetricsInfo
{
    /// <summary>Given by the broker; unique.</summary>
    public required string InstanceId { get; init; }

    /// <summary>Null if it has none.</summary>
    public string? ClientId { get; init; }

    public required string SoftwareName { get; init; }

    public required string SoftwareVersion { get; init; }

    public required string PeerHost { get; init; }

    public required int PeerPort { get; init; }

    /// <summary>How often it is to push.</summary>
    public required int PushIntervalMs { get; init; }

    /// <summary>Prefixes of the metrics that it is asked for; "*": all.</summary>
    public required IReadOnlyList<string> Requested { get; init; }

    /// <summary>When its values came; null: never.</summary>
    public DateTimeOffset? ReceivedAt { get; init; }

    /// <summary>It has said that it ends.</summary>
    public bool IsTerminating { get; init; }

    public required IReadOnlyList<ClientMetricInfo> Values { get; init; }

    /// <summary>Values of its last push that were not kept.</summary>
    public int LeftOff { get; init; }
}

/// <param name="Name">As in org.apache.kafka.producer.record.send.total.</param>
/// <param name="Attributes">What tells it from others of the name.</param>
/// <param name="IsTotal">Summed up since the client's start; otherwise of the moment.</param>
/// <param name="Value">NaN when the client has none.</param>
public sealed record ClientMetricInfo(string Name, IReadOnlyList<KeyValuePair<string, string>> Attributes, bool IsTotal, double Value);
