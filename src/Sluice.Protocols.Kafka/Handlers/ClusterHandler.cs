using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>DescribeCluster, FindCoordinator: one node is all there is.</summary>
internal sealed class ClusterHandler(KafkaServer server)
{
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
