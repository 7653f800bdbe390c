namespace Sluice.Protocols.Kafka.Groups.Consumers.Assignors;

/// <summary>Decides which member of a consumer group is to read which partitions. Without state; the same input gives the same result.</summary>
internal interface IPartitionAssignor
{
    /// <summary>As clients ask for it.</summary>
    string Name { get; }

    /// <summary>Each member's partitions: every partition of a topic that somebody reads has exactly one reader.</summary>
    /// <param name="members">In any order; at least one.</param>
    /// <param name="partitionCounts">Of every topic that a member reads.</param>
    IReadOnlyDictionary<string, PartitionSet> Assign(IReadOnlyList<AssigneeMember> members, IReadOnlyDictionary<Guid, int> partitionCounts);
}

/// <summary>A member, as an assignor sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="InstanceId">Of a static member: its place is by this.</param>
/// <param name="Topics">What it reads; only topics that there are.</param>
/// <param name="Before">What it was to have until now.</param>
internal sealed record AssigneeMember(string Id, string? InstanceId, IReadOnlySet<Guid> Topics, PartitionSet Before);
