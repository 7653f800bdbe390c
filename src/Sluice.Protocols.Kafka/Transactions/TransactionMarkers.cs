using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Storage;
using Sluice.Storage.Producers;

namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>
/// Appends the markers that end a transaction to all of its partitions, and what else belongs to it, as one journal group; the shards of consumer groups among them learn of
/// it under their locks, so that they see it where it is in their partitions. Thread-safe.
/// </summary>
internal sealed class TransactionMarkers(LogStore store, GroupCoordinator groups, TimeProvider clock)
{
    /// <summary>Appends all or nothing.</summary>
    /// <param name="partitions">Where the transaction may have written; those whose topic is gone are passed over.</param>
    /// <param name="producer">Whose transaction it is, and the epoch of the markers.</param>
    /// <param name="isCommit">Else it is rolled back.</param>
    /// <param name="coordinatorEpoch">Of the coordinator that says so.</param>
    /// <param name="state">What else is appended with them; null: nothing.</param>
    /// <param name="promise">What is waited for.</param>
    /// <param name="position">For <see cref="LogStore.NotifyWhenKept"/>.</param>
    /// <param name="check">See <see cref="PartitionGroup.Commit"/>.</param>
    public KafkaErrorCode Append(
        IReadOnlyCollection<TopicPartition> partitions,
        ProducerIdentity producer,
        bool isCommit,
        int coordinatorEpoch,
        (TopicPartition Partition, ReadOnlyMemory<byte> Batch)? state,
        Durability promise,
        out JournalPosition position,
        Func<TopicPartition, PartitionStatus>? check = null)
    {
        var group = new PartitionGroup(store);
        byte[] marker = new EndTransactionMarker(isCommit, coordinatorEpoch, clock.GetUtcNow().ToUnixTimeMilliseconds()).ToBatch(producer.Id, producer.Epoch);
        foreach (TopicPartition partition in partitions)
        {
            group.Add(partition, marker);
        }

        if (state is { } kept)
        {
            group.Add(kept.Partition, kept.Batch);
        }

        GroupShard[] shards = [.. partitions.Select(groups.ShardOf).OfType<GroupShard>().OrderBy(static shard => shard.Partition.Index)];
        int entered = 0;
        position = JournalPosition.None;
        try
        {
            for (; entered < shards.Length; entered++)
            {
                shards[entered].Enter();
            }

            if (Array.Exists(shards, static shard => shard.IsLoading))
            {
                return KafkaErrorCode.CoordinatorLoadInProgress;
            }

            PartitionStatus status = group.Commit(promise, out position, out TopicPartition? failed, check);
            if (status != PartitionStatus.Ok)
            {
                return status != PartitionStatus.Failed ? KafkaErrors.Of(status)
                    : failed is null ? KafkaErrorCode.NotCoordinator : KafkaErrorCode.CoordinatorNotAvailable;
            }

            foreach (GroupShard shard in shards)
            {
                shard.EndTransaction(producer.Id, isCommit, position);
            }

            return KafkaErrorCode.None;
        }
        finally
        {
            while (entered > 0)
            {
                shards[--entered].Exit();
            }
        }
    }
}
