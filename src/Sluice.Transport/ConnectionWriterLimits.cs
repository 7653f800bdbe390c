namespace Sluice.Transport;

/// <summary>When a connection's output counts as backed up. All in bytes appended and not yet taken by the socket.</summary>
public sealed record ConnectionWriterLimits
{
    public static ConnectionWriterLimits Default { get; } = new();

    /// <summary>At or above: stop delivering to this connection and reading from it.</summary>
    public long HighWaterBytes { get; init; } = 512 << 10;

    /// <summary>At or below, after having been above the high-water mark: <see cref="ConnectionWriter.Drained"/>.</summary>
    public long LowWaterBytes { get; init; } = 128 << 10;

    /// <summary>Above: the peer asks for more than it reads, and the connection is closed. Must leave room for the largest message.</summary>
    public long HardLimitBytes { get; init; } = 512 << 20;
}
