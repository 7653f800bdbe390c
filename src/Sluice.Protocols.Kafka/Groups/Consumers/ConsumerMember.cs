using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>Where a member is on the way to its target (the numbers are Kafka's, in its records).</summary>
internal enum ConsumerMemberState : sbyte
{
    /// <summary>It has what its epoch gives it.</summary>
    Stable = 0,

    /// <summary>It is to give up partitions and has not said that it has.</summary>
    UnrevokedPartitions = 1,

    /// <summary>Others have not yet given up what it is to get.</summary>
    UnreleasedPartitions = 2,
}

/// <summary>One member of a consumer group. Never changes: records put another in its place.</summary>
internal sealed record ConsumerMember(string Id)
{
    /// <summary>Epoch in a heartbeat that says goodbye.</summary>
    public const int Leaves = -1;

    /// <summary>Epoch in a heartbeat, and of the member, when a static member goes to come back.</summary>
    public const int LeavesForNow = -2;

    /// <summary>Of a static member: what it is known by over its restarts.</summary>
    public string? InstanceId { get; init; }

    public string? RackId { get; init; }

    public string ClientId { get; init; } = "";

    public string ClientHost { get; init; } = "";

    public int RebalanceTimeoutMs { get; init; } = -1;

    /// <summary>In a fixed order.</summary>
    public IReadOnlyList<string> TopicNames { get; init; } = [];

    /// <summary>Topics whose whole names match; null: none.</summary>
    public string? TopicRegex { get; init; }

    /// <summary>The assignor it wishes for; null: whichever.</summary>
    public string? Assignor { get; init; }

    public int Epoch { get; init; }

    /// <summary>The answer that raised the epoch may be lost; a member that still has this one is put right.</summary>
    public int PreviousEpoch { get; init; }

    public ConsumerMemberState State { get; init; }

    /// <summary>What it may read.</summary>
    public PartitionSet Assigned { get; init; } = PartitionSet.Empty;

    /// <summary>What it is to give up and may be reading still.</summary>
    public PartitionSet Revoking { get; init; } = PartitionSet.Empty;

    /// <summary>Set if it speaks the classic protocol; null: it uses that of KIP-848.</summary>
    public ClassicUse? Classic { get; init; }

    public bool IsReconciledTo(int epoch) => State == ConsumerMemberState.Stable && Epoch == epoch;

    /// <summary>Whether the other has said the same of itself.</summary>
    public bool HasSameMetadata(ConsumerMember other) =>
        InstanceId == other.InstanceId && RackId == other.RackId && ClientId == other.ClientId && ClientHost == other.ClientHost && RebalanceTimeoutMs == other.RebalanceTimeoutMs
        && TopicRegex == other.TopicRegex && Assignor == other.Assignor && TopicNames.SequenceEqual(other.TopicNames, StringComparer.Ordinal)
        && (Classic is null ? other.Classic is null : Classic.IsSame(other.Classic));

    public bool HasSameSubscription(ConsumerMember other) => TopicRegex == other.TopicRegex && TopicNames.SequenceEqual(other.TopicNames, StringComparer.Ordinal);

    public ConsumerMember With(ConsumerGroupMemberMetadataValue value) => this with
    {
        InstanceId = value.InstanceId,
        RackId = value.RackId,
        ClientId = value.ClientId,
        ClientHost = value.ClientHost,
        RebalanceTimeoutMs = value.RebalanceTimeoutMs,
        TopicNames = value.SubscribedTopicNames,
        TopicRegex = string.IsNullOrEmpty(value.SubscribedTopicRegex) ? null : value.SubscribedTopicRegex,
        Assignor = value.ServerAssignor,
        Classic = ClassicUse.Of(value.ClassicMemberMetadata),
    };

    public ConsumerMember With(ConsumerGroupCurrentMemberAssignmentValue value) => this with
    {
        Epoch = value.MemberEpoch,
        PreviousEpoch = value.PreviousMemberEpoch,
        State = (ConsumerMemberState)value.State,
        Assigned = PartitionSet.Of(value.AssignedPartitions),
        Revoking = PartitionSet.Of(value.PartitionsPendingRevocation),
    };
}
