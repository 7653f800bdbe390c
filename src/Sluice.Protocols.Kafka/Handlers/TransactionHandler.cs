using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Transactions;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn: producers and their transactions. Write on a transactional id's name lets a client use it.</summary>
internal sealed class TransactionHandler(KafkaServer server)
{
    private const short ManyTransactions = 4, EndBumpsEpoch = 5;

    /// <summary>The code for a client that is fenced, as its version knows it.</summary>
    /// <param name="error">Of the coordinator.</param>
    /// <param name="version">Of the request.</param>
    /// <param name="knowsFenced">The first version that knows ProducerFenced.</param>
    public static KafkaErrorCode ForVersion(KafkaErrorCode error, short version, short knowsFenced) =>
        error == KafkaErrorCode.ProducerFenced && version < knowsFenced ? KafkaErrorCode.InvalidProducerEpoch : error;

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, InitProducerIdRequest body)
    {
        if (body.TransactionalId is { } id && !request.AllowsTransactionalId(AclOperation.Write, id))
        {
            return new InitProducerIdResponse { ErrorCode = KafkaErrorCode.TransactionalIdAuthorizationFailed };
        }

        if (body.TransactionalId is null && !request.MayWriteIdempotently())
        {
            return new InitProducerIdResponse { ErrorCode = KafkaErrorCode.ClusterAuthorizationFailed };
        }

        if ((body.ProducerId < 0) != (body.ProducerEpoch < 0))
        {
            return new InitProducerIdResponse { ErrorCode = KafkaErrorCode.InvalidRequest };
        }

        ProducerIdentity? expected = body.ProducerId < 0 ? null : new ProducerIdentity(body.ProducerId, body.ProducerEpoch);
        InitProducerIdResponse response = await server.Transactions.InitializeAsync(body.TransactionalId, body.TransactionTimeoutMs, expected).ConfigureAwait(false);
        response.ErrorCode = ForVersion(response.ErrorCode, request.Version, knowsFenced: 4);
        response.ProducerEpoch = response.ErrorCode == KafkaErrorCode.None ? response.ProducerEpoch : (short)-1;
        return response;
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, AddPartitionsToTxnRequest body)
    {
        if (request.Version < ManyTransactions)
        {
            var producer = new ProducerIdentity(body.V3AndBelowProducerId, body.V3AndBelowProducerEpoch);
            return new AddPartitionsToTxnResponse { ResultsByTopicV3AndBelow = await AddAsync(request, body.V3AndBelowTransactionalId, producer, isVerifyOnly: false, body.V3AndBelowTopics).ConfigureAwait(false) };
        }

        // These versions are for brokers, which have asked for their clients' permissions.
        if (!request.AllowsCluster(AclOperation.ClusterAction))
        {
            return new AddPartitionsToTxnResponse { ErrorCode = KafkaErrorCode.ClusterAuthorizationFailed };
        }

        var results = new List<AddPartitionsToTxnResponse.AddPartitionsToTxnResult>(body.Transactions.Length);
        foreach (AddPartitionsToTxnRequest.AddPartitionsToTxnTransaction transaction in body.Transactions)
        {
            var producer = new ProducerIdentity(transaction.ProducerId, transaction.ProducerEpoch);
            results.Add(new AddPartitionsToTxnResponse.AddPartitionsToTxnResult
            {
                TransactionalId = transaction.TransactionalId,
                TopicResults = await AddAsync(request, transaction.TransactionalId, producer, transaction.VerifyOnly, transaction.Topics).ConfigureAwait(false),
            });
        }

        return new AddPartitionsToTxnResponse { ResultsByTransaction = [.. results] };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, AddOffsetsToTxnRequest body)
    {
        KafkaErrorCode error = !request.AllowsTransactionalId(AclOperation.Write, body.TransactionalId) ? KafkaErrorCode.TransactionalIdAuthorizationFailed
            : !request.AllowsGroup(AclOperation.Read, body.GroupId) ? KafkaErrorCode.GroupAuthorizationFailed
            : await server.Transactions.AddOffsetsAsync(body.TransactionalId, new ProducerIdentity(body.ProducerId, body.ProducerEpoch), body.GroupId).ConfigureAwait(false);
        return new AddOffsetsToTxnResponse { ErrorCode = ForVersion(error, request.Version, knowsFenced: 2) };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, EndTxnRequest body)
    {
        if (!request.AllowsTransactionalId(AclOperation.Write, body.TransactionalId))
        {
            return new EndTxnResponse { ErrorCode = KafkaErrorCode.TransactionalIdAuthorizationFailed };
        }

        short clientVersion = request.Version >= EndBumpsEpoch ? Transaction.BumpsEpoch : (short)0;
        EndTxnResponse response = await server.Transactions.EndAsync(body.TransactionalId, new ProducerIdentity(body.ProducerId, body.ProducerEpoch), body.Committed, clientVersion).ConfigureAwait(false);
        response.ErrorCode = ForVersion(response.ErrorCode, request.Version, knowsFenced: 2);
        return response;
    }

    /// <summary>Adds or verifies the partitions of one transaction: all of them, or none if one is not allowed or not there.</summary>
    private async Task<AddPartitionsToTxnResponse.AddPartitionsToTxnTopicResult[]> AddAsync(KafkaRequest request, string id, ProducerIdentity producer, bool isVerifyOnly, AddPartitionsToTxnRequest.AddPartitionsToTxnTopic[] topics)
    {
        TopicIndex[] partitions = [.. topics.SelectMany(static topic => topic.Partitions.Select(partition => new TopicIndex(topic.Name, partition)))];
        KafkaErrorCode[] errors = [.. partitions.Select(partition => Check(request, partition))];
        if (request.Version < ManyTransactions && !request.AllowsTransactionalId(AclOperation.Write, id))
        {
            Array.Fill(errors, KafkaErrorCode.TransactionalIdAuthorizationFailed);
        }
        else if (Array.Exists(errors, static error => error != KafkaErrorCode.None))
        {
            errors = [.. errors.Select(static error => error == KafkaErrorCode.None ? KafkaErrorCode.OperationNotAttempted : error)];
        }
        else if (isVerifyOnly)
        {
            errors = await server.Transactions.VerifyAsync(id, producer, partitions).ConfigureAwait(false);
        }
        else
        {
            short clientVersion = request.Version < ManyTransactions ? (short)0 : Transaction.BumpsEpoch;
            Array.Fill(errors, ForVersion(await server.Transactions.AddAsync(id, producer, partitions, clientVersion).ConfigureAwait(false), request.Version, knowsFenced: 2));
        }

        int at = 0;
        return [.. topics.Select(topic => new AddPartitionsToTxnResponse.AddPartitionsToTxnTopicResult
        {
            Name = topic.Name,
            ResultsByPartition = [.. topic.Partitions.Select(partition => new AddPartitionsToTxnResponse.AddPartitionsToTxnPartitionResult { PartitionIndex = partition, PartitionErrorCode = errors[at++] })],
        })];
    }

    private KafkaErrorCode Check(KafkaRequest request, TopicIndex partition)
    {
        Topic? topic = server.Host?.FindTopic(partition.Topic);
        return request.Version < ManyTransactions && (topic?.Definition.IsInternal == true || !request.AllowsTopic(AclOperation.Write, partition.Topic)) ? KafkaErrorCode.TopicAuthorizationFailed
            : topic?.FindPartition(partition.Partition) is not { } found ? KafkaErrorCode.UnknownTopicOrPartition
            : found.IsQueue ? KafkaErrorCode.PolicyViolation
            : KafkaErrorCode.None;
    }
}
