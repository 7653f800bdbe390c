namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>How much clients may tell of themselves (KIP-714).</summary>
public sealed record TelemetryOptions
{
    /// <summary>Largest push, in bytes, as it comes and decompressed (Kafka's telemetry.max.bytes).</summary>
    public int PushBytesMax { get; init; } = 1 << 20;

    /// <summary>Client instances remembered; beyond, the one that was not heard of for longest is forgotten.</summary>
    public int InstancesMax { get; init; } = 16_384;

    /// <summary>Values kept of a client instance; what a push has beyond is left off.</summary>
    public int ValuesMax { get; init; } = 2000;

    /// <summary>Memory for the values of all, in bytes; beyond, those of the instances not heard of for longest are dropped.</summary>
    public long KeptBytesMax { get; init; } = 64 << 20;
}
