using Sluice.Broker.Topics;

namespace Sluice.Protocols.Kafka.Coordination;

/// <summary>The part of a coordinator's state that one partition of its internal topic keeps.</summary>
internal interface ICoordinatorShard : IDisposable
{
    TopicPartition Partition { get; }

    /// <summary>Reads what the partition has, and returns how many records that was. Blocks on the disk. Throws nothing: what cannot be read is not served.</summary>
    int Load();
}
