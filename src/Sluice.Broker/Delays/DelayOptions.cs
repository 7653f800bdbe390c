using Sluice.Storage;

namespace Sluice.Broker.Delays;

/// <summary>Settings of a <see cref="DelayStore"/>.</summary>
public sealed record DelayOptions
{
    /// <summary>What a persistent message is promised.</summary>
    public Durability Promise { get; init; } = Durability.Disk;

    /// <summary>Most messages of the seconds under way that are kept in order in memory, 16 bytes each.</summary>
    public int IndexMax { get; init; } = 1 << 20;
}
