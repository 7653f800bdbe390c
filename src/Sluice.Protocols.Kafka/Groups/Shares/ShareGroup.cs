using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Shares;

/// <summary>
/// A group whose members read the same partitions side by side (KIP-932). Only records change it: what happens is emitted, and takes effect as its replay would. Where the
/// group is in its partitions is kept elsewhere. Guarded by its shard's lock.
/// </summary>
internal sealed class ShareGroup(string id) : Group(id)
{
    /// <summary>As ListGroups names it.</summary>
    public const string TypeName = "share";

    private readonly Dictionary<string, ShareMember> _members = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PartitionSet> _targets = new(StringComparer.Ordinal);
    private readonly Dictionary<Guid, GroupTopic> _topics = [];

    public override string Type => TypeName;

    public override string ProtocolType => TypeName;

    public override string StateName => IsEmpty ? "Empty" : "Stable";

    public override bool IsEmpty => _members.Count == 0 && OtherUses == 0;

    public override bool ExpiresWithoutOffsets => false;

    /// <summary>Raised by every change that may lead to another assignment.</summary>
    public int Epoch { get; private set; }

    /// <summary>The <see cref="Epoch"/> for which the targets were computed.</summary>
    public int TargetEpoch { get; private set; } = -1;

    /// <summary>When the targets were computed, Unix time; 0: never.</summary>
    public long TargetMs { get; private set; }

    /// <summary>Of the topics that members read, as they were when <see cref="Epoch"/> was raised.</summary>
    public long MetadataHash { get; private set; }

    public IReadOnlyDictionary<string, ShareMember> Members => _members;

    /// <summary>Where the group has, or may come to have, a position.</summary>
    public IReadOnlyDictionary<Guid, GroupTopic> Topics => _topics;

    /// <summary>How often it is in use by consumers that are no members, because they speak another protocol. In no record: they end with the broker.</summary>
    public int OtherUses { get; set; }

    /// <summary>When its topics are looked at again, on the clock of <see cref="GroupTimers"/>.</summary>
    public long RefreshMs { get; set; }

    /// <summary>Session timers of members.</summary>
    public Dictionary<string, GroupTimer> Sessions { get; } = new(StringComparer.Ordinal);

    public ShareMember? Find(string memberId) => _members.GetValueOrDefault(memberId);

    public PartitionSet TargetOf(string memberId) => _targets.GetValueOrDefault(memberId, PartitionSet.Empty);

    public bool HasTarget(string memberId) => _targets.ContainsKey(memberId);

    public override KafkaErrorCode CheckCommit(string memberId, string? instanceId, int generation, short version) => KafkaErrorCode.GroupIdNotFound;

    public override KafkaErrorCode CheckFetch(string? memberId, int memberEpoch) => KafkaErrorCode.GroupIdNotFound;

    public override KafkaErrorCode CheckOffsetDelete() => KafkaErrorCode.GroupIdNotFound;

    public override bool IsSubscribedTo(string topic) => _members.Values.Any(member => member.TopicNames.Contains(topic, StringComparer.Ordinal));

    public override long? RetentionStart(long commitMs) => null;

    public override void EmitTombstones(GroupTurn turn)
    {
        turn.Emit(ShareRecords.NoTargetEpoch(Id));
        turn.Emit(ShareRecords.NoPositions(Id));
        turn.Emit(ShareRecords.NoEpoch(Id));
    }

    public override void Close()
    {
        foreach (GroupTimer timer in Sessions.Values)
        {
            GroupTimers.Cancel(timer);
        }
    }

    /// <summary>Does what a record says; not for the record that the group itself is.</summary>
    public void Apply(GroupRecord record)
    {
        switch (record.Key)
        {
            case ShareGroupMemberMetadataKey key when record.Value is ShareGroupMemberMetadataValue value:
                _members[key.MemberId] = (Find(key.MemberId) ?? new ShareMember(key.MemberId)).With(value);
                break;
            case ShareGroupMemberMetadataKey key:
                Remove(key.MemberId);
                break;
            case ShareGroupCurrentMemberAssignmentKey key when record.Value is ShareGroupCurrentMemberAssignmentValue value:
                _members[key.MemberId] = (Find(key.MemberId) ?? new ShareMember(key.MemberId)).With(value);
                break;
            case ShareGroupCurrentMemberAssignmentKey key:
                if (Find(key.MemberId) is { } member)
                {
                    _members[key.MemberId] = member with { Epoch = ShareMember.Leaves, PreviousEpoch = ShareMember.Leaves, Assigned = PartitionSet.Empty };
                }

                break;
            case ShareGroupTargetAssignmentMemberKey key when record.Value is ShareGroupTargetAssignmentMemberValue value:
                _targets[key.MemberId] = new PartitionSet(value.TopicPartitions.SelectMany(static topic => topic.Partitions.Select(index => new PartitionKey(topic.TopicId, index))));
                break;
            case ShareGroupTargetAssignmentMemberKey key:
                _targets.Remove(key.MemberId);
                break;
            case ShareGroupTargetAssignmentMetadataKey:
                (TargetEpoch, TargetMs) = record.Value is ShareGroupTargetAssignmentMetadataValue target ? (target.AssignmentEpoch, target.AssignmentTimestamp) : (-1, 0);
                break;
            case ShareGroupStatePartitionMetadataKey:
                _topics.Clear();
                foreach (ShareGroupStatePartitionMetadataValue.TopicPartitionsInfo topic in (record.Value as ShareGroupStatePartitionMetadataValue)?.InitializedTopics ?? [])
                {
                    _topics[topic.TopicId] = new GroupTopic(topic.TopicName, topic.TopicId, topic.Partitions.Length == 0 ? 0 : topic.Partitions.Max() + 1);
                }

                break;
            default:
                throw new InvalidOperationException($"a record of type {record.Key.GetType().Name}");
        }
    }

    /// <summary>Does what the record says that the group itself is.</summary>
    public void Apply(ShareGroupMetadataValue value)
    {
        Epoch = value.Epoch;
        MetadataHash = value.MetadataHash;
    }

    private void Remove(string memberId)
    {
        _members.Remove(memberId);
        if (Sessions.Remove(memberId, out GroupTimer? timer))
        {
            GroupTimers.Cancel(timer);
        }
    }
}
