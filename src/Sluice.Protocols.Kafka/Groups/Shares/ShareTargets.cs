using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Groups.Consumers.Assignors;

namespace Sluice.Protocols.Kafka.Groups.Shares;

/// <summary>Notices what changes the assignment of a share group, its members or its topics, and computes it anew. Under the shard's lock.</summary>
internal sealed class ShareTargets(GroupShard shard, GroupContext context)
{
    /// <summary>How long a group may work with topics as they were.</summary>
    private const int RefreshMs = 1000;

    /// <summary>The only one there is.</summary>
    public static IPartitionAssignor Assignor { get; } = new SimpleAssignor();

    /// <summary>Raises the group's epoch if a member's subscription has changed, or what there is of its topics, and says who is to have what then.</summary>
    public void Refresh(ShareGroup group, bool isChanged, GroupTurn turn)
    {
        long now = context.Timers.NowMs;
        if (isChanged || now >= group.RefreshMs)
        {
            group.RefreshMs = now + RefreshMs;
            long hash = HashOf(group);
            if (isChanged || hash != group.MetadataHash)
            {
                shard.EmitAndApply(turn, ShareRecords.Epoch(group.Id, group.Epoch + 1, hash));
            }
        }

        if (group.Epoch > group.TargetEpoch && AssignmentInterval.IsOver(group.TargetMs, context.Configs.SharesOf(group.Id).AssignmentIntervalMs ?? context.Options.AssignmentIntervalMs, context.NowMs))
        {
            Compute(group, turn);
        }
    }

    /// <summary>A number that changes with the topics that the members read: which there are, and how many partitions they have.</summary>
    public long HashOf(ShareGroup group) => TopicHash.Of(TopicsOf(group));

    private IEnumerable<GroupTopic> TopicsOf(ShareGroup group) =>
        group.Members.Values.SelectMany(static member => member.TopicNames).Distinct(StringComparer.Ordinal).Select(context.Topics.Find).OfType<GroupTopic>();

    private void Compute(ShareGroup group, GroupTurn turn)
    {
        var topics = TopicsOf(group).ToDictionary(static topic => topic.Name, StringComparer.Ordinal);
        AssigneeMember[] members = [.. group.Members.Values.Select(member => new AssigneeMember(
            member.Id,
            null,
            member.TopicNames.Where(topics.ContainsKey).Select(topic => topics[topic].Id).ToHashSet(),
            group.TargetOf(member.Id)))];
        IReadOnlyDictionary<string, PartitionSet> targets = Assignor.Assign(members, topics.Values.ToDictionary(static topic => topic.Id, static topic => topic.Partitions));
        foreach ((string memberId, PartitionSet target) in targets)
        {
            if (!group.HasTarget(memberId) || !group.TargetOf(memberId).Equals(target))
            {
                shard.EmitAndApply(turn, ShareRecords.Target(group.Id, memberId, target));
            }
        }

        shard.EmitAndApply(turn, ShareRecords.TargetEpoch(group.Id, group.Epoch, context.NowMs));
        if (topics.Values.Any(topic => group.Topics.GetValueOrDefault(topic.Id) != topic))
        {
            shard.EmitAndApply(turn, ShareRecords.Positions(group.Id, group.Topics.Values.Where(topic => !topics.ContainsKey(topic.Name) || topics[topic.Name].Id != topic.Id).Concat(topics.Values)));
        }

        context.Logger.LogInformation("Share group {Group}: assignment {Epoch} for {Members} members", group.Id, group.Epoch, members.Length);
    }
}
