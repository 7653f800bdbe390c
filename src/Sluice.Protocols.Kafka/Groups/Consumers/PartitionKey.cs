namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>A partition by its topic's id and its index.</summary>
internal readonly record struct PartitionKey(Guid Topic, int Index);
