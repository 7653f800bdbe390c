using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>DescribeTopicPartitions, DescribeLogDirs, DeleteRecords: what operators ask about partitions and do with them.</summary>
internal sealed class PartitionsHandler(KafkaServer server)
{
    /// <summary>What the one directory with logs is called.</summary>
    public const string LogDirectory = "data";

    private const int DescribedMax = 2000;
    private const long ToHighWatermark = -1;

    public DescribeTopicPartitionsResponse Handle(KafkaRequest request, DescribeTopicPartitionsRequest body)
    {
        string from = body.Cursor?.TopicName ?? "";
        if (body.Cursor is { } cursor && (cursor.PartitionIndex < 0 || (body.Topics.Length > 0 && body.Topics.All(topic => topic.Name != cursor.TopicName))))
        {
            return new DescribeTopicPartitionsResponse
            {
                Topics = [.. body.Topics.Select(static topic => new DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic { Name = topic.Name, ErrorCode = KafkaErrorCode.InvalidRequest })],
            };
        }

        IEnumerable<string> names = body.Topics.Length > 0
            ? body.Topics.Select(static topic => topic.Name).Distinct(StringComparer.Ordinal)
            : server.Host?.ListTopics(withQueues: true).Select(static topic => topic.Name).Where(request.SeesTopic) ?? [];
        int left = Math.Clamp(body.ResponsePartitionLimit, 1, DescribedMax);
        var topics = new List<DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic>();
        DescribeTopicPartitionsResponse.Cursor? next = null;
        foreach (string name in names.Order(StringComparer.Ordinal).Where(name => string.CompareOrdinal(name, from) >= 0))
        {
            if (left <= 0)
            {
                next = new DescribeTopicPartitionsResponse.Cursor { TopicName = name, PartitionIndex = 0 };
                break;
            }

            int first = name == from ? Math.Max(0, body.Cursor!.PartitionIndex) : 0;
            topics.Add(Describe(request, name, first, left, out int described, out bool isMore));
            left -= described;
            if (isMore)
            {
                next = new DescribeTopicPartitionsResponse.Cursor { TopicName = name, PartitionIndex = first + described };
                break;
            }
        }

        return new DescribeTopicPartitionsResponse { Topics = [.. topics], NextCursor = next };
    }

    public DescribeLogDirsResponse Handle(KafkaRequest request, DescribeLogDirsRequest body)
    {
        if (!request.AllowsCluster(AclOperation.Describe))
        {
            return new DescribeLogDirsResponse { ErrorCode = request.Version >= 3 ? KafkaErrorCode.ClusterAuthorizationFailed : KafkaErrorCode.None };
        }

        IEnumerable<(Topic Topic, IEnumerable<int> Partitions)> wanted = body.Topics is null
            ? server.Host?.ListTopics().Select(static topic => (topic, Enumerable.Range(0, topic.Partitions.Count))) ?? []
            : body.Topics.Select(asked => (server.Host?.FindTopic(asked.Topic), asked.Partitions.AsEnumerable())).Where(static found => found.Item1 is not null).Select(static found => (found.Item1!, found.Item2));
        return new DescribeLogDirsResponse
        {
            Results =
            [
                new DescribeLogDirsResponse.DescribeLogDirsResult
                {
                    LogDir = LogDirectory,
                    UsableBytes = server.Broker.Store.FreeDiskBytes,
                    Topics = [.. wanted.Select(static topic => new DescribeLogDirsResponse.DescribeLogDirsTopic
                    {
                        Name = topic.Topic.Name,
                        Partitions = [.. topic.Partitions.Select(topic.Topic.FindPartition).OfType<TopicPartition>().Select(static partition => new DescribeLogDirsResponse.DescribeLogDirsPartition
                        {
                            PartitionIndex = partition.Index,
                            PartitionSize = partition.Bytes,
                        })],
                    })],
                },
            ],
        };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, DeleteRecordsRequest body)
    {
        JournalPosition last = JournalPosition.None;
        var topics = new List<DeleteRecordsResponse.DeleteRecordsTopicResult>();
        foreach (DeleteRecordsRequest.DeleteRecordsTopic topic in body.Topics)
        {
            var partitions = new List<DeleteRecordsResponse.DeleteRecordsPartitionResult>();
            foreach (DeleteRecordsRequest.DeleteRecordsPartition wanted in topic.Partitions)
            {
                partitions.Add(Delete(request, topic.Name, wanted, ref last));
            }

            topics.Add(new DeleteRecordsResponse.DeleteRecordsTopicResult { Name = topic.Name, Partitions = [.. partitions] });
        }

        await server.Broker.Store.WhenKeptAsync(last, server.Broker.Options.DurablePromise).ConfigureAwait(false);
        return new DeleteRecordsResponse { Topics = [.. topics] };
    }

    private DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic Describe(KafkaRequest request, string name, int first, int max, out int described, out bool isMore)
    {
        described = 0;
        isMore = false;
        var result = new DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic { Name = name };
        if (!request.AllowsTopic(AclOperation.Describe, name))
        {
            result.ErrorCode = KafkaErrorCode.TopicAuthorizationFailed;
            return result;
        }

        if (server.Host?.FindTopic(name) is not { } topic)
        {
            result.ErrorCode = TopicDefinition.NameProblem(name) is null ? KafkaErrorCode.UnknownTopicOrPartition : KafkaErrorCode.InvalidTopicException;
            return result;
        }

        int[] replicas = [server.Options.NodeId];
        result.TopicId = topic.Id;
        result.IsInternal = topic.Definition.IsInternal;
        result.TopicAuthorizedOperations = request.TopicOperations(name);
        result.Partitions = [.. topic.Partitions.Skip(first).Take(max).Select(partition => new DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponsePartition
        {
            PartitionIndex = partition.Index,
            LeaderId = server.Options.NodeId,
            LeaderEpoch = KafkaServer.LeaderEpoch,
            ReplicaNodes = replicas,
            IsrNodes = replicas,
            EligibleLeaderReplicas = [],
            LastKnownElr = [],
        })];
        described = result.Partitions.Length;
        isMore = first + described < topic.Partitions.Count;
        return result;
    }

    private DeleteRecordsResponse.DeleteRecordsPartitionResult Delete(KafkaRequest request, string topic, DeleteRecordsRequest.DeleteRecordsPartition wanted, ref JournalPosition last)
    {
        var result = new DeleteRecordsResponse.DeleteRecordsPartitionResult { PartitionIndex = wanted.PartitionIndex, LowWatermark = -1 };
        if (!request.AllowsTopic(AclOperation.Delete, topic))
        {
            result.ErrorCode = KafkaErrorCode.TopicAuthorizationFailed;
        }
        else if (server.Host?.FindTopic(topic) is not { } found || found.FindPartition(wanted.PartitionIndex) is not { } partition)
        {
            result.ErrorCode = KafkaErrorCode.UnknownTopicOrPartition;
        }
        else if (found.Definition.IsInternal)
        {
            result.ErrorCode = KafkaErrorCode.InvalidTopicException;
        }
        else if (partition.IsQueue)
        {
            // What is in a queue goes by being consumed; purging it is done by AMQP.
            result.ErrorCode = KafkaErrorCode.PolicyViolation;
        }
        else
        {
            long before = wanted.Offset == ToHighWatermark ? partition.EndOffset : wanted.Offset;
            if (before < 0 || before > partition.EndOffset)
            {
                result.ErrorCode = KafkaErrorCode.OffsetOutOfRange;
                return result;
            }

            JournalPosition position = partition.DeleteBefore(before);
            last = position > last ? position : last;
            result.LowWatermark = partition.StartOffset;
        }

        return result;
    }
}
