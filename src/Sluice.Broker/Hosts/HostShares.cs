using System.Collections.Concurrent;
using Sluice.Broker.Queues;
using Sluice.Broker.Shares;
using Sluice.Broker.Topics;

namespace Sluice.Broker.Hosts;

/// <summary>What consumers of this virtual host read as share groups.</summary>
internal sealed class HostShares(VirtualHost host)
{
    /// <summary>A topic that has got more partitions is another one to those who come then.</summary>
    private readonly ConcurrentDictionary<(string Group, string Name, int Partitions), ShareQueue> _queues = [];

    /// <summary>See <see cref="VirtualHost.OpenShareAsync"/>.</summary>
    public async ValueTask<BrokerResult<MessageQueue>> OpenAsync(string name, string group, StreamStart? start, object? owner)
    {
        BrokerResult<IReadOnlyList<TopicPartition>> found = Find(name, owner);
        if (!found.IsOk)
        {
            return new BrokerResult(found.Status, found.Detail);
        }

        if (host.Broker.ShareGroups is not { } groups || groups.VirtualHost != host.Name)
        {
            return new BrokerResult(BrokerStatus.Unsupported, $"vhost '{host.Name}' has no share groups: they are in the virtual host that Kafka clients see, if they see one");
        }

        IReadOnlyList<TopicPartition> partitions = found.Value!;
        (string, string, int) key = (group, name, partitions.Count);
        while (true)
        {
            if (_queues.TryGetValue(key, out ShareQueue? known))
            {
                if (known.TryUse())
                {
                    return known;
                }

                Remove(key, known);
            }

            BrokerResult<IReadOnlyList<ISharePosition>> joined = await groups.JoinAsync(group, partitions, start).ConfigureAwait(false);
            if (!joined.IsOk)
            {
                return new BrokerResult(joined.Status, joined.Detail);
            }

            var queue = new ShareQueue(host, name, group, partitions, joined.Value!, ended =>
            {
                Remove(key, ended);
                groups.Leave(group);
            });
            if (_queues.TryAdd(key, queue))
            {
                queue.Begin();
                return queue;
            }

            groups.Leave(group);
        }
    }

    private void Remove((string, string, int) key, ShareQueue queue) => _queues.TryRemove(KeyValuePair.Create(key, queue));

    /// <summary>All partitions of the topic, or the one that the stream is.</summary>
    private BrokerResult<IReadOnlyList<TopicPartition>> Find(string name, object? owner)
    {
        BrokerResult<MessageQueue> found = host.FindQueue(name, owner);
        if (found.Status == BrokerStatus.Locked)
        {
            return new BrokerResult(found.Status, found.Detail);
        }

        IReadOnlyList<TopicPartition> partitions = host.FindTopic(name) is { } topic ? topic.Partitions
            : found.Value is StreamQueue { Partition: { } partition } ? [partition]
            : [];
        return partitions switch
        {
            _ when partitions.Any(static one => one.IsQueue) || found.Value is CompetingQueue => new BrokerResult(BrokerStatus.InvalidArgument, $"queue '{name}' in vhost '{host.Name}' has no share groups: all its consumers compete; only streams and topics have them"),
            _ when partitions.Any(static one => one.Topic.Definition.IsInternal) => new BrokerResult(BrokerStatus.Forbidden, $"topic '{name}' in vhost '{host.Name}' is the broker's own"),
            [] when found.IsOk => new BrokerResult(BrokerStatus.Unsupported, $"stream '{name}' in vhost '{host.Name}' has no share groups: no topic can have its name"),
            [] => new BrokerResult(found.Status, found.Detail),
            _ => new BrokerResult<IReadOnlyList<TopicPartition>>(BrokerStatus.Ok, "", partitions),
        };
    }
}
