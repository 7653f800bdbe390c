using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>DescribeCluster, DescribeQuorum, FindCoordinator: one node is all there is.</summary>
internal sealed class ClusterHandler(KafkaServer server)
{
    private const string MetadataTopic = "__cluster_metadata";
    private const int GroupKey = 0, TransactionKey = 1, ShareKey = 2;

    public DescribeClusterResponse Handle(KafkaRequest request, DescribeClusterRequest body)
    {
        const sbyte Brokers = 1, Controllers = 2;
        if (request.Version >= 1 && body.EndpointType != Brokers)
        {
            return new DescribeClusterResponse
            {
                ErrorCode = body.EndpointType == Controllers ? KafkaErrorCode.MismatchedEndpointType : KafkaErrorCode.UnsupportedEndpointType,
                ErrorMessage = body.EndpointType == Controllers ? "The request was sent to a broker, but asks for controllers." : $"There is no endpoint type {body.EndpointType}.",
                EndpointType = Brokers,
            };
        }

        (string host, int port) = request.Connection.Advertised;
        return new DescribeClusterResponse
        {
            EndpointType = Brokers,
            ClusterId = server.ClusterId,
            ControllerId = server.Options.NodeId,
            Brokers = [new DescribeClusterResponse.DescribeClusterBroker { BrokerId = server.Options.NodeId, Host = host, Port = port }],
            ClusterAuthorizedOperations = body.IncludeClusterAuthorizedOperations ? request.ClusterOperations() : int.MinValue,
        };
    }

    /// <summary>The quorum (KIP-595) is this node; its log is the metadata store, and offsets in it are the store's revisions.</summary>
    public DescribeQuorumResponse Handle(KafkaRequest request, DescribeQuorumRequest body)
    {
        if (!request.AllowsCluster(AclOperation.Describe))
        {
            return new DescribeQuorumResponse { ErrorCode = KafkaErrorCode.ClusterAuthorizationFailed };
        }

        bool isKnown = body.Topics is [{ TopicName: MetadataTopic, Partitions: [{ PartitionIndex: 0 }] }];
        (string host, int port) = request.Connection.Advertised;
        return new DescribeQuorumResponse
        {
            Topics = [.. body.Topics.Select(topic => new DescribeQuorumResponse.TopicData
            {
                TopicName = topic.TopicName,
                Partitions = [.. topic.Partitions.Select(partition => isKnown
                    ? Quorum()
                    : new DescribeQuorumResponse.PartitionData { PartitionIndex = partition.PartitionIndex, ErrorCode = KafkaErrorCode.UnknownTopicOrPartition })],
            })],
            Nodes = isKnown && request.Version >= 2
                ? [new DescribeQuorumResponse.Node
                {
                    NodeId = server.Options.NodeId,
                    Listeners = [new DescribeQuorumResponse.Listener { Name = request.Connection.Client.Tls is null ? "PLAINTEXT" : "SSL", Host = host, Port = (ushort)port }],
                }]
                : [],
        };
    }

    private DescribeQuorumResponse.PartitionData Quorum()
    {
        long revision = server.Broker.Store.Metadata.Revision;
        long now = server.Clock.GetUtcNow().ToUnixTimeMilliseconds();
        return new DescribeQuorumResponse.PartitionData
        {
            LeaderId = server.Options.NodeId,
            LeaderEpoch = KafkaServer.LeaderEpoch,
            HighWatermark = revision,
            CurrentVoters = [new DescribeQuorumResponse.ReplicaState { ReplicaId = server.Options.NodeId, LogEndOffset = revision, LastFetchTimestamp = now, LastCaughtUpTimestamp = now }],
        };
    }

    public FindCoordinatorResponse Handle(KafkaRequest request, FindCoordinatorRequest body)
    {
        FindCoordinatorResponse.Coordinator[] found = [.. (request.Version < 4 ? [body.Key] : body.CoordinatorKeys).Select(key => Find(request, key, body.KeyType))];
        return request.Version < 4
            ? new FindCoordinatorResponse { ErrorCode = found[0].ErrorCode, ErrorMessage = found[0].ErrorMessage, NodeId = found[0].NodeId, Host = found[0].Host, Port = found[0].Port }
            : new FindCoordinatorResponse { Coordinators = found };
    }

    private FindCoordinatorResponse.Coordinator Find(KafkaRequest request, string key, sbyte keyType)
    {
        KafkaErrorCode error = keyType switch
        {
            GroupKey when !request.AllowsGroup(AclOperation.Describe, key) => KafkaErrorCode.GroupAuthorizationFailed,
            TransactionKey when !request.AllowsTransactionalId(AclOperation.Describe, key) => KafkaErrorCode.TransactionalIdAuthorizationFailed,
            ShareKey when !request.AllowsCluster(AclOperation.ClusterAction) => KafkaErrorCode.ClusterAuthorizationFailed,
            GroupKey or TransactionKey or ShareKey => KafkaErrorCode.None,
            _ => KafkaErrorCode.InvalidRequest,
        };
        (string host, int port) = request.Connection.Advertised;
        return error == KafkaErrorCode.None
            ? new FindCoordinatorResponse.Coordinator { Key = key, NodeId = server.Options.NodeId, Host = host, Port = port }
            : new FindCoordinatorResponse.Coordinator { Key = key, ErrorCode = error, NodeId = -1, Port = -1 };
    }
}
