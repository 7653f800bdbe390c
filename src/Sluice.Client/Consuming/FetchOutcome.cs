using Sluice.Client.Connections;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Consuming;

/// <summary>A fetch that was sent, and what became of it.</summary>
internal sealed class FetchOutcome(int nodeId)
{
    public int NodeId => nodeId;

    /// <summary>What was asked for, with the generation at that time.</summary>
    public Dictionary<TopicPartition, (PartitionState State, int Generation, long Offset)> Asked { get; } = [];

    public Answer<FetchResponse>? Answer { get; set; }

    public KafkaClientException? Error { get; set; }
}
