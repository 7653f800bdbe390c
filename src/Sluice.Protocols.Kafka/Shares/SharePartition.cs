using System.Buffers.Text;
using Sluice.Broker.Shares;
using Sluice.Protocols.Kafka.Groups;

namespace Sluice.Protocols.Kafka.Shares;

/// <summary>A partition, as a share group has its position in it.</summary>
/// <param name="GroupId">The group.</param>
/// <param name="TopicId">The topic, unique over all times.</param>
/// <param name="Index">The partition's.</param>
internal readonly record struct SharePartitionKey(string GroupId, Guid TopicId, int Index)
{
    /// <summary>By which Kafka finds the partition of the internal topic that keeps it.</summary>
    public override string ToString()
    {
        Span<byte> id = stackalloc byte[16];
        TopicId.TryWriteBytes(id, bigEndian: true, out _);
        return $"{GroupId}:{Base64Url.EncodeToString(id)}:{Index}";
    }
}

/// <summary>What is known of the position of a share group in a partition, and who waits for it to change. Guarded by its shard's lock, which the methods of the interface take.</summary>
internal sealed class SharePartition(ShareShard shard, SharePartitionKey key, long startOffset) : ISharePosition
{
    private readonly List<IShareListener> _listeners = [];

    public ShareShard Shard => shard;

    public SharePartitionKey Key => key;

    public ShareCursor Cursor { get; } = new(startOffset);

    /// <summary>As in the last record about it.</summary>
    public long KeptStartOffset { get; set; } = -1;

    /// <summary>That there is such a position is kept.</summary>
    public bool IsKept { get; set; }

    /// <summary>Raised whenever all is written anew.</summary>
    public int SnapshotEpoch { get; set; } = -1;

    /// <summary>Of the group, when the position was set last.</summary>
    public int StateEpoch { get; set; }

    /// <summary>It is no more: whoever has it must look for another.</summary>
    public bool IsGone { get; set; }

    /// <summary>Due when the first lock ends.</summary>
    public GroupTimer? LockTimer { get; set; }

    bool ISharePosition.ReadsCommitted => shard.SettingsOf(this).ReadsCommitted;

    bool ISharePosition.TryPlan(object member, long logStartOffset, out long? offset) => shard.TryPlan(this, member, logStartOffset, out offset);

    bool ISharePosition.TryTake(object member, long fetchOffset, long offset, out int deliveryCount) => shard.TryTake(this, member, fetchOffset, offset, out deliveryCount);

    void ISharePosition.Settle(object member, ReadOnlySpan<long> offsets, AcknowledgeType type) => shard.Settle(this, member, offsets, type);

    void ISharePosition.AddListener(IShareListener listener) => shard.AddListener(this, listener);

    void ISharePosition.RemoveListener(IShareListener listener) => shard.RemoveListener(this, listener);

    /// <summary>Tells of every change that may make records available, until it is removed.</summary>
    public void AddListener(IShareListener listener) => _listeners.Add(listener);

    public void RemoveListener(IShareListener listener) => _listeners.Remove(listener);

    public void Notify()
    {
        foreach (IShareListener listener in _listeners)
        {
            listener.OnChanged();
        }
    }
}
