namespace Sluice.Protocols.Amqp091;

/// <summary>Settings of the AMQP 0-9-1 server.</summary>
public sealed record Amqp091Options
{
    /// <summary>Most channels per connection offered to clients, 1 to 65535.</summary>
    public ushort ChannelMax { get; init; } = 2047;

    /// <summary>Largest frame offered to clients, in bytes, <see cref="Amqp091Limits.FrameMin"/> to 16 MB.</summary>
    public int FrameMax { get; init; } = 131_072;

    /// <summary>Heartbeat interval suggested to clients, in seconds; 0: none. The client decides.</summary>
    public ushort HeartbeatSeconds { get; init; } = 60;

    /// <summary>Most consumers per channel.</summary>
    public int ConsumersPerChannelMax { get; init; } = 10_000;

    /// <summary>What clients are told as the cluster's name.</summary>
    public string ClusterName { get; init; } = "sluice";

    /// <summary>What clients are told as the broker's version.</summary>
    public string Version { get; init; } = typeof(Amqp091Options).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";
}
