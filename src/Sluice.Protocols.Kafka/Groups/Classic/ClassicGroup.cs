using Sluice.Protocols.Kafka.Groups.Migration;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Classic;

/// <summary>
/// A group whose members agree on their assignment by themselves: the broker gathers them, elects a leader and hands round what it says. Holds who is a member and what
/// state the group is in; <see cref="ClassicRebalance"/> moves it on. Guarded by its shard's lock.
/// </summary>
internal sealed class ClassicGroup(string id, long nowMs) : Group(id)
{
    private readonly Dictionary<string, ClassicMember> _members = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _staticIds = new(StringComparer.Ordinal);
    private readonly Dictionary<string, GroupTimer> _pendingJoins = new(StringComparer.Ordinal);
    private readonly HashSet<string> _pendingSyncs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _protocolCounts = new(StringComparer.Ordinal);
    private int _joinCount;

    public override string Type => "classic";

    public override string ProtocolType => Protocol ?? "";

    public override string StateName => State.ToString();

    public override bool IsEmpty => State == ClassicGroupState.Empty;

    public ClassicGroupState State { get; private set; }

    public ClassicGroupState PreviousState { get; private set; }

    /// <summary>When the state was entered, Unix time in ms; -1 if that is not known.</summary>
    public long StateSinceMs { get; private set; } = nowMs;

    public int Generation { get; private set; }

    /// <summary>What kind of clients these are, "consumer" for consumers; null: no member has said, only offsets were committed.</summary>
    public string? Protocol { get; private set; }

    /// <summary>The protocol of <see cref="Protocol"/>'s kind that the members use in this generation: the name of an assignor.</summary>
    public string? ProtocolName { get; private set; }

    public string? Leader { get; private set; }

    /// <summary>A member came while the first rebalance waited for more.</summary>
    public bool HasNewMember { get; set; }

    /// <summary>Topics that the members of this generation read; null if that is not known.</summary>
    public HashSet<string>? Topics { get; private set; }

    public GroupTimer? JoinTimer { get; set; }

    public GroupTimer? SyncTimer { get; set; }

    public IReadOnlyCollection<ClassicMember> Members => _members.Values;

    public int PendingJoinCount => _pendingJoins.Count;

    /// <summary>Members whose join waits for its answer.</summary>
    public int JoinCount => _joinCount;

    public bool HasAllJoined => _joinCount == _members.Count && _pendingJoins.Count == 0;

    public bool HasAllSynced => _pendingSyncs.Count == 0;

    public IReadOnlyCollection<string> PendingSyncs => _pendingSyncs;

    /// <summary>A rebalance may begin.</summary>
    public bool CanRebalance => State != ClassicGroupState.PreparingRebalance;

    /// <summary>The longest of its members', which all of them have to join again.</summary>
    public int RebalanceTimeoutMs => _members.Count == 0 ? 0 : _members.Values.Max(static member => member.RebalanceTimeoutMs);

    /// <summary>As a record says.</summary>
    public static ClassicGroup Restore(string id, GroupMetadataValue value)
    {
        var group = new ClassicGroup(id, value.CurrentStateTimestamp)
        {
            Generation = value.Generation,
            Protocol = value.ProtocolType.Length == 0 ? null : value.ProtocolType,
            ProtocolName = value.Protocol,
            Leader = value.Leader,
        };
        foreach (GroupMetadataValue.MemberMetadata kept in value.Members)
        {
            group.Add(
                new ClassicMember(kept.MemberId, kept.GroupInstanceId, kept.ClientId, kept.ClientHost, value.ProtocolType)
                {
                    RebalanceTimeoutMs = kept.RebalanceTimeout == -1 ? kept.SessionTimeout : kept.RebalanceTimeout,
                    SessionTimeoutMs = kept.SessionTimeout,
                    Protocols = [new JoinGroupRequest.JoinGroupRequestProtocol { Name = value.Protocol ?? "", Metadata = kept.Subscription }],
                    Assignment = kept.Assignment,
                },
                join: null);
        }

        group.State = group._members.Count == 0 ? ClassicGroupState.Empty : ClassicGroupState.Stable;
        group.Topics = group.ReadTopics();
        return group;
    }

    /// <summary>A group of members that were in a consumer group; it has no record yet.</summary>
    public static ClassicGroup Of(string id, int generation, IEnumerable<ClassicMember> members, long nowMs)
    {
        var group = new ClassicGroup(id, nowMs) { Generation = generation };
        foreach (ClassicMember member in members)
        {
            group.Add(member, join: null);
        }

        group.ProtocolName = group.SelectProtocol();
        group.State = ClassicGroupState.Stable;
        group.Topics = group.ReadTopics();
        return group;
    }

    /// <summary>The record that <see cref="Restore"/> reads.</summary>
    public GroupRecord ToRecord() => ToRecord(Generation);

    /// <summary>The record, with another generation.</summary>
    public GroupRecord ToRecord(int generation) => new(new GroupMetadataKey { Group = Id }, new GroupMetadataValue
    {
        ProtocolType = ProtocolType,
        Generation = generation,
        Protocol = ProtocolName,
        Leader = Leader,
        CurrentStateTimestamp = StateSinceMs,
        Members = [.. _members.Values.Select(member => new GroupMetadataValue.MemberMetadata
        {
            MemberId = member.Id,
            GroupInstanceId = member.InstanceId,
            ClientId = member.ClientId,
            ClientHost = member.ClientHost,
            RebalanceTimeout = member.RebalanceTimeoutMs,
            SessionTimeout = member.SessionTimeoutMs,
            Subscription = member.Metadata(ProtocolName),
            Assignment = member.Assignment,
        })],
    });

    /// <summary>The record of a group that is new and has no members; its state says nothing of it.</summary>
    public static GroupRecord EmptyRecord(ClassicGroup group) => new(
        new GroupMetadataKey { Group = group.Id },
        new GroupMetadataValue { Protocol = null, Leader = null, CurrentStateTimestamp = group.StateSinceMs });

    public ClassicMember? Find(string memberId) => _members.GetValueOrDefault(memberId);

    /// <summary>The member's id; null if there is no such member.</summary>
    public string? FindStatic(string instanceId) => _staticIds.GetValueOrDefault(instanceId);

    /// <summary>It was told to join again with an id, and has not.</summary>
    public bool IsPending(string memberId) => _pendingJoins.ContainsKey(memberId);

    public void AddPending(string memberId, GroupTimer expiry) => _pendingJoins.Add(memberId, expiry);

    /// <summary>Whether a member of this kind can work with those that are there.</summary>
    public bool Supports(string protocolType, JoinGroupRequest.JoinGroupRequestProtocol[] protocols) => State == ClassicGroupState.Empty
        ? protocolType.Length > 0 && protocols.Length > 0
        : Protocol == protocolType && protocols.Any(protocol => _protocolCounts.GetValueOrDefault(protocol.Name) == _members.Count);

    public void Add(ClassicMember member, GroupAnswer<JoinGroupResponse>? join)
    {
        RemovePending(member.Id);
        if (_members.Count == 0)
        {
            Protocol = member.ProtocolType;
        }

        if (member.InstanceId is { } instanceId)
        {
            _staticIds.Add(instanceId, member.Id);
        }

        Leader ??= member.Id;
        _members.Add(member.Id, member);
        Count(member.Protocols, 1);
        SetJoin(member, join);
    }

    /// <summary>Forgets a member, or one that was to join; its answers must have been given before.</summary>
    public void Remove(string memberId)
    {
        RemovePending(memberId);
        _pendingSyncs.Remove(memberId);
        if (_members.Remove(memberId, out ClassicMember? member))
        {
            GroupTimers.Cancel(member.Session);
            Count(member.Protocols, -1);
            SetJoin(member, null);
            if (member.InstanceId is { } instanceId)
            {
                _staticIds.Remove(instanceId);
            }
        }

        if (Leader == memberId)
        {
            Leader = _members.Keys.FirstOrDefault();
        }
    }

    /// <summary>The member came back with other properties.</summary>
    public void Update(ClassicMember member, JoinGroupRequest request, GroupAnswer<JoinGroupResponse> join)
    {
        Count(member.Protocols, -1);
        member.Protocols = request.Protocols;
        Count(member.Protocols, 1);
        member.RebalanceTimeoutMs = request.RebalanceTimeoutMs;
        member.SessionTimeoutMs = request.SessionTimeoutMs;
        SetJoin(member, join);
    }

    /// <summary>A static member was restarted: puts one with a new id in its place.</summary>
    public ClassicMember Replace(ClassicMember old, string newId)
    {
        _members.Remove(old.Id);
        GroupTimers.Cancel(old.Session);
        var member = new ClassicMember(newId, old.InstanceId, old.ClientId, old.ClientHost, old.ProtocolType)
        {
            RebalanceTimeoutMs = old.RebalanceTimeoutMs,
            SessionTimeoutMs = old.SessionTimeoutMs,
            Protocols = old.Protocols,
            Assignment = old.Assignment,
        };
        _members.Add(newId, member);
        _staticIds[old.InstanceId!] = newId;
        if (_pendingSyncs.Remove(old.Id))
        {
            _pendingSyncs.Add(newId);
        }

        if (Leader == old.Id)
        {
            Leader = newId;
        }

        return member;
    }

    /// <summary>Notes what the member waits for, or that it waits no more.</summary>
    public void SetJoin(ClassicMember member, GroupAnswer<JoinGroupResponse>? join)
    {
        _joinCount += (join is null ? 0 : 1) - (member.Join is null ? 0 : 1);
        member.Join = join;
    }

    public void AddPendingSync(string memberId) => _pendingSyncs.Add(memberId);

    public void RemovePendingSync(string memberId) => _pendingSyncs.Remove(memberId);

    public void ClearPendingSyncs() => _pendingSyncs.Clear();

    /// <summary>False: no member has joined.</summary>
    public bool ElectLeader()
    {
        if (Leader is null)
        {
            return false;
        }

        if (_members[Leader].Join is null)
        {
            if (_members.Values.FirstOrDefault(static member => member.Join is not null) is not { } joined)
            {
                return false;
            }

            Leader = joined.Id;
        }

        return true;
    }

    public void StartGeneration(long nowMs)
    {
        Generation++;
        ProtocolName = _members.Count > 0 ? SelectProtocol() : null;
        Topics = ReadTopics();
        TransitionTo(_members.Count > 0 ? ClassicGroupState.CompletingRebalance : ClassicGroupState.Empty, nowMs);
        _pendingSyncs.Clear();
    }

    public void TransitionTo(ClassicGroupState state, long nowMs)
    {
        PreviousState = State;
        State = state;
        StateSinceMs = nowMs;
    }

    /// <summary>Each member votes for its favourite of the protocols that all of them can do.</summary>
    public string SelectProtocol()
    {
        HashSet<string> candidates = [.. _protocolCounts.Where(count => count.Value == _members.Count).Select(static count => count.Key)];
        return _members.Values.Select(member => member.Vote(candidates)).CountBy(static name => name, StringComparer.Ordinal).MaxBy(static votes => votes.Value).Key;
    }

    /// <summary>Whether the member is who it says.</summary>
    public KafkaErrorCode Check(string memberId, string? instanceId)
    {
        if (instanceId is not null)
        {
            if (FindStatic(instanceId) is not { } current)
            {
                return KafkaErrorCode.UnknownMemberId;
            }

            if (current != memberId)
            {
                return KafkaErrorCode.FencedInstanceId;
            }
        }

        return _members.ContainsKey(memberId) ? KafkaErrorCode.None : KafkaErrorCode.UnknownMemberId;
    }

    public override KafkaErrorCode CheckCommit(string memberId, string? instanceId, int generation, short version)
    {
        if (generation < 0 && State == ClassicGroupState.Empty)
        {
            return KafkaErrorCode.None;
        }

        if (generation < 0 && memberId.Length == 0 && instanceId is null)
        {
            return KafkaErrorCode.UnknownMemberId;
        }

        KafkaErrorCode error = Check(memberId, instanceId);
        return error != KafkaErrorCode.None ? error
            : generation != Generation ? KafkaErrorCode.IllegalGeneration
            : State == ClassicGroupState.CompletingRebalance ? KafkaErrorCode.RebalanceInProgress
            : KafkaErrorCode.None;
    }

    public override KafkaErrorCode CheckFetch(string? memberId, int memberEpoch) => KafkaErrorCode.None;

    public override KafkaErrorCode CheckOffsetDelete() => State == ClassicGroupState.Empty || Protocol == EmbeddedProtocol.Type ? KafkaErrorCode.None : KafkaErrorCode.NonEmptyGroup;

    public override bool IsSubscribedTo(string topic) => Topics?.Contains(topic) ?? Protocol == EmbeddedProtocol.Type;

    public override long? RetentionStart(long commitMs) => Protocol switch
    {
        null => commitMs,
        _ when State == ClassicGroupState.Empty => StateSinceMs >= 0 ? StateSinceMs : commitMs,
        EmbeddedProtocol.Type when State == ClassicGroupState.Stable && Topics is not null => commitMs,
        _ => null,
    };

    public override void EmitTombstones(GroupTurn turn) => turn.Emit(new GroupRecord(new GroupMetadataKey { Group = Id }, null));

    public override void Close()
    {
        GroupTimers.Cancel(JoinTimer);
        GroupTimers.Cancel(SyncTimer);
        foreach (GroupTimer? timer in _members.Values.Select(static member => member.Session).Concat(_pendingJoins.Values))
        {
            GroupTimers.Cancel(timer);
        }
    }

    private void RemovePending(string memberId)
    {
        if (_pendingJoins.Remove(memberId, out GroupTimer? expiry))
        {
            GroupTimers.Cancel(expiry);
        }
    }

    private void Count(JoinGroupRequest.JoinGroupRequestProtocol[] protocols, int by)
    {
        foreach (string name in protocols.Select(static protocol => protocol.Name).Distinct(StringComparer.Ordinal))
        {
            _protocolCounts[name] = _protocolCounts.GetValueOrDefault(name) + by;
        }
    }

    private HashSet<string>? ReadTopics()
    {
        if (Protocol != EmbeddedProtocol.Type)
        {
            return null;
        }

        string[]?[] topics = [.. _members.Values.Select(member => EmbeddedProtocol.ReadTopics(member.Metadata(ProtocolName)))];
        return topics.Any(static read => read is null) ? null : [.. topics.SelectMany(static read => read!)];
    }
}
