using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Shares;

/// <summary>What the records of one partition of the internal topic say: where share groups are. Guarded by the shard's lock.</summary>
internal sealed class ShareTable(ShareShard shard)
{
    private readonly Dictionary<SharePartitionKey, SharePartition> _partitions = [];

    public IReadOnlyCollection<SharePartition> Partitions => _partitions.Values;

    public SharePartition? Find(SharePartitionKey key) => _partitions.GetValueOrDefault(key);

    public SharePartition Add(SharePartitionKey key, long startOffset)
    {
        var partition = new SharePartition(shard, key, startOffset);
        _partitions.Add(key, partition);
        return partition;
    }

    /// <summary>The group has no position there any more: whoever has it is told, and that it is so is emitted.</summary>
    public void End(SharePartition partition, GroupTurn turn)
    {
        _partitions.Remove(partition.Key);
        partition.IsGone = true;
        GroupTimers.Cancel(partition.LockTimer);
        turn.Emit(ShareStateRecords.None(partition.Key));
        partition.Notify();
    }

    /// <summary>Adds where the groups of that name, or all, are: the start, and how much of what follows is done.</summary>
    public void Collect(string? groupId, Dictionary<SharePartitionKey, (long StartOffset, long DoneCount)> positions)
    {
        foreach (SharePartition partition in Partitions.Where(partition => groupId is null || partition.Key.GroupId == groupId))
        {
            positions[partition.Key] = (partition.Cursor.StartOffset, partition.Cursor.DoneCount);
        }
    }

    /// <summary>Tells everyone who has a position that things have changed for all of them.</summary>
    public void NotifyAll()
    {
        foreach (SharePartition partition in Partitions)
        {
            partition.Notify();
        }
    }

    /// <summary>Does what a record says that was read.</summary>
    public void Apply(GroupRecord record)
    {
        SharePartitionKey key = ShareStateRecords.KeyOf(record);
        switch (record.Value)
        {
            case ShareSnapshotValue value:
                SharePartition partition = Find(key) ?? Add(key, value.StartOffset);
                partition.Cursor.Reset(value.StartOffset);
                partition.Cursor.Restore(value.StartOffset, ShareStateRecords.RunsOf(value));
                partition.SnapshotEpoch = value.SnapshotEpoch;
                partition.StateEpoch = value.StateEpoch;
                partition.IsKept = true;
                partition.KeptStartOffset = partition.Cursor.StartOffset;
                break;
            case ShareUpdateValue value:
                // What it is an update of may be cut off; then all is said again further on.
                SharePartition updated = Find(key) ?? Add(key, Math.Max(value.StartOffset, 0));
                updated.Cursor.Restore(value.StartOffset, ShareStateRecords.RunsOf(value));
                updated.IsKept = true;
                updated.KeptStartOffset = updated.Cursor.StartOffset;
                break;
            default:
                _partitions.Remove(key);
                break;
        }
    }
}
