using Sluice.Protocols.Kafka.Groups.Classic;
using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Groups.Shares;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>What the records of one partition of the internal topic say: its groups and their offsets. Guarded by the shard's lock.</summary>
/// <param name="nowMs">Unix time.</param>
internal sealed class GroupTable(Func<long> nowMs)
{
    private readonly Dictionary<string, Group> _groups = new(StringComparer.Ordinal);

    public IReadOnlyCollection<Group> Groups => _groups.Values;

    public CommittedOffsets Offsets { get; } = new();

    /// <summary>Offsets of transactions that have not ended.</summary>
    public PendingOffsets Pending { get; } = new();

    public Group? Find(string groupId) => _groups.GetValueOrDefault(groupId);

    public ClassicGroup AddClassic(string groupId)
    {
        var group = new ClassicGroup(groupId, nowMs());
        Add(group);
        return group;
    }

    /// <summary>There is none of its name.</summary>
    public void Add(Group group) => _groups.Add(group.Id, group);

    public void Remove(string groupId) => Replace(groupId, null);

    /// <summary>A producer's transaction ends: its offsets count, or never were.</summary>
    public void EndTransaction(long producerId, bool isCommit)
    {
        foreach ((string group, TopicIndex key, CommittedOffset offset) in Pending.Take(producerId))
        {
            if (isCommit)
            {
                PutOffset(group, key, offset);
            }
        }
    }

    /// <summary>Does what a record says.</summary>
    /// <param name="record">Emitted now, or read from the topic.</param>
    /// <param name="producerId">Of whose transaction it is a part; else <see cref="RecordBatch.NoProducerId"/>.</param>
    public void Apply(GroupRecord record, long producerId)
    {
        switch (record.Key)
        {
            case OffsetCommitKey key when record.Value is OffsetCommitValue value && producerId != RecordBatch.NoProducerId:
                if (!_groups.ContainsKey(key.Group))
                {
                    AddClassic(key.Group);
                }

                Pending.Put(producerId, key.Group, new TopicIndex(key.Topic, key.Partition), CommittedOffset.Restore(value));
                break;
            case OffsetCommitKey key when record.Value is OffsetCommitValue value:
                // Whatever becomes of a transaction, this came later.
                Pending.Remove(key.Group, new TopicIndex(key.Topic, key.Partition));
                PutOffset(key.Group, new TopicIndex(key.Topic, key.Partition), CommittedOffset.Restore(value));
                break;
            case OffsetCommitKey key:
                Pending.Remove(key.Group, new TopicIndex(key.Topic, key.Partition));
                Offsets.Remove(key.Group, key.Topic, key.Partition);
                break;
            case GroupMetadataKey key when record.Value is GroupMetadataValue value:
                Replace(key.Group, ClassicGroup.Restore(key.Group, value));
                break;
            case GroupMetadataKey key when Find(key.Group) is ClassicGroup:
                Replace(key.Group, null);
                break;
            case GroupMetadataKey:
                break;
            case ConsumerGroupMetadataKey key when record.Value is ConsumerGroupMetadataValue value:
                AddConsumer(key.GroupId).Apply(value);
                break;
            case ConsumerGroupMetadataKey key when Find(key.GroupId) is ConsumerGroup:
                Replace(key.GroupId, null);
                break;
            case ConsumerGroupMetadataKey:
                break;
            case ConsumerGroupMemberMetadataKey key:
                ApplyToConsumer(key.GroupId, record);
                break;
            case ConsumerGroupTargetAssignmentMetadataKey key:
                ApplyToConsumer(key.GroupId, record);
                break;
            case ConsumerGroupTargetAssignmentMemberKey key:
                ApplyToConsumer(key.GroupId, record);
                break;
            case ConsumerGroupCurrentMemberAssignmentKey key:
                ApplyToConsumer(key.GroupId, record);
                break;
            case ConsumerGroupRegularExpressionKey key:
                ApplyToConsumer(key.GroupId, record);
                break;
            case ShareGroupMetadataKey key when record.Value is ShareGroupMetadataValue value:
                AddShare(key.GroupId).Apply(value);
                break;
            case ShareGroupMetadataKey key when Find(key.GroupId) is ShareGroup:
                Replace(key.GroupId, null);
                break;
            case ShareGroupMetadataKey:
                break;
            case ShareGroupMemberMetadataKey key:
                ApplyToShare(key.GroupId, record);
                break;
            case ShareGroupTargetAssignmentMetadataKey key:
                ApplyToShare(key.GroupId, record);
                break;
            case ShareGroupTargetAssignmentMemberKey key:
                ApplyToShare(key.GroupId, record);
                break;
            case ShareGroupCurrentMemberAssignmentKey key:
                ApplyToShare(key.GroupId, record);
                break;
            case ShareGroupStatePartitionMetadataKey key:
                ApplyToShare(key.GroupId, record);
                break;
            default:
                throw new InvalidOperationException($"a record of type {record.Key.GetType().Name}");
        }
    }

    /// <summary>Compaction may have removed what came before, so a part may be read before its group; what is taken away from a group that is not there is nothing.</summary>
    private void ApplyToConsumer(string groupId, GroupRecord record)
    {
        if (record.Value is not null || Find(groupId) is ConsumerGroup)
        {
            AddConsumer(groupId).Apply(record);
        }
    }

    /// <summary>As <see cref="ApplyToConsumer"/>.</summary>
    private void ApplyToShare(string groupId, GroupRecord record)
    {
        if (record.Value is not null || Find(groupId) is ShareGroup)
        {
            AddShare(groupId).Apply(record);
        }
    }

    private ShareGroup AddShare(string groupId)
    {
        if (Find(groupId) is ShareGroup known)
        {
            return known;
        }

        var group = new ShareGroup(groupId);
        Replace(groupId, group);
        return group;
    }

    /// <summary>The group of that name, in the place of a classic one if there is such.</summary>
    private ConsumerGroup AddConsumer(string groupId)
    {
        if (Find(groupId) is ConsumerGroup known)
        {
            return known;
        }

        var group = new ConsumerGroup(groupId);
        Replace(groupId, group);
        return group;
    }

    private void Replace(string groupId, Group? group)
    {
        if (_groups.Remove(groupId, out Group? before))
        {
            before.Close();
        }

        if (group is not null)
        {
            _groups.Add(groupId, group);
        }
    }

    private void PutOffset(string group, TopicIndex key, CommittedOffset offset)
    {
        if (!_groups.ContainsKey(group))
        {
            AddClassic(group);
        }

        Offsets.Put(group, key.Topic, key.Partition, offset);
    }
}
