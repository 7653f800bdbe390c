namespace Sluice.Protocols.Kafka.Shares;

/// <summary>Settings of share groups (KIP-932).</summary>
public sealed record ShareOptions
{
    /// <summary>Partitions of the internal topic that keeps where share groups are, when it is made; later ones are as many as it has.</summary>
    public int StateTopicPartitions { get; init; } = 50;

    /// <summary>Members that may fetch at a time, of all share groups.</summary>
    public int SessionsMax { get; init; } = 2000;
}
