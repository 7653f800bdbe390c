using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Sluice.Broker.Queues;
using Sluice.Broker.Shares;
using Sluice.Broker.Topics;

namespace Sluice.Broker.Hosts;

/// <summary>What consumers of this virtual host read as share groups.</summary>
internal sealed class HostShares(VirtualHost host)
{
    /// <summary>What is added to a topic while a group reads it begins with its first record: all of it is new.</summary>
    private static readonly StreamStart s_startOfAdded = new(StreamStartKind.First);

    private readonly ConcurrentDictionary<(string Group, string Name, Guid Topic), ShareQueue> _queues = [];

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
        Topic topic = partitions[0].Topic;
        (string, string, Guid) key = (group, name, topic.Id);
        while (true)
        {
            if (_queues.TryGetValue(key, out ShareQueue? known))
            {
                BrokerResult extended = await ExtendAsync(known, groups, partitions).ConfigureAwait(false);
                if (!extended.IsOk)
                {
                    return extended;
                }

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
                if (name == topic.Name)
                {
                    // Partitions that came since it was looked for; those that come later know of the queue.
                    await GrowAsync(topic).ConfigureAwait(false);
                }

                return queue;
            }

            groups.Leave(group);
        }
    }

    /// <summary>The topic has got more partitions: those who read all of it read them, too.</summary>
    public async ValueTask GrowAsync(Topic topic)
    {
        foreach (((string _, string name, Guid id), ShareQueue queue) in _queues)
        {
            if (id != topic.Id || name != topic.Name || host.Broker.ShareGroups is not { } groups)
            {
                continue;
            }

            BrokerResult extended = await ExtendAsync(queue, groups, topic.Partitions).ConfigureAwait(false);
            if (!extended.IsOk)
            {
                host.Logger.LogWarning("Consumers of share group '{Group}' do not get what comes to the new partitions of topic '{Topic}' in virtual host '{Host}', until one more subscribes: {Reason}", queue.Group, name, host.Name, extended.Detail);
            }
        }
    }

    private static async ValueTask<BrokerResult> ExtendAsync(ShareQueue queue, IShareGroups groups, IReadOnlyList<TopicPartition> partitions)
    {
        int first = queue.PartitionCount;
        if (partitions.Count <= first)
        {
            return BrokerResult.Ok;
        }

        TopicPartition[] added = [.. partitions.Skip(first)];
        BrokerResult<IReadOnlyList<ISharePosition>> joined = await groups.JoinAsync(queue.Group, added, s_startOfAdded).ConfigureAwait(false);
        if (!joined.IsOk)
        {
            return new BrokerResult(joined.Status, joined.Detail);
        }

        // The queue has a use of the group already.
        queue.Extend(first, added, joined.Value!);
        groups.Leave(queue.Group);
        return BrokerResult.Ok;
    }

    private void Remove((string, string, Guid) key, ShareQueue queue) => _queues.TryRemove(KeyValuePair.Create(key, queue));

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
