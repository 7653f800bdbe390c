namespace Sluice.Protocols.Kafka.Groups.Overview;

/// <summary>What operators see of all groups, of the moment.</summary>
/// <param name="Groups">In the order of their names.</param>
/// <param name="FailedPartitions">The partitions of __consumer_offsets whose groups are not served after an error and are missing here.</param>
public sealed record GroupListing(IReadOnlyList<GroupInfo> Groups, IReadOnlyList<int> FailedPartitions);
