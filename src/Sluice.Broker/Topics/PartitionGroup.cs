using Sluice.Storage;

namespace Sluice.Broker.Topics;

/// <summary>
/// Appends to several partitions that are kept together or not at all, also over a crash: one journal group. Whatever can refuse it is asked with the gates of all
/// partitions held, before the first append. For one use; one thread.
/// </summary>
public sealed class PartitionGroup(LogStore store)
{
    private readonly List<Part> _parts = [];

    /// <summary>Nothing is to be appended.</summary>
    public bool IsEmpty => _parts.Count == 0;

    /// <summary>Adds a batch to what is appended.</summary>
    /// <param name="partition">A partition may come several times; its batches keep their order.</param>
    /// <param name="batch">One whole, checked record batch of version 2.</param>
    public void Add(TopicPartition partition, ReadOnlyMemory<byte> batch) => _parts.Add(new Part(partition, batch));

    /// <summary>Appends all, or nothing. What is gone by now, because its topic was deleted, is passed over.</summary>
    /// <param name="promise">What is waited for.</param>
    /// <param name="position">For <see cref="LogStore.NotifyWhenKept"/>.</param>
    /// <param name="failed">The partition that refuses; null with <see cref="PartitionStatus.Failed"/>: the journal does.</param>
    /// <param name="check">Asked of each partition, those that are gone included, whether it takes what is appended; nothing changes there before the append. Null: all do.</param>
    public PartitionStatus Commit(Durability promise, out JournalPosition position, out TopicPartition? failed, Func<TopicPartition, PartitionStatus>? check = null)
    {
        position = JournalPosition.None;
        TopicPartition[] partitions = [.. _parts.Select(static part => part.Partition).Distinct().OrderBy(static partition => partition.Queue.Sequence)];
        int entered = 0;
        try
        {
            for (; entered < partitions.Length; entered++)
            {
                Monitor.Enter(partitions[entered].Queue.Gate);
            }

            failed = store.Failure is null ? Array.Find(partitions, static partition => partition.IsOpen && partition.Failure is not null) : null;
            if (failed is not null || store.Failure is not null)
            {
                return PartitionStatus.Failed;
            }

            foreach (TopicPartition partition in check is null ? [] : partitions)
            {
                PartitionStatus status = check!(partition);
                if (status != PartitionStatus.Ok)
                {
                    failed = partition;
                    return status;
                }
            }

            using JournalGroup group = store.BeginGroup();
            foreach (Part part in _parts)
            {
                if (part.Partition.IsOpen)
                {
                    part.Partition.Append(part.Batch.Span, promise, group);
                }
            }

            position = group.Commit();
        }
        finally
        {
            while (entered > 0)
            {
                Monitor.Exit(partitions[--entered].Queue.Gate);
            }
        }

        foreach (TopicPartition partition in partitions)
        {
            lock (partition.Queue.Gate)
            {
                partition.Queue.AfterAppend();
            }
        }

        return PartitionStatus.Ok;
    }

    private readonly record struct Part(TopicPartition Partition, ReadOnlyMemory<byte> Batch);
}
