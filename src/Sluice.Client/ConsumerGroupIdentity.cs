namespace Sluice.Client;

/// <summary>Who commits offsets within a producer's transaction: the group takes them from its current members only.</summary>
/// <param name="GroupId">The group.</param>
/// <param name="MemberId">Empty if the offsets are nobody's in particular.</param>
/// <param name="Generation">-1 likewise.</param>
/// <param name="InstanceId">The member's name that outlives it; null if it has none.</param>
public sealed record ConsumerGroupIdentity(string GroupId, string MemberId = "", int Generation = -1, string? InstanceId = null);
