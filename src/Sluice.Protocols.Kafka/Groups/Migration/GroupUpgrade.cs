using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Groups.Classic;
using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Migration;

/// <summary>
/// Makes a consumer group of a classic one that has members (KIP-848): they keep their ids, their generation becomes their epoch, and what they had assigned is what they have and
/// are to have. Under the shard's lock.
/// </summary>
internal sealed class GroupUpgrade(GroupShard shard, GroupContext context, ClassicRebalance rebalance)
{
    /// <summary>Looks at whether it can be done; nothing is changed.</summary>
    /// <param name="group">The classic group.</param>
    /// <param name="members">As they will be.</param>
    /// <param name="problem">Why not, for the client.</param>
    public bool TryPrepare(ClassicGroup group, [NotNullWhen(true)] out ConsumerMember[]? members, [NotNullWhen(false)] out string? problem)
    {
        members = null;
        string? reason = context.Options.MigrationPolicy is not (GroupMigrationPolicy.Bidirectional or GroupMigrationPolicy.Upgrade) ? "online upgrade is disabled"
            : group.Protocol != EmbeddedProtocol.Type ? "the group does not use the consumer embedded protocol"
            : group.Members.Count > context.Options.MembersMax ? "the group size exceeds the consumer group maximum size"
            : null;
        if (reason is null)
        {
            var made = new List<ConsumerMember>(group.Members.Count);
            foreach (ClassicMember member in group.Members)
            {
                if (Convert(group, member, out reason) is not { } converted)
                {
                    break;
                }

                made.Add(converted);
            }

            members = [.. made];
        }

        problem = reason is null ? null : $"Cannot upgrade classic group {group.Id} to consumer group because {reason}.";
        return reason is null;
    }

    /// <summary>Does it, with members of <see cref="TryPrepare"/>. Whoever waits for a rebalance is told to join again.</summary>
    public ConsumerGroup Run(ClassicGroup classic, ConsumerMember[] members, GroupTurn turn)
    {
        context.Logger.LogInformation("Group {Group}: changes to the consumer protocol in generation {Generation} with {Count} members", classic.Id, classic.Generation, members.Length);
        foreach (ClassicMember member in classic.Members)
        {
            ClassicRebalance.AnswerJoin(classic, member, turn, new JoinGroupResponse { ErrorCode = KafkaErrorCode.RebalanceInProgress, MemberId = member.Id });
        }

        rebalance.AnswerSyncs(classic, turn, KafkaErrorCode.RebalanceInProgress);
        shard.Remove(classic, turn);

        // Before its members: there may be none, while a rebalance waits for those that are gone.
        shard.EmitAndApply(turn, ConsumerRecords.Epoch(classic.Id, classic.Generation, TopicHash.Of(
            members.SelectMany(static member => member.TopicNames).Distinct(StringComparer.Ordinal).Select(context.Topics.Find).OfType<GroupTopic>())));
        foreach (ConsumerMember member in members)
        {
            shard.EmitAndApply(turn, ConsumerRecords.Metadata(classic.Id, member));
        }

        foreach (ConsumerMember member in members)
        {
            shard.EmitAndApply(turn, ConsumerRecords.Target(classic.Id, member.Id, member.Assigned));
        }

        shard.EmitAndApply(turn, ConsumerRecords.TargetEpoch(classic.Id, classic.Generation, nowMs: 0));
        foreach (ConsumerMember member in members)
        {
            shard.EmitAndApply(turn, ConsumerRecords.Current(classic.Id, member));
        }

        return (ConsumerGroup)shard.Find(classic.Id)!;
    }

    private ConsumerMember? Convert(ClassicGroup group, ClassicMember member, out string? problem)
    {
        ReadOnlyMemory<byte> metadata = member.Metadata(group.ProtocolName ?? group.SelectProtocol());
        if (EmbeddedProtocol.ReadSubscription(metadata) is not { } subscription || EmbeddedProtocol.ReadAssignment(member.Assignment) is not { } assignment)
        {
            problem = "the embedded consumer protocol is malformed";
            return null;
        }

        if (assignment.UserData is { Length: > 0 })
        {
            problem = "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor before re-attempting the upgrade";
            return null;
        }

        problem = null;
        return new ConsumerMember(member.Id)
        {
            InstanceId = member.InstanceId,
            RackId = subscription.RackId,
            ClientId = member.ClientId,
            ClientHost = member.ClientHost,
            RebalanceTimeoutMs = member.RebalanceTimeoutMs,
            TopicNames = [.. subscription.Topics.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
            Epoch = group.Generation,
            PreviousEpoch = group.Generation,
            Assigned = EmbeddedProtocol.Partitions(assignment.AssignedPartitions.Select(static topic => (topic.Topic, topic.Partitions)), context.Topics),
            Classic = new ClassicUse(member.SessionTimeoutMs, member.Protocols),
        };
    }
}
