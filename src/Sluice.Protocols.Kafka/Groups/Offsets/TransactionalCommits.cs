using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Offsets;

/// <summary>TxnOffsetCommit: offsets that count when the transaction that they are a part of is committed (KIP-98, KIP-447). Under the shard's lock.</summary>
internal sealed class TransactionalCommits(GroupShard shard, GroupContext context)
{
    /// <summary>Commits what is allowed and says of each partition what became of it. The turn is one of the transaction's producer.</summary>
    public void Commit(TxnOffsetCommitRequest request, IReadOnlyList<CommitItem> items, GroupTurn turn)
    {
        KafkaErrorCode error = Check(request);
        foreach (CommitItem item in items)
        {
            string metadata = item.Request.CommittedMetadata ?? "";
            item.Result.ErrorCode = error != KafkaErrorCode.None ? error
                : metadata.Length > context.Options.OffsetMetadataMax ? KafkaErrorCode.OffsetMetadataTooLarge
                : KafkaErrorCode.None;
            if (item.Result.ErrorCode == KafkaErrorCode.None)
            {
                var offset = new CommittedOffset(item.Request.CommittedOffset, item.Request.CommittedLeaderEpoch, metadata, context.NowMs, ExpireMs: -1, item.Topic.Id);
                shard.EmitAndApply(turn, offset.ToRecord(request.GroupId, item.Topic.Name, item.Request.PartitionIndex));
            }
        }
    }

    private KafkaErrorCode Check(TxnOffsetCommitRequest request)
    {
        Group? group = shard.Find(request.GroupId);
        if (group is null && request.GenerationId >= 0)
        {
            return KafkaErrorCode.IllegalGeneration;
        }

        if (group is null || (request.GenerationId < 0 && request.MemberId.Length == 0 && request.GroupInstanceId is null))
        {
            // Before KIP-447 producers did not say for which member they commit.
            return KafkaErrorCode.None;
        }

        return group.CheckCommit(request.MemberId, request.GroupInstanceId, request.GenerationId, short.MaxValue) switch
        {
            KafkaErrorCode.StaleMemberEpoch => KafkaErrorCode.IllegalGeneration,

            // It is a member of this generation, and what it has read was assigned to it before.
            KafkaErrorCode.RebalanceInProgress => KafkaErrorCode.None,
            var error => error,
        };
    }
}
