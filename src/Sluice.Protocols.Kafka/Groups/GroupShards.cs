using Sluice.Base.Scheduling;
using Sluice.Broker;
using Sluice.Broker.Topics;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>All shards: one for each partition of the internal topic. They are made when the topic is, or when it is first looked for after a start. Thread-safe.</summary>
internal sealed class GroupShards(Func<VirtualHost?> host, int partitions, IScheduler scheduler, Func<Guid> newId, Func<TopicPartition, GroupShard> create) : IDisposable
{
    private readonly Lock _sync = new();
    private Topic? _topic;
    private GroupShard[] _shards = [];
    private bool _isDisposed;

    /// <summary>Those there are; none before there is a topic.</summary>
    public IReadOnlyList<GroupShard> All => host()?.FindTopic(OffsetsTopic.Name) is { } topic ? Of(topic) : [];

    /// <summary>The shard of a group; null if there is no place for groups.</summary>
    public async ValueTask<GroupShard?> OpenAsync(string groupId)
    {
        if (host() is not { } current || await OffsetsTopic.OpenAsync(current, partitions, newId).ConfigureAwait(false) is not { } topic)
        {
            return null;
        }

        GroupShard[] shards = Of(topic);
        return shards.Length == 0 ? null : shards[OffsetsTopic.PartitionOf(groupId, shards.Length)];
    }

    public void Dispose()
    {
        lock (_sync)
        {
            _isDisposed = true;
            Clear();
        }
    }

    private GroupShard[] Of(Topic topic)
    {
        lock (_sync)
        {
            if (_isDisposed)
            {
                return [];
            }

            if (!ReferenceEquals(topic, _topic))
            {
                // The topic is seen for the first time, or it was deleted with its host and is another one now.
                Clear();
                _topic = topic;
                _shards = [.. topic.Partitions.Select(create)];
                foreach (GroupShard shard in _shards)
                {
                    if (shard.Partition.StartOffset == shard.Partition.EndOffset)
                    {
                        shard.Load();
                    }
                    else
                    {
                        scheduler.Post(new Loading(shard));
                    }
                }
            }

            return _shards;
        }
    }

    private void Clear()
    {
        foreach (GroupShard shard in _shards)
        {
            shard.Dispose();
        }

        _shards = [];
    }

    private sealed class Loading(GroupShard shard) : IThreadPoolWorkItem
    {
        public void Execute() => shard.Load();
    }
}
