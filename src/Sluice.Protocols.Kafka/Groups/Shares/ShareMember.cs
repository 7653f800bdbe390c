using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Shares;

/// <summary>One member of a share group. Never changes: records put another in its place.</summary>
internal sealed record ShareMember(string Id)
{
    /// <summary>Epoch in a heartbeat that says goodbye.</summary>
    public const int Leaves = -1;

    public string? RackId { get; init; }

    public string ClientId { get; init; } = "";

    public string ClientHost { get; init; } = "";

    /// <summary>In a fixed order.</summary>
    public IReadOnlyList<string> TopicNames { get; init; } = [];

    public int Epoch { get; init; }

    /// <summary>The answer that raised the epoch may be lost; a member that still has this one is put right.</summary>
    public int PreviousEpoch { get; init; } = -1;

    /// <summary>What it reads. Others may read the same.</summary>
    public PartitionSet Assigned { get; init; } = PartitionSet.Empty;

    /// <summary>Whether the other has said the same of itself.</summary>
    public bool HasSameMetadata(ShareMember other) => RackId == other.RackId && ClientId == other.ClientId && ClientHost == other.ClientHost && HasSameSubscription(other);

    public bool HasSameSubscription(ShareMember other) => TopicNames.SequenceEqual(other.TopicNames, StringComparer.Ordinal);

    public ShareMember With(ShareGroupMemberMetadataValue value) =>
        this with { RackId = value.RackId, ClientId = value.ClientId, ClientHost = value.ClientHost, TopicNames = value.SubscribedTopicNames };

    public ShareMember With(ShareGroupCurrentMemberAssignmentValue value) => this with
    {
        Epoch = value.MemberEpoch,
        PreviousEpoch = value.PreviousMemberEpoch,
        Assigned = new PartitionSet(value.AssignedPartitions.SelectMany(static topic => topic.Partitions.Select(index => new PartitionKey(topic.TopicId, index)))),
    };
}
