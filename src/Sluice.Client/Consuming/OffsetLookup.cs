using Sluice.Client.Connections;
using Sluice.Client.Metadata;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Consuming;

/// <summary>Asks the leaders for offsets by time (ListOffsets).</summary>
internal sealed class OffsetLookup(ConsumerOptions options, NodePool nodes, ClusterMetadata metadata)
{
    /// <summary>The offset of the first record at or after each time; -1 if there is none. Tries for at most <see cref="KafkaClientOptions.MaxBlock"/>.</summary>
    /// <param name="times">Unix times in milliseconds, or <see cref="PartitionState.EarliestTime"/> or <see cref="PartitionState.LatestTime"/>.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="KafkaClientException">A partition does not exist, or has no leader for so long.</exception>
    public async Task<Dictionary<TopicPartition, long>> FindAsync(IReadOnlyDictionary<TopicPartition, long> times, CancellationToken cancel)
    {
        var found = new Dictionary<TopicPartition, long>();
        long begin = options.Time.GetTimestamp();
        KafkaClientException? last = null;
        for (int failures = 0; found.Count < times.Count;)
        {
            last = null;
            foreach (IGrouping<int, TopicPartition> node in times.Keys.Where(partition => !found.ContainsKey(partition)).ToLookup(Leader))
            {
                last = node.Key < 0
                    ? new KafkaClientException(KafkaErrorCode.LeaderNotAvailable, $"Nobody leads {node.First()}.")
                    : await AskAsync(node.Key, [.. node], times, found, cancel).ConfigureAwait(false) ?? last;
            }

            if (found.Count == times.Count)
            {
                break;
            }

            if (last is not null && !last.IsRetriable)
            {
                throw last;
            }

            TimeSpan left = options.MaxBlock - options.Time.GetElapsedTime(begin);
            if (left <= TimeSpan.Zero)
            {
                throw new KafkaClientException(last?.ErrorCode ?? KafkaErrorCode.RequestTimedOut, $"Offsets could not be looked up in {options.MaxBlock.TotalSeconds:0.###} s: {last?.Message}", last);
            }

            failures++;
            metadata.Invalidate();
            await metadata.RefreshOnceAsync(left, cancel).ConfigureAwait(false);
            if (failures > 1)
            {
                await Task.Delay(options.Backoff(failures - 1), options.Time, cancel).ConfigureAwait(false);
            }
        }

        return found;
    }

    private int Leader(TopicPartition partition)
    {
        metadata.Track(partition.Topic);
        return metadata.View.Find(partition)?.Leader ?? -1;
    }

    /// <summary>Returns what went wrong with any of them.</summary>
    private async Task<KafkaClientException?> AskAsync(int nodeId, TopicPartition[] partitions, IReadOnlyDictionary<TopicPartition, long> times, Dictionary<TopicPartition, long> found, CancellationToken cancel)
    {
        ListOffsetsResponse response;
        try
        {
            KafkaConnection connection = await nodes.GetAsync(nodeId, ConnectionPurpose.Query, cancel).ConfigureAwait(false);
            var request = new ListOffsetsRequest
            {
                ReplicaId = -1,
                IsolationLevel = (sbyte)options.IsolationLevel,
                Topics =
                [
                    .. partitions.GroupBy(partition => partition.Topic).Select(topic => new ListOffsetsRequest.ListOffsetsTopic
                    {
                        Name = topic.Key,
                        Partitions = [.. topic.Select(partition => new ListOffsetsRequest.ListOffsetsPartition { PartitionIndex = partition.Partition, Timestamp = times[partition] })],
                    }),
                ],
            };
            response = await connection.AskAsync<ListOffsetsResponse>(ApiUse.ListOffsets, request, cancel: cancel).ConfigureAwait(false);
        }
        catch (KafkaClientException error) when (error.IsRetriable)
        {
            return error;
        }

        KafkaClientException? failure = null;
        foreach (ListOffsetsResponse.ListOffsetsTopicResponse topic in response.Topics)
        {
            foreach (ListOffsetsResponse.ListOffsetsPartitionResponse answer in topic.Partitions)
            {
                var partition = new TopicPartition(topic.Name, answer.PartitionIndex);
                if (answer.ErrorCode == KafkaErrorCode.None)
                {
                    found[partition] = answer.Offset;
                }
                else
                {
                    failure = KafkaClientException.Of(answer.ErrorCode, $"Looking up an offset of {partition}");
                }
            }
        }

        return failure;
    }
}
