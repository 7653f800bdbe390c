using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Quotas;
using Sluice.Protocols.Kafka.Records;
using Sluice.Protocols.Kafka.Transactions;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>
/// Produce: appends each partition's batch at once, in the order of the requests, and answers when all is kept as asked: with acks=1 when the operating system has it,
/// with acks=all when the broker's durable promise holds (setting Durability).
/// </summary>
internal sealed class ProduceHandler(KafkaServer server)
{
    private const string NoTransactions = "Queues take no part in transactions of Kafka clients: send to a topic, or without a transactional id.";
    private const short All = -1, KnowsAbortable = 11, AddsPartitions = 12, NamesById = 13;

    public void Handle(KafkaRequest request, ProduceRequest body)
    {
        if (body.Acks is not (0 or 1 or All))
        {
            request.Reply(Refused(body, KafkaErrorCode.InvalidRequiredAcks));
            return;
        }

        bool isTransactional = body.TopicData.Any(static topic => topic.PartitionData.Any(static partition => HasTransaction(partition.Records.Memory.Span)));
        if (isTransactional && (body.TransactionalId is not { } id || !request.AllowsTransactionalId(AclOperation.Write, id)))
        {
            request.Reply(Refused(body, KafkaErrorCode.TransactionalIdAuthorizationFailed));
            return;
        }

        Durability durable = server.Broker.Options.DurablePromise;
        Durability promise = body.Acks == All || durable < Durability.OperatingSystem ? durable : Durability.OperatingSystem;
        var pending = new PendingProduce(request, body.Acks == 0);
        var topics = new ProduceResponse.TopicProduceResponse[body.TopicData.Length];
        for (int i = 0; i < topics.Length; i++)
        {
            topics[i] = Append(request, body, body.TopicData[i], promise, pending);
        }

        pending.Response.Responses = topics;
        pending.Response.ThrottleTimeMs = request.Throttle(ClientQuotas.Produce, request.Bytes);
        request.Connection.AddProduce(pending);
    }

    private static ProduceResponse Refused(ProduceRequest body, KafkaErrorCode error) => new()
    {
        Responses = [.. body.TopicData.Select(topic => new ProduceResponse.TopicProduceResponse
        {
            Name = topic.Name,
            TopicId = topic.TopicId,
            PartitionResponses = [.. topic.PartitionData.Select(partition => new ProduceResponse.PartitionProduceResponse { Index = partition.Index, ErrorCode = error, BaseOffset = -1 })],
        })],
    };

    private ProduceResponse.TopicProduceResponse Append(KafkaRequest request, ProduceRequest body, ProduceRequest.TopicProduceData data, Durability promise, PendingProduce pending)
    {
        bool isById = request.Version >= NamesById;
        Topic? topic = isById ? server.Host?.FindTopic(data.TopicId) : server.Host?.FindTopic(data.Name);
        KafkaErrorCode error =
            isById && topic is null ? KafkaErrorCode.UnknownTopicId
            : !request.AllowsTopic(AclOperation.Write, topic?.Name ?? data.Name) ? KafkaErrorCode.TopicAuthorizationFailed
            : topic is null ? KafkaErrorCode.UnknownTopicOrPartition
            : topic.Definition.IsInternal ? KafkaErrorCode.InvalidTopicException
            : KafkaErrorCode.None;
        var partitions = new ProduceResponse.PartitionProduceResponse[data.PartitionData.Length];
        for (int i = 0; i < partitions.Length; i++)
        {
            var response = new ProduceResponse.PartitionProduceResponse { Index = data.PartitionData[i].Index, ErrorCode = error, BaseOffset = -1 };
            partitions[i] = response;
            if (error == KafkaErrorCode.None)
            {
                Append(request, topic!, body.TransactionalId, data.PartitionData[i], promise, pending, response);
            }
        }

        return new ProduceResponse.TopicProduceResponse { Name = data.Name, TopicId = data.TopicId, PartitionResponses = partitions };
    }

    private void Append(KafkaRequest request, Topic topic, string? transactionalId, ProduceRequest.PartitionProduceData data, Durability promise, PendingProduce pending, ProduceResponse.PartitionProduceResponse response)
    {
        if (topic.FindPartition(data.Index) is not { } partition)
        {
            response.ErrorCode = KafkaErrorCode.UnknownTopicOrPartition;
            return;
        }

        TopicSettings settings = topic.Settings;
        var intake = new BatchIntake(server.Buffers, settings, server.NowMs);
        try
        {
            response.ErrorCode = intake.Take(data.Records.Memory.Span, request.Version);
            response.ErrorMessage = intake.Message;
            response.RecordErrors = intake.RecordErrors;
            if (response.ErrorCode == KafkaErrorCode.None)
            {
                Append(request, partition, transactionalId, intake.Batch, settings, promise, pending, response);
            }
        }
        finally
        {
            intake.Dispose();
        }
    }

    /// <summary>What of a transaction's state is told to a producer, as its version knows it.</summary>
    private static KafkaErrorCode ForVersion(KafkaErrorCode error, short version) => error switch
    {
        KafkaErrorCode.ProducerFenced => KafkaErrorCode.InvalidProducerEpoch,
        KafkaErrorCode.TransactionAbortable when version < KnowsAbortable => KafkaErrorCode.InvalidTxnState,

        // Producers don't try again after what the coordinator would tell them, but after this.
        KafkaErrorCode.CoordinatorLoadInProgress or KafkaErrorCode.CoordinatorNotAvailable or KafkaErrorCode.NotCoordinator => KafkaErrorCode.NotEnoughReplicas,
        _ => error,
    };

    private static bool HasTransaction(ReadOnlySpan<byte> records) => RecordBatch.LooksLikeHeader(records) && RecordBatch.IsTransactional(records);

    private void Append(KafkaRequest request, TopicPartition partition, string? transactionalId, ReadOnlySpan<byte> batch, TopicSettings settings, Durability promise, PendingProduce pending, ProduceResponse.PartitionProduceResponse response)
    {
        Durability asked = settings.SyncsEachAppend ? Durability.Disk : promise;
        AppendOutcome outcome;
        if (RecordBatch.IsTransactional(batch) && partition.IsQueue)
        {
            response.ErrorCode = KafkaErrorCode.PolicyViolation;
            response.ErrorMessage = NoTransactions;
            return;
        }

        if (RecordBatch.IsTransactional(batch))
        {
            KafkaErrorCode error = server.Transactions.Append(transactionalId!, partition, adds: request.Version >= AddsPartitions, batch, asked, out outcome);
            if (error != KafkaErrorCode.None)
            {
                response.ErrorCode = ForVersion(error, request.Version);
                return;
            }
        }
        else
        {
            PartitionStatus status = partition.Append(batch, asked, out long baseOffset, out JournalPosition position, mayWriteThrough: true);
            outcome = new AppendOutcome(status, baseOffset, position);
        }

        if (outcome.Status == PartitionStatus.Ok)
        {
            pending.Count(RecordBatch.RecordCount(batch), batch.Length);
        }

        response.ErrorCode = KafkaErrors.Of(outcome.Status);
        response.ErrorMessage = outcome.Status == PartitionStatus.Refused ? "The queue refuses the records: it is full (x-max-length, x-max-length-bytes with overflow reject-publish), or one is too large for it." : response.ErrorMessage;
        response.BaseOffset = outcome.BaseOffset;
        response.LogStartOffset = partition.StartOffset;
        if (settings.UsesAppendTime)
        {
            response.LogAppendTimeMs = RecordBatch.MaxTimestamp(batch);
        }

        if (response.ErrorCode == KafkaErrorCode.None)
        {
            pending.WaitFor(partition, response, outcome.Position, asked);
        }
    }
}
