using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Groups.Consumers.Assignors;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>Notices what changes the assignment of a consumer group, its members or its topics, and computes it anew. Under the shard's lock.</summary>
internal sealed class ConsumerTargets(GroupShard shard, GroupContext context)
{
    /// <summary>How long a group may work with topics as they were.</summary>
    private const int RefreshMs = 1000;

    /// <summary>Notices what has changed and computes the assignment anew if it must be and may be again.</summary>
    /// <param name="group">The group.</param>
    /// <param name="isChanged">A member's subscription is another than before.</param>
    /// <param name="mayDescribe">Whether the client that causes it may know of a topic; null: regular expressions are not matched for it.</param>
    /// <param name="turn">What it leads to.</param>
    public void Update(ConsumerGroup group, bool isChanged, Func<string, bool>? mayDescribe, GroupTurn turn)
    {
        Refresh(group, isChanged, mayDescribe, turn);
        if (group.Epoch > group.TargetEpoch && AssignmentInterval.IsOver(group.TargetMs, context.Configs.ConsumersOf(group.Id).AssignmentIntervalMs ?? context.Options.AssignmentIntervalMs, context.NowMs))
        {
            Compute(group, turn);
        }
    }

    /// <summary>A number that changes with the topics that the members read: which there are, and how many partitions they have.</summary>
    public long HashOf(ConsumerGroup group) => TopicHash.Of(TopicsOf(group));

    /// <summary>Raises the group's epoch if a member's subscription has changed, or what there is of its topics.</summary>
    private void Refresh(ConsumerGroup group, bool isChanged, Func<string, bool>? mayDescribe, GroupTurn turn)
    {
        long now = context.Timers.NowMs;
        if (!isChanged && now < group.RefreshMs)
        {
            return;
        }

        group.RefreshMs = now + RefreshMs;
        if (mayDescribe is not null)
        {
            Match(group, mayDescribe, turn);
        }

        long hash = HashOf(group);
        if (isChanged || hash != group.MetadataHash)
        {
            shard.EmitAndApply(turn, ConsumerRecords.Epoch(group.Id, group.Epoch + 1, hash));
        }
    }

    /// <summary>Who is to have what from now on.</summary>
    private void Compute(ConsumerGroup group, GroupTurn turn)
    {
        string name = group.Members.Values.Select(static member => member.Assignor).OfType<string>().CountBy(static name => name, StringComparer.Ordinal)
            .OrderByDescending(static votes => votes.Value).ThenBy(static votes => votes.Key, StringComparer.Ordinal).Select(static votes => votes.Key)
            .FirstOrDefault(HeartbeatCheck.Assignors[0].Name);
        IPartitionAssignor assignor = HeartbeatCheck.Assignors.First(known => known.Name == name);
        var topics = new Dictionary<string, GroupTopic>(StringComparer.Ordinal);
        foreach (GroupTopic topic in TopicsOf(group))
        {
            topics[topic.Name] = topic;
        }

        AssigneeMember[] members = [.. group.Members.Values.Select(member => new AssigneeMember(
            member.Id,
            member.InstanceId,
            group.TopicsOf(member).Where(topics.ContainsKey).Select(topic => topics[topic].Id).ToHashSet(),
            group.TargetOf(member.Id)))];
        IReadOnlyDictionary<string, PartitionSet> targets = assignor.Assign(members, topics.Values.ToDictionary(static topic => topic.Id, static topic => topic.Partitions));
        foreach ((string memberId, PartitionSet target) in targets)
        {
            if (!group.HasTarget(memberId) || !group.TargetOf(memberId).Equals(target))
            {
                shard.EmitAndApply(turn, ConsumerRecords.Target(group.Id, memberId, target));
            }
        }

        shard.EmitAndApply(turn, ConsumerRecords.TargetEpoch(group.Id, group.Epoch, context.NowMs));
        context.Logger.LogInformation("Group {Group}: assignment {Epoch} by {Assignor} for {Members} members", group.Id, group.Epoch, assignor.Name, members.Length);
    }

    private IEnumerable<GroupTopic> TopicsOf(ConsumerGroup group) =>
        group.Members.Values.SelectMany(group.TopicsOf).Distinct(StringComparer.Ordinal).Select(context.Topics.Find).OfType<GroupTopic>();

    /// <summary>
    /// Matches regular expressions that are new, and all of them when other topics have come or gone. What an expression matches is the same for all members; topics that the
    /// member who causes it may not know of are left out.
    /// </summary>
    private void Match(ConsumerGroup group, Func<string, bool> mayDescribe, GroupTurn turn)
    {
        HashSet<string> wanted = group.Members.Values.Select(static member => member.TopicRegex).OfType<string>().ToHashSet(StringComparer.Ordinal);
        foreach (string gone in group.Patterns.Keys.Where(regex => !wanted.Contains(regex)).ToArray())
        {
            shard.EmitAndApply(turn, ConsumerRecords.NoRegex(group.Id, gone));
        }

        if (wanted.Count == 0)
        {
            return;
        }

        string[] names = [.. context.Topics.All.Select(static topic => topic.Name).Order(StringComparer.Ordinal)];
        long hash = TopicHash.Of(names);
        bool isStale = hash != group.PatternHash;
        group.PatternHash = hash;
        foreach (string regex in wanted.Where(regex => isStale || !group.Patterns.ContainsKey(regex)))
        {
            HashSet<string> matched = LinearPattern.Match(regex, names.Where(mayDescribe));
            if (!group.Patterns.TryGetValue(regex, out HashSet<string>? before) || !before.SetEquals(matched))
            {
                shard.EmitAndApply(turn, ConsumerRecords.Regex(group.Id, regex, matched.Order(StringComparer.Ordinal), context.NowMs));
            }
        }
    }
}
