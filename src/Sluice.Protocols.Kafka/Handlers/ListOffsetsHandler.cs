using Sluice.Base.Scheduling;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>ListOffsets and OffsetForLeaderEpoch: where things are in a partition.</summary>
internal sealed class ListOffsetsHandler(KafkaServer server)
{
    private const long Latest = -1, Earliest = -2, MaxTimestamp = -3, EarliestLocal = -4, LatestTiered = -5, EarliestPendingUpload = -6;
    private const sbyte ReadCommitted = 1;

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, ListOffsetsRequest body)
    {
        var asked = new HashSet<(string, int)>();
        HashSet<(string, int)> repeated = [.. body.Topics.SelectMany(static topic => topic.Partitions.Select(partition => (topic.Name, partition.PartitionIndex))).Where(name => !asked.Add(name))];

        // By time it is found in the files.
        bool blocks = body.Topics.Any(static topic => topic.Partitions.Any(static partition => partition.Timestamp is >= 0 or MaxTimestamp));
        if (blocks)
        {
            await server.Scheduler.SwitchAsync().ConfigureAwait(false);
        }

        return new ListOffsetsResponse
        {
            Topics = [.. body.Topics.Select(topic => new ListOffsetsResponse.ListOffsetsTopicResponse
            {
                Name = topic.Name,
                Partitions = [.. topic.Partitions.Select(partition => repeated.Contains((topic.Name, partition.PartitionIndex))
                    ? new ListOffsetsResponse.ListOffsetsPartitionResponse { PartitionIndex = partition.PartitionIndex, ErrorCode = KafkaErrorCode.InvalidRequest }
                    : Find(request, topic.Name, partition, body.IsolationLevel))],
            })],
        };
    }

    public OffsetForLeaderEpochResponse Handle(KafkaRequest request, OffsetForLeaderEpochRequest body) => new()
    {
        Topics = [.. body.Topics.Select(topic => new OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult
        {
            Topic = topic.Topic,
            Partitions = [.. topic.Partitions.Select(partition => Find(request, topic.Topic, partition))],
        })],
    };

    /// <summary>The first version in which a timestamp has its meaning.</summary>
    private static short FirstVersion(long timestamp) => timestamp switch
    {
        >= 0 or Latest or Earliest => 0,
        MaxTimestamp => 7,
        EarliestLocal => 8,
        LatestTiered => 9,
        EarliestPendingUpload => 11,
        _ => short.MaxValue,
    };

    private static KafkaErrorCode CheckEpoch(int current) => current switch
    {
        > KafkaServer.LeaderEpoch => KafkaErrorCode.UnknownLeaderEpoch,
        _ => KafkaErrorCode.None,
    };

    private ListOffsetsResponse.ListOffsetsPartitionResponse Find(KafkaRequest request, string topic, ListOffsetsRequest.ListOffsetsPartition wanted, sbyte isolation)
    {
        var found = new ListOffsetsResponse.ListOffsetsPartitionResponse { PartitionIndex = wanted.PartitionIndex };
        if (!request.AllowsTopic(AclOperation.Describe, topic))
        {
            found.ErrorCode = KafkaErrorCode.TopicAuthorizationFailed;
            return found;
        }

        if (server.Host?.FindTopic(topic)?.FindPartition(wanted.PartitionIndex) is not { } partition)
        {
            found.ErrorCode = KafkaErrorCode.UnknownTopicOrPartition;
            return found;
        }

        found.ErrorCode = request.Version < FirstVersion(wanted.Timestamp) ? KafkaErrorCode.UnsupportedVersion : CheckEpoch(wanted.CurrentLeaderEpoch);
        if (found.ErrorCode != KafkaErrorCode.None)
        {
            return found;
        }

        LogEnd readable = partition.FindReadableEnd(out _);
        long end = isolation == ReadCommitted ? readable.Stable : readable.Offset;
        found.LeaderEpoch = request.Version >= 4 ? KafkaServer.LeaderEpoch : -1;
        switch (wanted.Timestamp)
        {
            case Latest:
                found.Offset = end;
                break;
            case Earliest or EarliestLocal:
                found.Offset = partition.StartOffset;
                break;
            case LatestTiered or EarliestPendingUpload:
                // Nothing is kept elsewhere.
                found.Offset = -1;
                found.LeaderEpoch = -1;
                break;
            default:
                FindTime(partition, wanted.Timestamp, end, found);
                break;
        }

        return found;
    }

    private static void FindTime(TopicPartition partition, long timestamp, long end, ListOffsetsResponse.ListOffsetsPartitionResponse found)
    {
        try
        {
            TimedOffset? at = partition.FindTime(timestamp == MaxTimestamp ? partition.MaxTimestamp : timestamp);
            if (at is { } record && record.Offset < end)
            {
                found.Offset = record.Offset;
                found.Timestamp = record.TimestampMs;
            }
            else
            {
                found.LeaderEpoch = -1;
            }
        }
        catch (LogFailedException)
        {
            found.ErrorCode = KafkaErrorCode.KafkaStorageError;
        }
    }

    private OffsetForLeaderEpochResponse.EpochEndOffset Find(KafkaRequest request, string topic, OffsetForLeaderEpochRequest.OffsetForLeaderPartition wanted)
    {
        var found = new OffsetForLeaderEpochResponse.EpochEndOffset { Partition = wanted.Partition };
        if (!request.AllowsTopic(AclOperation.Describe, topic))
        {
            found.ErrorCode = KafkaErrorCode.TopicAuthorizationFailed;
        }
        else if (server.Host?.FindTopic(topic)?.FindPartition(wanted.Partition) is not { } partition)
        {
            found.ErrorCode = KafkaErrorCode.UnknownTopicOrPartition;
        }
        else if (CheckEpoch(wanted.CurrentLeaderEpoch) is var error && error != KafkaErrorCode.None)
        {
            found.ErrorCode = error;
        }
        else if (wanted.LeaderEpoch == KafkaServer.LeaderEpoch)
        {
            (found.LeaderEpoch, found.EndOffset) = (KafkaServer.LeaderEpoch, partition.EndOffset);
        }

        return found;
    }
}
