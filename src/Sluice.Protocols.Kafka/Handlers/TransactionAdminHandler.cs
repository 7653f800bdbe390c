using System.Text.RegularExpressions;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Transactions;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.Storage.Producers;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>DescribeTransactions, ListTransactions, DescribeProducers (KIP-664, KIP-1152), and WriteTxnMarkers, by which operators end what hangs.</summary>
internal sealed class TransactionAdminHandler(KafkaServer server)
{
    /// <summary>Kafka's names of states, those included in which no transaction is ever seen here.</summary>
    private static readonly string[] s_states = ["Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"];

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, DescribeTransactionsRequest body)
    {
        var described = new List<DescribeTransactionsResponse.TransactionStateData>(body.TransactionalIds.Length);
        foreach (string id in body.TransactionalIds)
        {
            (KafkaErrorCode error, Transaction? state) = request.AllowsTransactionalId(AclOperation.Describe, id)
                ? await server.Transactions.DescribeAsync(id).ConfigureAwait(false)
                : (KafkaErrorCode.TransactionalIdAuthorizationFailed, null);
            described.Add(error != KafkaErrorCode.None || state is null
                ? new DescribeTransactionsResponse.TransactionStateData { TransactionalId = id, ErrorCode = error == KafkaErrorCode.None ? KafkaErrorCode.TransactionalIdNotFound : error }
                : Describe(request, state));
        }

        return new DescribeTransactionsResponse { TransactionStates = [.. described] };
    }

    public ListTransactionsResponse Handle(KafkaRequest request, ListTransactionsRequest body)
    {
        // As Kafka's, it is to match the whole id.
        Regex? pattern = null;
        if (!string.IsNullOrEmpty(body.TransactionalIdPattern) && !LinearPattern.TryParse(body.TransactionalIdPattern, out pattern, out _))
        {
            return new ListTransactionsResponse { ErrorCode = KafkaErrorCode.InvalidRegularExpression };
        }

        KafkaErrorCode refusal = server.Transactions.List(out IReadOnlyList<Transaction> all);
        if (refusal != KafkaErrorCode.None)
        {
            return new ListTransactionsResponse { ErrorCode = refusal };
        }

        long now = server.NowMs;
        try
        {
            return new ListTransactionsResponse
            {
                UnknownStateFilters = [.. body.StateFilters.Except(s_states, StringComparer.Ordinal)],
                TransactionStates = [.. all
                    .Where(state => request.SeesTransactionalId(state.Id)
                        && (body.ProducerIdFilters.Length == 0 || body.ProducerIdFilters.Contains(state.ProducerId))
                        && (body.StateFilters.Length == 0 || body.StateFilters.Contains(state.Status.ToString(), StringComparer.Ordinal))
                        && (body.DurationFilter < 0 || now - state.StartMs > body.DurationFilter)
                        && pattern?.IsMatch(state.Id) != false)
                    .OrderBy(static state => state.Id, StringComparer.Ordinal)
                    .Select(static state => new ListTransactionsResponse.TransactionStateData { TransactionalId = state.Id, ProducerId = state.ProducerId, TransactionState = state.Status.ToString() })],
            };
        }
        catch (RegexMatchTimeoutException)
        {
            // To leave out ids that nobody has looked at would be an answer that is wrong.
            return new ListTransactionsResponse { ErrorCode = KafkaErrorCode.InvalidRegularExpression };
        }
    }

    public DescribeProducersResponse Handle(KafkaRequest request, DescribeProducersRequest body) => new()
    {
        Topics = [.. body.Topics.Select(topic => new DescribeProducersResponse.TopicResponse
        {
            Name = topic.Name,
            Partitions = [.. topic.PartitionIndexes.Select(index => Describe(request, topic.Name, index))],
        })],
    };

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, WriteTxnMarkersRequest body)
    {
        bool isAllowed = request.AllowsCluster(AclOperation.Alter, otherwise: AclOperation.ClusterAction);
        JournalPosition last = JournalPosition.None;
        var results = new List<WriteTxnMarkersResponse.WritableTxnMarkerResult>(body.Markers.Length);
        foreach (WriteTxnMarkersRequest.WritableTxnMarker marker in body.Markers)
        {
            results.Add(new WriteTxnMarkersResponse.WritableTxnMarkerResult
            {
                ProducerId = marker.ProducerId,
                Topics = [.. marker.Topics.Select(topic => new WriteTxnMarkersResponse.WritableTxnMarkerTopicResult
                {
                    Name = topic.Name,
                    Partitions = [.. topic.PartitionIndexes.Select(index => new WriteTxnMarkersResponse.WritableTxnMarkerPartitionResult
                    {
                        PartitionIndex = index,
                        ErrorCode = isAllowed ? Write(marker, topic.Name, index, ref last) : KafkaErrorCode.ClusterAuthorizationFailed,
                    })],
                })],
            });
        }

        try
        {
            await server.Broker.Store.WhenKeptAsync(last, server.Transactions.Promise).ConfigureAwait(false);
        }
        catch (IOException)
        {
            foreach (WriteTxnMarkersResponse.WritableTxnMarkerPartitionResult partition in results.SelectMany(static marker => marker.Topics).SelectMany(static topic => topic.Partitions))
            {
                partition.ErrorCode = partition.ErrorCode == KafkaErrorCode.None ? KafkaErrorCode.KafkaStorageError : partition.ErrorCode;
            }
        }

        return new WriteTxnMarkersResponse { Markers = [.. results] };
    }

    private static DescribeTransactionsResponse.TransactionStateData Describe(KafkaRequest request, Transaction state) => new()
    {
        TransactionalId = state.Id,
        TransactionState = state.Status.ToString(),
        TransactionTimeoutMs = state.TimeoutMs,
        TransactionStartTimeMs = state.StartMs,
        ProducerId = state.ProducerId,
        ProducerEpoch = state.Epoch,
        Topics = [.. state.Partitions.GroupBy(static partition => partition.Topic, StringComparer.Ordinal)
            .Where(topic => request.SeesTopic(topic.Key))
            .OrderBy(static topic => topic.Key, StringComparer.Ordinal)
            .Select(static topic => new DescribeTransactionsResponse.TopicData { Topic = topic.Key, Partitions = [.. topic.Select(static partition => partition.Partition).Order()] })],
    };

    private DescribeProducersResponse.PartitionResponse Describe(KafkaRequest request, string topic, int index)
    {
        var response = new DescribeProducersResponse.PartitionResponse { PartitionIndex = index };
        if (!request.AllowsTopic(AclOperation.Read, topic))
        {
            response.ErrorCode = KafkaErrorCode.TopicAuthorizationFailed;
        }
        else if (server.Host?.FindTopic(topic)?.FindPartition(index) is not { } partition)
        {
            response.ErrorCode = KafkaErrorCode.UnknownTopicOrPartition;
        }
        else
        {
            response.ActiveProducers = [.. partition.DescribeProducers().Select(static producer => new DescribeProducersResponse.ProducerState
            {
                ProducerId = producer.ProducerId,
                ProducerEpoch = producer.Epoch,
                LastSequence = producer.LastSequence,
                LastTimestamp = producer.LastTimestamp,
                CoordinatorEpoch = producer.CoordinatorEpoch,
                CurrentTxnStartOffset = producer.TransactionFirstOffset,
            })];
        }

        return response;
    }

    /// <summary>KIP-1228: in version 2 of transactions the markers have a later epoch than the transaction, so that one of an earlier transaction does not end it.</summary>
    private static bool IsOutOfDate(TopicPartition partition, WriteTxnMarkersRequest.WritableTxnMarker marker) =>
        marker.TransactionVersion >= Transaction.BumpsEpoch
        && partition.DescribeProducers().Any(producer => producer.ProducerId == marker.ProducerId && producer.TransactionFirstOffset >= 0 && producer.Epoch >= marker.ProducerEpoch);

    private KafkaErrorCode Write(WriteTxnMarkersRequest.WritableTxnMarker marker, string topic, int index, ref JournalPosition last)
    {
        if (server.Host?.FindTopic(topic)?.FindPartition(index) is not { IsOpen: true } partition)
        {
            return KafkaErrorCode.UnknownTopicOrPartition;
        }

        KafkaErrorCode error = server.Transactions.Markers.Append(
            [partition],
            new ProducerIdentity(marker.ProducerId, marker.ProducerEpoch),
            marker.TransactionResult,
            marker.CoordinatorEpoch,
            state: null,
            server.Transactions.Promise,
            out JournalPosition position,
            wanted => Check(wanted, marker));
        last = JournalPosition.Max(last, position);

        // Whoever writes markers looks for the partition's leader, not for a coordinator.
        return error is KafkaErrorCode.NotCoordinator or KafkaErrorCode.CoordinatorNotAvailable or KafkaErrorCode.CoordinatorLoadInProgress ? KafkaErrorCode.NotLeaderOrFollower : error;
    }

    /// <summary>Whether the marker can be appended at this moment. A queue has no transactions.</summary>
    private PartitionStatus Check(TopicPartition partition, WriteTxnMarkersRequest.WritableTxnMarker marker)
    {
        if (!partition.IsOpen || partition.IsQueue)
        {
            return partition.IsOpen ? PartitionStatus.Refused : PartitionStatus.Deleted;
        }

        byte[] batch = new EndTransactionMarker(marker.TransactionResult, marker.CoordinatorEpoch, server.NowMs).ToBatch(marker.ProducerId, marker.ProducerEpoch);
        PartitionStatus status = partition.Check(batch);
        return status == PartitionStatus.Ok && IsOutOfDate(partition, marker) ? PartitionStatus.InvalidProducerEpoch : status;
    }
}
