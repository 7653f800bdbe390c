using Sluice.Protocols.Kafka.Groups.Classic;
using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Groups.Migration;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Groups.Shares;

namespace Sluice.Protocols.Kafka.Groups.Overview;

/// <summary>What a look at one group under its shard's lock brings; all else is found out without it.</summary>
internal sealed record GroupLook(
    string Name, string Type, string State, string Protocol, IReadOnlyList<GroupMemberInfo> Members, IReadOnlyDictionary<TopicIndex, CommittedOffset> Offsets, IReadOnlyList<GroupTopic> ShareTopics)
{
    /// <summary>Under the shard's lock.</summary>
    public static GroupLook At(Group group, GroupShard shard, IGroupTopics topics) => new(
        group.Id,
        group.Type,
        group.StateName,
        group switch
        {
            ClassicGroup classic => classic.ProtocolName ?? "",
            ConsumerGroup consumers => AssignorOf(consumers),
            _ => ShareTargets.Assignor.Name,
        },
        group switch
        {
            ClassicGroup classic => [.. classic.Members.Select(member => Describe(classic, member))],
            ConsumerGroup consumers => [.. consumers.Members.Values.Select(member => new GroupMemberInfo(member.Id, member.InstanceId, member.ClientId, member.ClientHost, Names(member.Assigned, topics)))],
            ShareGroup shares => [.. shares.Members.Values.Select(member => new GroupMemberInfo(member.Id, null, member.ClientId, member.ClientHost, Names(member.Assigned, topics)))],
            _ => [],
        },
        new Dictionary<TopicIndex, CommittedOffset>(shard.Offsets.Of(group.Id)),
        group is ShareGroup share ? [.. share.Topics.Values] : []);

    private static string AssignorOf(ConsumerGroup group) =>
        group.Members.Values.Select(static member => member.Assignor).OfType<string>().FirstOrDefault(HeartbeatCheck.Assignors[0].Name);

    private static GroupMemberInfo Describe(ClassicGroup group, ClassicMember member)
    {
        bool isReadable = group.State == ClassicGroupState.Stable && group.Protocol == EmbeddedProtocol.Type;
        IEnumerable<(string, int)> assigned = isReadable && EmbeddedProtocol.ReadAssignment(member.Assignment) is { } assignment
            ? assignment.AssignedPartitions.SelectMany(static topic => topic.Partitions.Select(index => (topic.Topic, index)))
            : [];
        return new GroupMemberInfo(member.Id, member.InstanceId, member.ClientId, member.ClientHost, [.. assigned]);
    }

    private static IReadOnlyList<(string Topic, int Partition)> Names(PartitionSet partitions, IGroupTopics topics) =>
        [.. partitions.Select(partition => (topics.Find(partition.Topic)?.Name, partition.Index)).Where(static partition => partition.Name is not null).Select(static partition => (partition.Name!, partition.Index))];
}
