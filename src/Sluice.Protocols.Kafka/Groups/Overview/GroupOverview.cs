using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Groups.Overview;

/// <summary>The groups, for operators: who is in them, where they are and how much is before them. Thread-safe.</summary>
public sealed class GroupOverview
{
    private readonly GroupCoordinator _groups;
    private readonly ShareCoordinator _shares;
    private readonly Func<VirtualHost?> _host;

    internal GroupOverview(GroupCoordinator groups, ShareCoordinator shares, Func<VirtualHost?> host) => (_groups, _shares, _host) = (groups, shares, host);

    /// <summary>All groups but those that are not served after an error; Unavailable while they are still being read.</summary>
    public BrokerResult<GroupListing> List()
    {
        var looks = new List<GroupLook>();
        var failed = new List<int>();
        foreach (GroupShard shard in _groups.Shards)
        {
            switch (shard.Look(its => looks.AddRange(its.Groups.Select(group => GroupLook.At(group, its, _groups.Topics)))))
            {
                case KafkaErrorCode.None:
                    break;
                case KafkaErrorCode.CoordinatorLoadInProgress:
                    return Unavailable(KafkaErrorCode.CoordinatorLoadInProgress);
                default:
                    failed.Add(shard.Partition.Index);
                    break;
            }
        }

        Dictionary<SharePartitionKey, (long StartOffset, long DoneCount)> positions = _shares.Positions(groupId: null);
        return new GroupListing([.. looks.Select(look => Describe(look, positions)).OrderBy(static group => group.Name, StringComparer.Ordinal)], failed);
    }

    /// <summary>The group of that name. NotFound; Unavailable if that can't be told.</summary>
    public BrokerResult<GroupInfo> Find(string name)
    {
        GroupLook? look = null;
        KafkaErrorCode error = _groups.FindShard(name)?.Look(shard => look = shard.Find(name) is { } group ? GroupLook.At(group, shard, _groups.Topics) : null) ?? KafkaErrorCode.None;
        return error != KafkaErrorCode.None ? Unavailable(error)
            : look is null ? new BrokerResult(BrokerStatus.NotFound, $"there is no group '{name}'")
            : Describe(look, _shares.Positions(name));
    }

    private static BrokerResult Unavailable(KafkaErrorCode error) => new(
        BrokerStatus.Unavailable,
        error == KafkaErrorCode.CoordinatorLoadInProgress ? "the groups are still being read" : "a part of the groups is not served after an error; the broker's log has the details");

    private GroupInfo Describe(GroupLook look, Dictionary<SharePartitionKey, (long StartOffset, long DoneCount)> positions)
    {
        IEnumerable<GroupPosition> described = look.Type == Shares.ShareGroup.TypeName
            ? look.ShareTopics.SelectMany(topic => Enumerable.Range(0, topic.Partitions).Select(index => Describe(look.Name, topic, index, positions)))
            : look.Offsets.Keys.Union(look.Members.SelectMany(static member => member.Assigned).Select(static partition => new TopicIndex(partition.Topic, partition.Partition)))
                .Select(partition => Describe(partition, look.Offsets.GetValueOrDefault(partition)));
        return new GroupInfo(
            look.Name,
            look.Type,
            look.State,
            look.Protocol,
            [.. look.Members.OrderBy(static member => member.Id, StringComparer.Ordinal)],
            [.. described.OrderBy(static position => position.Topic, StringComparer.Ordinal).ThenBy(static position => position.Partition)]);
    }

    private GroupPosition Describe(TopicIndex partition, CommittedOffset? committed)
    {
        TopicPartition? log = _host()?.FindTopic(partition.Topic)?.FindPartition(partition.Partition);

        // An offset of an earlier topic of that name says nothing of this one.
        long? offset = committed is null || (log is not null && committed.TopicId != Guid.Empty && committed.TopicId != log.Topic.Id) ? null : committed.Offset;
        long? end = log?.FindReadableEnd(out _).Offset;
        return new GroupPosition(partition.Topic, partition.Partition, offset, end, end - offset is { } lag ? Math.Max(0, lag) : null);
    }

    private GroupPosition Describe(string group, GroupTopic topic, int index, Dictionary<SharePartitionKey, (long StartOffset, long DoneCount)> positions)
    {
        long? end = _host()?.FindTopic(topic.Id)?.FindPartition(index)?.FindReadableEnd(out _).Offset;
        bool isKnown = positions.TryGetValue(new SharePartitionKey(group, topic.Id, index), out (long StartOffset, long DoneCount) position);
        return new GroupPosition(topic.Name, index, isKnown ? position.StartOffset : null, end, isKnown && end is { } known ? Math.Max(0, known - position.StartOffset - position.DoneCount) : null);
    }
}
