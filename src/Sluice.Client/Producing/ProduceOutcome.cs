using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Producing;

/// <summary>The batches of one request, and what became of it.</summary>
internal sealed class ProduceOutcome(int nodeId)
{
    private int _topic;
    private int _partition;

    public int NodeId => nodeId;

    public List<ProducerBatch> Batches { get; } = [];

    public ProduceResponse? Response { get; set; }

    public KafkaClientException? Error { get; set; }

    /// <summary>The batches as a request has them. Brings those of a topic together.</summary>
    public ProduceRequest.TopicProduceData[] ToTopics()
    {
        if (Batches.Count > 1)
        {
            Batches.Sort(static (left, right) => string.CompareOrdinal(left.Queue.Partition.Topic, right.Queue.Partition.Topic));
        }

        var topics = new List<ProduceRequest.TopicProduceData>(1);
        for (int first = 0; first < Batches.Count;)
        {
            string name = Batches[first].Queue.Partition.Topic;
            int end = first;
            while (end < Batches.Count && Batches[end].Queue.Partition.Topic == name)
            {
                end++;
            }

            var partitions = new ProduceRequest.PartitionProduceData[end - first];
            for (int i = first; i < end; i++)
            {
                partitions[i - first] = new ProduceRequest.PartitionProduceData { Index = Batches[i].Queue.Partition.Partition, Records = Batches[i].Sealed };
            }

            topics.Add(new ProduceRequest.TopicProduceData { Name = name, PartitionData = partitions });
            first = end;
        }

        return [.. topics];
    }

    /// <summary>The answer for a partition; null if there is none. Answers come in the order of the request, as a rule, so that the search goes on where it ended.</summary>
    public ProduceResponse.PartitionProduceResponse? Find(TopicPartition partition)
    {
        ProduceResponse.TopicProduceResponse[] topics = Response!.Responses;
        for (int i = 0; i < topics.Length; i++)
        {
            int topic = (_topic + i) % topics.Length;
            if (topics[topic].Name != partition.Topic)
            {
                continue;
            }

            if (topic != _topic)
            {
                _topic = topic;
                _partition = 0;
            }

            ProduceResponse.PartitionProduceResponse[] partitions = topics[topic].PartitionResponses;
            for (int j = 0; j < partitions.Length; j++)
            {
                int at = (_partition + j) % partitions.Length;
                if (partitions[at].Index == partition.Partition)
                {
                    _partition = at + 1 == partitions.Length ? 0 : at + 1;
                    return partitions[at];
                }
            }
        }

        return null;
    }
}
