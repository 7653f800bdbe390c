using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>Reads each request and hands it to the handler of its API.</summary>
internal sealed class RequestDispatcher
{
    private readonly ApiVersionsHandler _apiVersions;
    private readonly MetadataHandler _metadata;
    private readonly ProduceHandler _produce;
    private readonly FetchHandler _fetch;
    private readonly ListOffsetsHandler _listOffsets;
    private readonly TopicsHandler _topics;
    private readonly ClusterHandler _cluster;
    private readonly ConfigsHandler _configs;
    private readonly PartitionsHandler _partitions;
    private readonly GroupHandler _groups;
    private readonly OffsetsHandler _offsets;
    private readonly GroupAdminHandler _groupAdmin;
    private readonly TransactionHandler _transactions;
    private readonly TransactionOffsetsHandler _transactionOffsets;
    private readonly TransactionAdminHandler _transactionAdmin;
    private readonly ConsumerGroupHandler _consumers;
    private readonly QuotaHandler _quotas;
    private readonly ReplicaHandler _replicas;
    private readonly ShareHandler _shares;
    private readonly ShareGroupHandler _shareGroups;
    private readonly ScramHandler _scram;
    private readonly AclHandler _acls;
    private readonly TelemetryHandler _telemetry;

    public RequestDispatcher(KafkaServer server)
    {
        _apiVersions = new ApiVersionsHandler(Served);
        _metadata = new MetadataHandler(server);
        _produce = new ProduceHandler(server);
        _fetch = new FetchHandler(server);
        _listOffsets = new ListOffsetsHandler(server);
        _topics = new TopicsHandler(server);
        _cluster = new ClusterHandler(server);
        _configs = new ConfigsHandler(server);
        _partitions = new PartitionsHandler(server);
        _groups = new GroupHandler(server.Groups);
        _offsets = new OffsetsHandler(server.Groups);
        _groupAdmin = new GroupAdminHandler(server.Groups, server.Shares);
        _transactions = new TransactionHandler(server);
        _transactionOffsets = new TransactionOffsetsHandler(server);
        _transactionAdmin = new TransactionAdminHandler(server);
        _consumers = new ConsumerGroupHandler(server.Groups);
        _quotas = new QuotaHandler(server);
        _replicas = new ReplicaHandler(server);
        _shares = new ShareHandler(server);
        _shareGroups = new ShareGroupHandler(server);
        _scram = new ScramHandler(server);
        _acls = new AclHandler(server);
        _telemetry = new TelemetryHandler(server);
    }

    /// <summary>The APIs that the switch below has.</summary>
    public static IReadOnlyList<KafkaApiKey> Served { get; } =
    [
        KafkaApiKey.Produce, KafkaApiKey.Fetch, KafkaApiKey.ListOffsets, KafkaApiKey.Metadata, KafkaApiKey.FindCoordinator, KafkaApiKey.SaslHandshake,
        KafkaApiKey.ApiVersions, KafkaApiKey.CreateTopics, KafkaApiKey.DeleteTopics, KafkaApiKey.InitProducerId, KafkaApiKey.OffsetForLeaderEpoch,
        KafkaApiKey.SaslAuthenticate, KafkaApiKey.CreatePartitions, KafkaApiKey.DescribeCluster, KafkaApiKey.DescribeQuorum,
        KafkaApiKey.JoinGroup, KafkaApiKey.SyncGroup, KafkaApiKey.Heartbeat, KafkaApiKey.LeaveGroup, KafkaApiKey.OffsetCommit, KafkaApiKey.OffsetFetch,
        KafkaApiKey.AddPartitionsToTxn, KafkaApiKey.AddOffsetsToTxn, KafkaApiKey.TxnOffsetCommit, KafkaApiKey.EndTxn, KafkaApiKey.WriteTxnMarkers,
        KafkaApiKey.DescribeTransactions, KafkaApiKey.ListTransactions, KafkaApiKey.DescribeProducers,
        KafkaApiKey.DescribeConfigs, KafkaApiKey.AlterConfigs, KafkaApiKey.IncrementalAlterConfigs, KafkaApiKey.DescribeTopicPartitions, KafkaApiKey.DescribeLogDirs,
        KafkaApiKey.DeleteRecords,
        KafkaApiKey.OffsetDelete, KafkaApiKey.ListGroups, KafkaApiKey.DescribeGroups, KafkaApiKey.DeleteGroups, KafkaApiKey.ConsumerGroupHeartbeat,
        KafkaApiKey.ConsumerGroupDescribe,
        KafkaApiKey.DescribeClientQuotas, KafkaApiKey.AlterClientQuotas,
        KafkaApiKey.ElectLeaders, KafkaApiKey.AlterPartitionReassignments, KafkaApiKey.ListPartitionReassignments, KafkaApiKey.AlterReplicaLogDirs, KafkaApiKey.ListConfigResources,
        KafkaApiKey.ShareGroupHeartbeat, KafkaApiKey.ShareGroupDescribe, KafkaApiKey.ShareFetch, KafkaApiKey.ShareAcknowledge,
        KafkaApiKey.DescribeShareGroupOffsets, KafkaApiKey.AlterShareGroupOffsets, KafkaApiKey.DeleteShareGroupOffsets,
        KafkaApiKey.DescribeUserScramCredentials, KafkaApiKey.AlterUserScramCredentials,
        KafkaApiKey.DescribeAcls, KafkaApiKey.CreateAcls, KafkaApiKey.DeleteAcls,
        KafkaApiKey.GetTelemetrySubscriptions, KafkaApiKey.PushTelemetry,
    ];

    private static readonly bool[] IsServed = [.. Enumerable.Range(0, Served.Max(static key => (int)key) + 1).Select(static key => Served.Contains((KafkaApiKey)key))];

    /// <summary>Handles a request. The task ends when the next may be read; the answer may come later.</summary>
    /// <exception cref="KafkaParseException">What can't be read, as Kafka closes the connection for it.</exception>
    /// <exception cref="ConnectionRefusedException">What is not to be answered; likewise.</exception>
    public ValueTask Dispatch(KafkaConnection connection, ReadOnlyMemory<byte> frame)
    {
        var reader = new KafkaReader(frame);
        KafkaRequestHeader header = KafkaRequestHeader.Read(ref reader);
        connection.Introduce(header.ClientId);
        KafkaApi api = KafkaApis.Find(header.ApiKey) is { } known && IsServed[header.ApiKey]
            ? known
            : throw new ConnectionRefusedException($"it asks for {(KafkaApis.Find(header.ApiKey) is { } other ? other.Name : $"API {header.ApiKey}")}, which is not served (docs/protocols/kafka.md has what is not, and why)");
        var request = new KafkaRequest(connection, api, header, frame.Length);
        connection.Server.Metrics.CountRequest(api.Key);
        if (!api.HasVersion(header.ApiVersion))
        {
            if (api.Key != KafkaApiKey.ApiVersions)
            {
                throw new ConnectionRefusedException($"it asks for version {header.ApiVersion} of {api.Name}, which is not served: {api.Name} has {api.MinVersion} to {api.MaxVersion}");
            }

            // KIP-511: the client learns from it which versions there are.
            connection.Responses.Add(request.Slot);
            request.Reply(_apiVersions.Answer(KafkaErrorCode.UnsupportedVersion, version: 0), version: 0);
            return default;
        }

        if (api.Key is not (KafkaApiKey.ApiVersions or KafkaApiKey.SaslHandshake or KafkaApiKey.SaslAuthenticate))
        {
            if (!connection.Login.IsAdmitted())
            {
                throw connection.Login.Refusal(api.Name);
            }

            connection.Login.LogBegin(header.ClientId);
        }

        if (api.Key is not (KafkaApiKey.SaslHandshake or KafkaApiKey.SaslAuthenticate) && connection.Login.IsExpired)
        {
            throw new ConnectionRefusedException($"it asks for {api.Name} although the time of its login is over: it should have logged in again (KIP-368)");
        }

        if (api.Key != KafkaApiKey.Produce)
        {
            // What is read may be needed after the frame's memory has gone to other uses.
            byte[] copy = frame[reader.Position..].ToArray();
            reader = new KafkaReader(copy);
        }

        IKafkaMessage body = api.NewRequest();
        body.Read(ref reader, header.ApiVersion);
        reader.End();
        connection.Responses.Add(request.Slot);
        ValueTask handled = Handle(request, body);
        request.EndHandling();
        return handled;
    }

    private ValueTask Handle(KafkaRequest request, IKafkaMessage body)
    {
        switch (body)
        {
            case ProduceRequest produce:
                _produce.Handle(request, produce);
                return default;
            case FetchRequest fetch:
                _fetch.Handle(request, fetch);
                return default;
            case ApiVersionsRequest apiVersions:
                request.Connection.Login.EndHandshakeIfFree();
                request.Reply(_apiVersions.Handle(request, apiVersions));
                return default;
            case SaslHandshakeRequest handshake:
                request.Reply(SaslHandler.Handle(request, handshake));
                return default;
            case SaslAuthenticateRequest authenticate:
                return AuthenticateAsync(request, authenticate);
            case ListOffsetsRequest listOffsets:
                return Run(request, _listOffsets.HandleAsync(request, listOffsets));
            case MetadataRequest metadata:
                return Run(request, _metadata.HandleAsync(request, metadata));
            case DescribeClusterRequest describeCluster:
                request.Reply(_cluster.Handle(request, describeCluster));
                return default;
            case DescribeQuorumRequest describeQuorum:
                request.Reply(_cluster.Handle(request, describeQuorum));
                return default;
            case FindCoordinatorRequest findCoordinator:
                request.Reply(_cluster.Handle(request, findCoordinator));
                return default;
            case OffsetForLeaderEpochRequest epoch:
                request.Reply(_listOffsets.Handle(request, epoch));
                return default;
            case InitProducerIdRequest initProducerId:
                return Run(request, _transactions.HandleAsync(request, initProducerId));
            case AddPartitionsToTxnRequest addPartitions:
                return Run(request, _transactions.HandleAsync(request, addPartitions));
            case AddOffsetsToTxnRequest addOffsets:
                return Run(request, _transactions.HandleAsync(request, addOffsets));
            case TxnOffsetCommitRequest transactionOffsets:
                return Run(request, _transactionOffsets.HandleAsync(request, transactionOffsets));
            case EndTxnRequest endTransaction:
                return Run(request, _transactions.HandleAsync(request, endTransaction));
            case WriteTxnMarkersRequest markers:
                return Run(request, _transactionAdmin.HandleAsync(request, markers));
            case DescribeTransactionsRequest describeTransactions:
                return Run(request, _transactionAdmin.HandleAsync(request, describeTransactions));
            case ListTransactionsRequest listTransactions:
                request.Reply(_transactionAdmin.Handle(request, listTransactions));
                return default;
            case DescribeProducersRequest describeProducers:
                request.Reply(_transactionAdmin.Handle(request, describeProducers));
                return default;
            case CreateTopicsRequest createTopics:
                return Run(request, _topics.HandleAsync(request, createTopics));
            case CreatePartitionsRequest createPartitions:
                return Run(request, _topics.HandleAsync(request, createPartitions));
            case DescribeConfigsRequest describeConfigs:
                request.Reply(_configs.Handle(request, describeConfigs));
                return default;
            case AlterConfigsRequest alterConfigs:
                return Run(request, _configs.HandleAsync(request, alterConfigs));
            case IncrementalAlterConfigsRequest incrementalAlterConfigs:
                return Run(request, _configs.HandleAsync(request, incrementalAlterConfigs));
            case DescribeTopicPartitionsRequest describePartitions:
                request.Reply(_partitions.Handle(request, describePartitions));
                return default;
            case DescribeLogDirsRequest describeLogDirs:
                request.Reply(_partitions.Handle(request, describeLogDirs));
                return default;
            case DeleteRecordsRequest deleteRecords:
                return Run(request, _partitions.HandleAsync(request, deleteRecords));
            case DeleteTopicsRequest deleteTopics:
                return Run(request, _topics.HandleAsync(request, deleteTopics));
            case JoinGroupRequest joinGroup:
                return Run(request, _groups.HandleAsync(request, joinGroup));
            case SyncGroupRequest syncGroup:
                return Run(request, _groups.HandleAsync(request, syncGroup));
            case HeartbeatRequest heartbeat:
                return Run(request, _groups.HandleAsync(request, heartbeat));
            case ConsumerGroupHeartbeatRequest consumerHeartbeat:
                return Run(request, _consumers.HandleAsync(request, consumerHeartbeat));
            case ConsumerGroupDescribeRequest describeConsumers:
                return Run(request, _consumers.HandleAsync(request, describeConsumers));
            case LeaveGroupRequest leaveGroup:
                return Run(request, _groups.HandleAsync(request, leaveGroup));
            case OffsetCommitRequest offsetCommit:
                return Run(request, _offsets.HandleAsync(request, offsetCommit));
            case OffsetFetchRequest offsetFetch:
                return Run(request, _offsets.HandleAsync(request, offsetFetch));
            case OffsetDeleteRequest offsetDelete:
                return Run(request, _offsets.HandleAsync(request, offsetDelete));
            case ListGroupsRequest listGroups:
                return Run(request, _groupAdmin.HandleAsync(request, listGroups));
            case DescribeGroupsRequest describeGroups:
                return Run(request, _groupAdmin.HandleAsync(request, describeGroups));
            case DeleteGroupsRequest deleteGroups:
                return Run(request, _groupAdmin.HandleAsync(request, deleteGroups));
            case DescribeClientQuotasRequest describeQuotas:
                request.Reply(_quotas.Handle(request, describeQuotas));
                return default;
            case AlterClientQuotasRequest alterQuotas:
                return Run(request, _quotas.HandleAsync(request, alterQuotas));
            case ElectLeadersRequest electLeaders:
                request.Reply(_replicas.Handle(request, electLeaders));
                return default;
            case AlterPartitionReassignmentsRequest reassign:
                request.Reply(_replicas.Handle(request, reassign));
                return default;
            case AlterReplicaLogDirsRequest alterLogDirs:
                request.Reply(_replicas.Handle(request, alterLogDirs));
                return default;
            case ListPartitionReassignmentsRequest:
                request.Reply(ReplicaHandler.Handle(request));
                return default;
            case ListConfigResourcesRequest listConfigs:
                request.Reply(_configs.Handle(request, listConfigs));
                return default;
            case ShareFetchRequest shareFetch:
                return Run(request, _shares.HandleAsync(request, shareFetch));
            case ShareAcknowledgeRequest shareAcknowledge:
                return Run(request, _shares.HandleAsync(request, shareAcknowledge));
            case ShareGroupHeartbeatRequest shareHeartbeat:
                return Run(request, _shareGroups.HandleAsync(request, shareHeartbeat));
            case ShareGroupDescribeRequest describeShares:
                return Run(request, _shareGroups.HandleAsync(request, describeShares));
            case DescribeShareGroupOffsetsRequest describeShareOffsets:
                return Run(request, _shareGroups.HandleAsync(request, describeShareOffsets));
            case AlterShareGroupOffsetsRequest alterShareOffsets:
                return Run(request, _shareGroups.HandleAsync(request, alterShareOffsets));
            case DeleteShareGroupOffsetsRequest deleteShareOffsets:
                return Run(request, _shareGroups.HandleAsync(request, deleteShareOffsets));
            case DescribeUserScramCredentialsRequest describeScram:
                request.Reply(_scram.Handle(request, describeScram));
                return default;
            case AlterUserScramCredentialsRequest alterScram:
                return Run(request, _scram.HandleAsync(request, alterScram));
            case DescribeAclsRequest describeAcls:
                request.Reply(_acls.Handle(request, describeAcls));
                return default;
            case CreateAclsRequest createAcls:
                return Run(request, _acls.HandleAsync(request, createAcls));
            case DeleteAclsRequest deleteAcls:
                return Run(request, _acls.HandleAsync(request, deleteAcls));
            case GetTelemetrySubscriptionsRequest subscriptions:
                request.Reply(_telemetry.Handle(request, subscriptions));
                return default;
            case PushTelemetryRequest push:
                request.Reply(_telemetry.Handle(request, push));
                return default;
            default:
                throw new ConnectionRefusedException($"it asks for {request.Api.Name}, which is not served");
        }
    }

    /// <summary>Answers when the answer is there; the next request need not wait for it.</summary>
    private static ValueTask Run(KafkaRequest request, ValueTask<IKafkaMessage> answer)
    {
        if (answer.IsCompletedSuccessfully)
        {
            request.Reply(answer.Result);
        }
        else
        {
            _ = RunAsync(request, answer);
        }

        return default;
    }

    private static async Task RunAsync(KafkaRequest request, ValueTask<IKafkaMessage> answer)
    {
        try
        {
            request.Reply(await answer.ConfigureAwait(false));
        }
#pragma warning disable CA1031 // Nobody awaits this: what goes wrong ends the connection and is told to the operator.
        catch (Exception error)
#pragma warning restore CA1031
        {
            request.Server.Logger.LogError(error, "Connection {Connection}: {Api} failed", request.Connection.Client.Name, request.Api.Name);
            request.Connection.Client.Abort($"{request.Api.Name} failed by an error of the broker");
        }
    }

    /// <exception cref="ConnectionRefusedException">The login was refused: after its answer nothing more is heard of the client.</exception>
    private static async ValueTask AuthenticateAsync(KafkaRequest request, SaslAuthenticateRequest body)
    {
        SaslAuthenticateResponse answer = await SaslHandler.HandleAsync(request, body).ConfigureAwait(false);
        request.Reply(answer);
        if (answer.ErrorCode == KafkaErrorCode.SaslAuthenticationFailed)
        {
            throw new ConnectionRefusedException("its login was refused", isLogged: true);
        }

        request.Connection.Login.LogBegin(request.Header.ClientId);
    }
}
