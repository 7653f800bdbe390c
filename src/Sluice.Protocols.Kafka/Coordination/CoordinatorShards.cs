using Microsoft.Extensions.Logging;
using Sluice.Base.Scheduling;
using Sluice.Broker;
using Sluice.Broker.Topics;

namespace Sluice.Protocols.Kafka.Coordination;

/// <summary>All shards of a coordinator: one for each partition of its topic. They are made when the topic is, or when it is first looked for after a start. Thread-safe.</summary>
internal sealed class CoordinatorShards<TShard>(Func<VirtualHost?> host, InternalTopic kept, IScheduler scheduler, ILogger logger, Func<Guid> newId, Func<TopicPartition, TShard> create) : IDisposable
    where TShard : class, ICoordinatorShard
{
    private readonly Lock _sync = new();
    private Topic? _topic;
    private TShard[] _shards = [];
    private Task _loaded = Task.CompletedTask;
    private bool _isDisposed;
    private bool _hasWarned;

    /// <summary>What keeps them.</summary>
    public InternalTopic Kept => kept;

    /// <summary>Those there are; none before there is a topic.</summary>
    public IReadOnlyList<TShard> All => host() is { } current && kept.Find(current) is { } topic ? Of(topic) : [];

    /// <summary>The shard that keeps a name; null before there is a topic.</summary>
    public TShard? Find(string id) => All is { Count: > 0 } shards ? shards[InternalTopic.PartitionOf(id, shards.Count)] : null;

    /// <summary>The shard that keeps a name; null if there is no place for it.</summary>
    public async ValueTask<TShard?> OpenAsync(string id)
    {
        if (host() is not { } current)
        {
            return null;
        }

        BrokerResult<Topic> opened = await kept.OpenAsync(current, newId).ConfigureAwait(false);
        if (opened.Value is not { } topic)
        {
            Warn(opened.Detail);
            return null;
        }

        TShard[] shards = Of(topic);
        return shards.Length == 0 ? null : shards[InternalTopic.PartitionOf(id, shards.Length)];
    }

    /// <summary>Done when all there was at the start is read, or cannot be: for those who cannot be told to come again.</summary>
    public Task WhenLoadedAsync()
    {
        _ = All;
        lock (_sync)
        {
            return _loaded;
        }
    }

    public void Dispose()
    {
        lock (_sync)
        {
            _isDisposed = true;
            Clear();
        }
    }

    /// <summary>Says once why nothing can be kept, not for every request that needs it.</summary>
    private void Warn(string problem)
    {
        lock (_sync)
        {
            if (_hasWarned)
            {
                return;
            }

            _hasWarned = true;
        }

        logger.LogError("There is no topic {Topic} of the broker's own, and none can be made ({Problem}): what is kept there is not served. Delete the topic or queue that has its name.", kept.Name, problem);
    }

    private TShard[] Of(Topic topic)
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
                var loadings = new List<Loading>();
                foreach (TShard shard in _shards)
                {
                    if (shard.Partition.StartOffset == shard.Partition.EndOffset)
                    {
                        shard.Load();
                    }
                    else
                    {
                        var loading = new Loading(shard);
                        loadings.Add(loading);
                        scheduler.Post(loading);
                    }
                }

                _loaded = loadings.Count > 0 ? LoadAsync(topic, loadings) : Task.CompletedTask;
            }

            return _shards;
        }
    }

    /// <summary>Says in one line what was read, as there are many partitions.</summary>
    private async Task LoadAsync(Topic topic, List<Loading> loadings)
    {
        int[] records = await Task.WhenAll(loadings.Select(static loading => loading.Task)).ConfigureAwait(false);
        logger.LogInformation("Topic {Topic} of the broker's own: {Records} records read from {Partitions} of its {Count} partitions, the others are empty", topic.Name, records.Sum(), records.Length, topic.Partitions.Count);
    }

    private void Clear()
    {
        foreach (TShard shard in _shards)
        {
            shard.Dispose();
        }

        _shards = [];
    }

    private sealed class Loading(TShard shard) : IThreadPoolWorkItem
    {
        private readonly TaskCompletionSource<int> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>How many records were read.</summary>
        public Task<int> Task => _completion.Task;

        public void Execute()
        {
            int records = 0;
            try
            {
                records = shard.Load();
            }
            finally
            {
                _completion.SetResult(records);
            }
        }
    }
}
