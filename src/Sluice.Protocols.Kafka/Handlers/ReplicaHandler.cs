using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>ElectLeaders, AlterPartitionReassignments, ListPartitionReassignments: what there is to say of one node, which leads and has every partition.</summary>
internal sealed class ReplicaHandler(KafkaServer server)
{
    public ElectLeadersResponse Handle(KafkaRequest request, ElectLeadersRequest body)
    {
        if (!request.AllowsCluster(AclOperation.Alter))
        {
            return new ElectLeadersResponse { ErrorCode = KafkaErrorCode.ClusterAuthorizationFailed };
        }

        // Of all partitions those are told that needed an election: none does.
        return new ElectLeadersResponse
        {
            ReplicaElectionResults = [.. (body.TopicPartitions ?? []).Select(topic => new ElectLeadersResponse.ReplicaElectionResult
            {
                Topic = topic.Topic,
                PartitionResult = [.. topic.Partitions.Select(partition => Find(topic.Topic, partition) is null
                    ? new ElectLeadersResponse.PartitionResultData { PartitionId = partition, ErrorCode = KafkaErrorCode.UnknownTopicOrPartition, ErrorMessage = "The partition does not exist." }
                    : new ElectLeadersResponse.PartitionResultData { PartitionId = partition, ErrorCode = KafkaErrorCode.ElectionNotNeeded, ErrorMessage = "Leader election not needed for topic partition." })],
            })],
        };
    }

    public AlterPartitionReassignmentsResponse Handle(KafkaRequest request, AlterPartitionReassignmentsRequest body)
    {
        if (!request.AllowsCluster(AclOperation.Alter))
        {
            return new AlterPartitionReassignmentsResponse { ErrorCode = KafkaErrorCode.ClusterAuthorizationFailed, ErrorMessage = null };
        }

        return new AlterPartitionReassignmentsResponse
        {
            ErrorMessage = null,
            AllowReplicationFactorChange = body.AllowReplicationFactorChange,
            Responses = [.. body.Topics.Select(topic => new AlterPartitionReassignmentsResponse.ReassignableTopicResponse
            {
                Name = topic.Name,
                Partitions = [.. topic.Partitions.Select(partition => Reassign(topic.Name, partition))],
            })],
        };
    }

    /// <summary>There is one directory: what is asked to go there is there.</summary>
    public AlterReplicaLogDirsResponse Handle(KafkaRequest request, AlterReplicaLogDirsRequest body)
    {
        bool isAllowed = request.AllowsCluster(AclOperation.Alter);
        return new AlterReplicaLogDirsResponse
        {
            Results = [.. body.Dirs.SelectMany(static dir => dir.Topics.Select(topic => (dir.Path, topic.Name, topic.Partitions))).GroupBy(static moved => moved.Name, StringComparer.Ordinal)
                .Select(topic => new AlterReplicaLogDirsResponse.AlterReplicaLogDirTopicResult
                {
                    TopicName = topic.Key,
                    Partitions = [.. topic.SelectMany(moved => moved.Partitions.Select(partition => new AlterReplicaLogDirsResponse.AlterReplicaLogDirPartitionResult
                    {
                        PartitionIndex = partition,
                        ErrorCode = !isAllowed ? KafkaErrorCode.ClusterAuthorizationFailed
                            : moved.Path != PartitionsHandler.LogDirectory ? KafkaErrorCode.LogDirNotFound
                            : Find(topic.Key, partition) is null ? KafkaErrorCode.UnknownTopicOrPartition
                            : KafkaErrorCode.None,
                    }))],
                })],
        };
    }

    public static ListPartitionReassignmentsResponse Handle(KafkaRequest request) => new()
    {
        ErrorCode = request.AllowsCluster(AclOperation.Describe) ? KafkaErrorCode.None : KafkaErrorCode.ClusterAuthorizationFailed,
        ErrorMessage = null,
        Topics = [],
    };

    private AlterPartitionReassignmentsResponse.ReassignablePartitionResponse Reassign(string topic, AlterPartitionReassignmentsRequest.ReassignablePartition wanted)
    {
        (KafkaErrorCode error, string? message) = Find(topic, wanted.PartitionIndex) is null ? (KafkaErrorCode.UnknownTopicOrPartition, "The partition does not exist.")
            : wanted.Replicas is not { } replicas ? (KafkaErrorCode.NoReassignmentInProgress, null)
            : replicas.Length == 0 ? (KafkaErrorCode.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
            : replicas.FirstOrDefault(id => id != server.Options.NodeId, server.Options.NodeId) is var other && other != server.Options.NodeId ? (KafkaErrorCode.InvalidReplicaAssignment, $"The manual partition assignment includes broker {other}, but no such broker is registered.")
            : replicas.Length > 1 ? (KafkaErrorCode.InvalidReplicaAssignment, $"The manual partition assignment includes the broker {server.Options.NodeId} more than once.")
            : (KafkaErrorCode.None, (string?)null);
        return new AlterPartitionReassignmentsResponse.ReassignablePartitionResponse { PartitionIndex = wanted.PartitionIndex, ErrorCode = error, ErrorMessage = message };
    }

    private TopicPartition? Find(string topic, int partition) => server.Host?.FindTopic(topic)?.FindPartition(partition);
}
