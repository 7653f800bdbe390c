using Microsoft.Extensions.Logging;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Coordination;

/// <summary>Records of an internal topic that no coordinator can have written: they are passed over, so that one of them does not take all others with it, and one warning tells of them.</summary>
internal sealed class UnreadableRecords(TopicPartition partition, ILogger logger)
{
    private int _count;
    private KafkaParseException? _first;

    /// <summary>Reads a record and does what it says, unless it is malformed.</summary>
    public void Try(Action read)
    {
        try
        {
            read();
        }
        catch (KafkaParseException error)
        {
            _count++;
            _first ??= error;
        }
    }

    /// <summary>All is read.</summary>
    public void Report()
    {
        if (_first is not null)
        {
            logger.LogWarning(_first, "Partition {Partition} of topic {Topic}: {Count} records are malformed and were passed over", partition.Index, partition.Topic.Name, _count);
        }
    }
}
