using Sluice.Broker;

namespace Sluice.Admin;

/// <summary>The consumer groups and share groups of a virtual host, for operators. Thread-safe.</summary>
public interface IGroupSource
{
    /// <summary>Whose topics the groups read.</summary>
    string VirtualHost { get; }

    /// <summary>All groups, of the moment; Unavailable if none can be told of yet.</summary>
    BrokerResult<GroupList> List();

    /// <summary>One group. NotFound; Unavailable if that can't be told.</summary>
    BrokerResult<GroupInfo> Find(string name);
}

/// <param name="Groups">By name.</param>
/// <param name="FailedPartitions">The partitions of __consumer_offsets whose groups are not served after an error, and are missing.</param>
public sealed record GroupList(IReadOnlyList<GroupInfo> Groups, IReadOnlyList<int> FailedPartitions);

/// <summary>One group, of the moment.</summary>
public sealed record GroupInfo
{
    public required string Name { get; init; }

    /// <summary>classic, consumer or share.</summary>
    public required string Type { get; init; }

    /// <summary>As Kafka names it.</summary>
    public required string State { get; init; }

    /// <summary>By what partitions are assigned; empty if that is not known.</summary>
    public required string Protocol { get; init; }

    public required IReadOnlyList<GroupMember> Members { get; init; }

    public required IReadOnlyList<GroupPartition> Partitions { get; init; }

    /// <summary>What is known of the lag in its partitions, summed up; null if it is known of none of them, as of a group that has never committed.</summary>
    public long? Lag => Partitions.Count > 0 && Partitions.All(static partition => partition.Lag is null) ? null : Partitions.Sum(static partition => partition.Lag ?? 0);
}

/// <param name="Id">Unique in the group.</param>
/// <param name="InstanceId">Of a static member; null if it is none.</param>
/// <param name="ClientId">What the client calls itself.</param>
/// <param name="Host">Its address.</param>
/// <param name="Assigned">The partitions that it reads.</param>
public sealed record GroupMember(string Id, string? InstanceId, string ClientId, string Host, IReadOnlyList<(string Topic, int Partition)> Assigned);

/// <param name="Topic">Name of the topic.</param>
/// <param name="Partition">Index of the partition.</param>
/// <param name="Offset">The committed offset; of a share group the first that is not done. Null: none.</param>
/// <param name="EndOffset">One past what consumers may read; null: there is no such partition any more.</param>
/// <param name="Lag">Records that are still to be read, or to be done; null if that is not known.</param>
public sealed record GroupPartition(string Topic, int Partition, long? Offset, long? EndOffset, long? Lag);
