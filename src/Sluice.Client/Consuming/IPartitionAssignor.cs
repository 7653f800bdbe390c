namespace Sluice.Client.Consuming;

/// <summary>A member of a group, as whoever distributes the partitions sees it.</summary>
/// <param name="Id">Its member id.</param>
/// <param name="InstanceId">Its name that outlives it; null if it has none.</param>
/// <param name="Topics">What it wants to read.</param>
/// <param name="Owned">What it has; only said for cooperative assignors.</param>
/// <param name="Generation">Of the group when it got those; -1 if it does not say.</param>
public sealed record GroupMember(string Id, string? InstanceId, IReadOnlyList<string> Topics, IReadOnlyList<TopicPartition> Owned, int Generation);

/// <summary>Distributes partitions among the members of a group; all members must do it the same way, so the name stands for the way.</summary>
public interface IPartitionAssignor
{
    /// <summary>As members tell each other.</summary>
    string Name { get; }

    /// <summary>Members keep what they have while the group changes, and give up only what another is to have.</summary>
    bool IsCooperative { get; }

    /// <summary>Gives each partition to one of the members that want its topic.</summary>
    /// <param name="members">All of the group.</param>
    /// <param name="partitionCounts">Of the topics that are there.</param>
    /// <returns>By member id; those without partitions may be left out.</returns>
    IReadOnlyDictionary<string, IReadOnlyList<TopicPartition>> Assign(IReadOnlyList<GroupMember> members, IReadOnlyDictionary<string, int> partitionCounts);
}

/// <summary>The assignors that come with the client.</summary>
public static class PartitionAssignors
{
    /// <summary>Each topic's partitions in order, an equal run of them to each member.</summary>
    public static IPartitionAssignor Range { get; } = new RangeAssignor();

    /// <summary>All topics' partitions in order, one to each member in turn.</summary>
    public static IPartitionAssignor RoundRobin { get; } = new RoundRobinAssignor();

    /// <summary>As even as can be, with as few partitions moved as can be, while those that stay go on being read.</summary>
    public static IPartitionAssignor CooperativeSticky { get; } = new CooperativeStickyAssignor();
}
