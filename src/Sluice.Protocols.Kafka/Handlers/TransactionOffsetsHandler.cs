using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>TxnOffsetCommit: a consumer group's offsets that are a part of a transaction.</summary>
internal sealed class TransactionOffsetsHandler(KafkaServer server)
{
    private const short KnowsLoading = 2, KnowsAbortable = 4, AddsOffsets = 5;

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, TxnOffsetCommitRequest body)
    {
        KafkaErrorCode refusal = !request.AllowsTransactionalId(AclOperation.Write, body.TransactionalId) ? KafkaErrorCode.TransactionalIdAuthorizationFailed
            : !request.AllowsGroup(AclOperation.Read, body.GroupId) ? KafkaErrorCode.GroupAuthorizationFailed
            : KafkaErrorCode.None;
        var items = new List<CommitItem>();
        var taken = new List<TxnOffsetCommitResponse.TxnOffsetCommitResponsePartition>();
        var topics = new TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic[body.Topics.Length];
        for (int i = 0; i < topics.Length; i++)
        {
            topics[i] = new TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic
            {
                Name = body.Topics[i].Name,
                Partitions = [.. body.Topics[i].Partitions.Select(partition => Take(request, body.Topics[i].Name, partition, refusal, items, taken))],
            };
        }

        if (items.Count > 0)
        {
            await server.Transactions.CommitOffsetsAsync(body, adds: request.Version >= AddsOffsets, items).ConfigureAwait(false);
            for (int i = 0; i < items.Count; i++)
            {
                taken[i].ErrorCode = ForVersion(items[i].Result.ErrorCode, request.Version);
            }
        }

        return new TxnOffsetCommitResponse { Topics = topics };
    }

    private static KafkaErrorCode ForVersion(KafkaErrorCode error, short version) => error switch
    {
        KafkaErrorCode.CoordinatorLoadInProgress when version < KnowsLoading => KafkaErrorCode.CoordinatorNotAvailable,
        KafkaErrorCode.TransactionAbortable when version < KnowsAbortable => KafkaErrorCode.InvalidTxnState,
        KafkaErrorCode.ProducerFenced => KafkaErrorCode.InvalidProducerEpoch,
        _ => error,
    };

    /// <summary>Notes what is to be committed, or says why it is not.</summary>
    private TxnOffsetCommitResponse.TxnOffsetCommitResponsePartition Take(KafkaRequest request, string topic, TxnOffsetCommitRequest.TxnOffsetCommitRequestPartition wanted, KafkaErrorCode refusal, List<CommitItem> items, List<TxnOffsetCommitResponse.TxnOffsetCommitResponsePartition> taken)
    {
        GroupTopic? known = server.Groups.Topics.Find(topic);
        var result = new TxnOffsetCommitResponse.TxnOffsetCommitResponsePartition
        {
            PartitionIndex = wanted.PartitionIndex,
            ErrorCode = refusal != KafkaErrorCode.None ? refusal
                : !request.AllowsTopic(AclOperation.Read, topic) ? KafkaErrorCode.TopicAuthorizationFailed
                : known is null || (uint)wanted.PartitionIndex >= (uint)known.Value.Partitions ? KafkaErrorCode.UnknownTopicOrPartition
                : KafkaErrorCode.None,
        };
        if (result.ErrorCode == KafkaErrorCode.None)
        {
            taken.Add(result);
            items.Add(new CommitItem(
                known!.Value,
                new OffsetCommitRequest.OffsetCommitRequestPartition
                {
                    PartitionIndex = wanted.PartitionIndex,
                    CommittedOffset = wanted.CommittedOffset,
                    CommittedLeaderEpoch = wanted.CommittedLeaderEpoch,
                    CommittedMetadata = wanted.CommittedMetadata,
                },
                new OffsetCommitResponse.OffsetCommitResponsePartition { PartitionIndex = wanted.PartitionIndex }));
        }

        return result;
    }
}
