namespace Sluice.Protocols.Kafka.Groups.Configs;

/// <summary>What the configuration of a group comes to, whichever kind of group it is.</summary>
internal sealed record GroupSettings(ConsumerSettings Consumers, ShareSettings Shares);
