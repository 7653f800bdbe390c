using Sluice.Protocols.Kafka.Groups.Migration;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>
/// A group whose members the broker gives their partitions (KIP-848). Only records change it: what happens is emitted, and takes effect as its replay would.
/// Guarded by its shard's lock.
/// </summary>
internal sealed class ConsumerGroup(string id) : Group(id)
{
    private const short KnowsMemberEpochs = 9;

    private readonly Dictionary<string, ConsumerMember> _members = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _staticIds = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PartitionSet> _targets = new(StringComparer.Ordinal);
    private readonly Dictionary<PartitionKey, string> _owners = [];
    private readonly Dictionary<string, HashSet<string>> _patterns = new(StringComparer.Ordinal);

    public override string Type => "consumer";

    public override string ProtocolType => "consumer";

    public override string StateName => IsEmpty ? "Empty" : Epoch > TargetEpoch ? "Assigning" : _members.Values.All(member => member.IsReconciledTo(TargetEpoch)) ? "Stable" : "Reconciling";

    public override bool IsEmpty => _members.Count == 0;

    /// <summary>Raised by every change that may lead to another assignment.</summary>
    public int Epoch { get; private set; }

    /// <summary>The <see cref="Epoch"/> for which the targets were computed.</summary>
    public int TargetEpoch { get; private set; } = -1;

    /// <summary>When the targets were computed, Unix time; 0: never.</summary>
    public long TargetMs { get; private set; }

    /// <summary>Of the topics that members read, as they were when <see cref="Epoch"/> was raised.</summary>
    public long MetadataHash { get; private set; }

    public IReadOnlyDictionary<string, ConsumerMember> Members => _members;

    /// <summary>What the members' regular expressions match.</summary>
    public IReadOnlyDictionary<string, HashSet<string>> Patterns => _patterns;

    /// <summary>When its topics are looked at again, on the clock of <see cref="GroupTimers"/>.</summary>
    public long RefreshMs { get; set; }

    /// <summary>Of the names of all topics there were when patterns were last matched.</summary>
    public long PatternHash { get; set; }

    public ConsumerTimers Timers { get; } = new();

    public ConsumerMember? Find(string memberId) => _members.GetValueOrDefault(memberId);

    /// <summary>Null if there is no such member.</summary>
    public ConsumerMember? FindStatic(string instanceId) => _staticIds.TryGetValue(instanceId, out string? memberId) ? _members[memberId] : null;

    public PartitionSet TargetOf(string memberId) => _targets.GetValueOrDefault(memberId, PartitionSet.Empty);

    public bool HasTarget(string memberId) => _targets.ContainsKey(memberId);

    /// <summary>Whether a member other than this may be reading the partition.</summary>
    public bool IsHeldByOther(PartitionKey partition, string memberId) => _owners.TryGetValue(partition, out string? owner) && owner != memberId;

    /// <summary>Names of the topics that the member reads, so far as there are such.</summary>
    public IEnumerable<string> TopicsOf(ConsumerMember member) =>
        member.TopicRegex is { } regex && _patterns.TryGetValue(regex, out HashSet<string>? matched) ? member.TopicNames.Union(matched, StringComparer.Ordinal) : member.TopicNames;

    /// <summary>Whether a member of this kind can work with those that speak the classic protocol, so that the group can change to it.</summary>
    public bool SupportsClassic(string protocolType, JoinGroupRequest.JoinGroupRequestProtocol[] protocols) =>
        protocolType == EmbeddedProtocol.Type
        && protocols.Any(protocol => _members.Values.All(member => member.Classic is null || member.Classic.Protocols.Any(known => known.Name == protocol.Name)));

    public override KafkaErrorCode CheckCommit(string memberId, string? instanceId, int generation, short version) =>
        generation < 0 && IsEmpty ? KafkaErrorCode.None
        : Find(memberId) is not { } member ? KafkaErrorCode.UnknownMemberId
        : version < KnowsMemberEpochs && member.Classic is null ? KafkaErrorCode.UnsupportedVersion
        : CheckEpoch(member, generation);

    public override KafkaErrorCode CheckFetch(string? memberId, int memberEpoch) =>
        memberId is null && memberEpoch < 0 ? KafkaErrorCode.None
        : Find(memberId ?? "") is not { } member ? KafkaErrorCode.UnknownMemberId
        : CheckEpoch(member, memberEpoch);

    public override KafkaErrorCode CheckOffsetDelete() => KafkaErrorCode.None;

    public override bool IsSubscribedTo(string topic) => _members.Values.Any(member => TopicsOf(member).Contains(topic, StringComparer.Ordinal));

    public override long? RetentionStart(long commitMs) => commitMs;

    public override void EmitTombstones(GroupTurn turn)
    {
        foreach (string regex in _patterns.Keys)
        {
            turn.Emit(ConsumerRecords.NoRegex(Id, regex));
        }

        foreach (string member in _members.Keys)
        {
            turn.Emit(ConsumerRecords.NoCurrent(Id, member));
            turn.Emit(ConsumerRecords.NoTarget(Id, member));
            turn.Emit(ConsumerRecords.NoMetadata(Id, member));
        }

        turn.Emit(ConsumerRecords.NoTargetEpoch(Id));
        turn.Emit(ConsumerRecords.NoEpoch(Id));
    }

    public override void Close() => Timers.CancelAll();

    /// <summary>Does what a record says; not for the record that the group itself is.</summary>
    public void Apply(GroupRecord record)
    {
        switch (record.Key)
        {
            case ConsumerGroupMemberMetadataKey key when record.Value is ConsumerGroupMemberMetadataValue value:
                Put((Find(key.MemberId) ?? new ConsumerMember(key.MemberId)).With(value));
                break;
            case ConsumerGroupMemberMetadataKey key:
                Remove(key.MemberId);
                break;
            case ConsumerGroupCurrentMemberAssignmentKey key when record.Value is ConsumerGroupCurrentMemberAssignmentValue value:
                Put((Find(key.MemberId) ?? new ConsumerMember(key.MemberId)).With(value));
                break;
            case ConsumerGroupCurrentMemberAssignmentKey key:
                if (Find(key.MemberId) is { } member)
                {
                    Put(member with { Epoch = ConsumerMember.Leaves, PreviousEpoch = ConsumerMember.Leaves, Assigned = PartitionSet.Empty, Revoking = PartitionSet.Empty });
                }

                break;
            case ConsumerGroupTargetAssignmentMemberKey key when record.Value is ConsumerGroupTargetAssignmentMemberValue value:
                _targets[key.MemberId] = PartitionSet.Of(value.TopicPartitions);
                break;
            case ConsumerGroupTargetAssignmentMemberKey key:
                _targets.Remove(key.MemberId);
                break;
            case ConsumerGroupTargetAssignmentMetadataKey:
                (TargetEpoch, TargetMs) = record.Value is ConsumerGroupTargetAssignmentMetadataValue target ? (target.AssignmentEpoch, target.AssignmentTimestamp) : (-1, 0);
                break;
            case ConsumerGroupRegularExpressionKey key when record.Value is ConsumerGroupRegularExpressionValue value:
                _patterns[key.RegularExpression] = value.Topics.ToHashSet(StringComparer.Ordinal);
                break;
            case ConsumerGroupRegularExpressionKey key:
                _patterns.Remove(key.RegularExpression);
                break;
            default:
                throw new InvalidOperationException($"a record of type {record.Key.GetType().Name}");
        }
    }

    /// <summary>Does what the record says that the group itself is.</summary>
    public void Apply(ConsumerGroupMetadataValue value)
    {
        Epoch = value.Epoch;
        MetadataHash = value.MetadataHash;
    }

    private static KafkaErrorCode CheckEpoch(ConsumerMember member, int epoch) =>
        epoch == member.Epoch ? KafkaErrorCode.None : member.Classic is null ? KafkaErrorCode.StaleMemberEpoch : KafkaErrorCode.IllegalGeneration;

    private void Put(ConsumerMember member)
    {
        if (Find(member.Id) is { } before)
        {
            Release(before);
            if (before.InstanceId != member.InstanceId)
            {
                ForgetInstance(before);
            }
        }

        _members[member.Id] = member;
        if (member.InstanceId is { } instanceId)
        {
            _staticIds[instanceId] = member.Id;
        }

        foreach (PartitionKey partition in member.Assigned.Concat(member.Revoking))
        {
            _owners[partition] = member.Id;
        }
    }

    private void Remove(string memberId)
    {
        if (_members.Remove(memberId, out ConsumerMember? member))
        {
            Release(member);
            ForgetInstance(member);
        }

        Timers.CancelAll(memberId);
    }

    private void ForgetInstance(ConsumerMember member)
    {
        if (member.InstanceId is { } instanceId && _staticIds.GetValueOrDefault(instanceId) == member.Id)
        {
            _staticIds.Remove(instanceId);
        }
    }

    private void Release(ConsumerMember member)
    {
        foreach (PartitionKey partition in member.Assigned.Concat(member.Revoking))
        {
            if (_owners.GetValueOrDefault(partition) == member.Id)
            {
                _owners.Remove(partition);
            }
        }
    }
}
