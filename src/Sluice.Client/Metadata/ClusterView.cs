using Sluice.Client.Connections;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Metadata;

/// <summary>What was last known of the brokers and topics. Immutable.</summary>
internal sealed record ClusterView(IReadOnlyDictionary<int, BrokerAddress> Brokers, IReadOnlyDictionary<string, TopicView> Topics)
{
    public static readonly ClusterView Empty = new(new Dictionary<int, BrokerAddress>(), new Dictionary<string, TopicView>());

    /// <summary>The partition's leader; null if it or the partition is not known.</summary>
    public PartitionView? Find(TopicPartition partition) =>
        Topics.TryGetValue(partition.Topic, out TopicView? topic) && (uint)partition.Partition < (uint)topic.Partitions.Length ? topic.Partitions[partition.Partition] : null;
}

/// <summary>A topic as metadata has it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Id">Its id; empty from brokers that have none.</param>
/// <param name="Error">Why the partitions are not known.</param>
/// <param name="Partitions">By their number.</param>
internal sealed record TopicView(string Name, Guid Id, KafkaErrorCode Error, PartitionView[] Partitions);

/// <summary>Who leads a partition: -1 while nobody does.</summary>
internal readonly record struct PartitionView(int Leader, int LeaderEpoch);
