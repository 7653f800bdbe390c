using Sluice.Broker.Queues;
using Sluice.Broker.Topics;

namespace Sluice.Broker.Shares;

/// <summary>The share groups of a virtual host, for consumers that no group coordinator knows: they need no assignment and no heartbeats. Implemented by whoever keeps groups. Thread-safe.</summary>
public interface IShareGroups
{
    /// <summary>Whose topics the groups read.</summary>
    string VirtualHost { get; }

    /// <summary>
    /// The group is in use until <see cref="Leave"/>, once for each call. It is made if it is not there. Differs: there is a group of another kind of this name.
    /// Unavailable: groups cannot be kept.
    /// </summary>
    /// <param name="group">Its name.</param>
    /// <param name="partitions">Of one topic; in each the group has a position then, which is kept.</param>
    /// <param name="start">Where it begins in a partition that it has not read; null: where its configuration says.</param>
    ValueTask<BrokerResult<IReadOnlyList<ISharePosition>>> JoinAsync(string group, IReadOnlyList<TopicPartition> partitions, StreamStart? start);

    /// <summary>Ends one use of the group.</summary>
    void Leave(string group);
}
