namespace Sluice.Protocols.Kafka.Groups.Overview;

/// <summary>What operators see of a group, of the moment.</summary>
/// <param name="Name">Unique.</param>
/// <param name="Type">classic, consumer or share.</param>
/// <param name="State">As Kafka names it.</param>
/// <param name="Protocol">By what partitions are assigned, as far as that is known; empty if not.</param>
/// <param name="Members">By their ids.</param>
/// <param name="Positions">Where it is in its partitions, in order.</param>
public sealed record GroupInfo(string Name, string Type, string State, string Protocol, IReadOnlyList<GroupMemberInfo> Members, IReadOnlyList<GroupPosition> Positions);

/// <param name="Id">Unique in the group.</param>
/// <param name="InstanceId">Of a static member; null if it is none.</param>
/// <param name="ClientId">What the client calls itself.</param>
/// <param name="Host">Its address.</param>
/// <param name="Assigned">The partitions that it reads.</param>
public sealed record GroupMemberInfo(string Id, string? InstanceId, string ClientId, string Host, IReadOnlyList<(string Topic, int Partition)> Assigned);

/// <param name="Topic">Name of the topic.</param>
/// <param name="Partition">Index of the partition.</param>
/// <param name="Offset">The committed offset; of a share group the first offset that is not done. Null: none.</param>
/// <param name="EndOffset">One past what consumers may read; null: there is no such partition any more.</param>
/// <param name="Lag">Records that are still to be read, or to be done; null if that is not known.</param>
public sealed record GroupPosition(string Topic, int Partition, long? Offset, long? EndOffset, long? Lag);
