using Sluice.Client.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Metadata;

/// <summary>
/// Knows the leaders of the partitions of the topics that the client uses. Asks the broker with least to do, one request at a time,
/// with a pause after each that failed. Thread-safe.
/// </summary>
internal sealed class ClusterMetadata(NodePool nodes, KafkaClientOptions options, bool createsTopics)
{
    /// <summary>A client that uses more topics than this at once is stopped from growing without bound.</summary>
    private const int TopicsMax = 100_000;

    private readonly Lock _sync = new();
    private readonly HashSet<string> _topics = new(StringComparer.Ordinal);
    private ClusterView _view = ClusterView.Empty;
    private Task? _refreshing;
    private long _refreshedAt;
    private long _notBefore;
    private int _failures;
    private bool _isStale = true;

    /// <summary>A refresh has ended, well or not. Called on any thread.</summary>
    public event Action? Changed;

    public ClusterView View => Volatile.Read(ref _view);

    /// <summary>Why the last refresh failed; null after one that did not.</summary>
    public KafkaClientException? LastError { get; private set; }

    /// <summary>Begins to ask about a topic.</summary>
    public void Track(string topic)
    {
        lock (_sync)
        {
            if (_topics.Count == TopicsMax && !_topics.Contains(topic))
            {
                throw new KafkaClientException(KafkaErrorCode.InvalidTopicException, $"One client can use {TopicsMax} topics.");
            }

            if (_topics.Add(topic))
            {
                _isStale = true;
            }
        }
    }

    /// <summary>What is known has turned out to be wrong.</summary>
    public void Invalidate()
    {
        lock (_sync)
        {
            _isStale = true;
        }
    }

    /// <summary>Begins a refresh if one is due. Returns how long to wait before asking again, if one is wanted but may not begin yet.</summary>
    public TimeSpan? RefreshIfDue()
    {
        lock (_sync)
        {
            if (_refreshing is { IsCompleted: false })
            {
                return null;
            }

            long now = options.Time.GetTimestamp();
            if (!_isStale && options.Time.GetElapsedTime(_refreshedAt, now) < options.MetadataMaxAge)
            {
                return null;
            }

            if (now < _notBefore)
            {
                return options.Time.GetElapsedTime(now, _notBefore);
            }

            _refreshing = RefreshAsync([.. _topics]);
            _ = TellAsync(_refreshing);
            return null;
        }
    }

    /// <summary>Waits until the topic is known.</summary>
    /// <exception cref="KafkaClientException">It does not exist, or is not known within <see cref="KafkaClientOptions.MaxBlock"/>.</exception>
    public async Task<TopicView> GetTopicAsync(string topic, CancellationToken cancel)
    {
        Track(topic);
        long begin = options.Time.GetTimestamp();
        while (true)
        {
            if (View.Topics.TryGetValue(topic, out TopicView? view) && view.Error == KafkaErrorCode.None && view.Partitions.Length > 0)
            {
                return view;
            }

            if (view is not null && view.Error != KafkaErrorCode.None && !view.Error.IsRetriable())
            {
                // The next who asks must not be told what may have changed.
                Invalidate();
                throw KafkaClientException.Of(view.Error, $"Topic '{topic}'", view.Error.Explanation());
            }

            TimeSpan left = options.MaxBlock - options.Time.GetElapsedTime(begin);
            if (left <= TimeSpan.Zero)
            {
                throw new KafkaClientException(
                    view?.Error ?? KafkaErrorCode.NetworkException,
                    LastError is { } last ? $"Topic '{topic}' could not be looked up in {options.MaxBlock.TotalSeconds:0.###} s: {last.Message}" : $"Topic '{topic}' was not there for {options.MaxBlock.TotalSeconds:0.###} s ({view?.Error}).",
                    LastError);
            }

            Invalidate();
            await RefreshOnceAsync(left, cancel).ConfigureAwait(false);
            if (LastError is { } error && !IsTriedAgain(error))
            {
                throw new KafkaClientException(error.ErrorCode, error.Message, error);
            }
        }
    }

    /// <summary>Waits for a refresh that begins now, or after its pause, or is under way; at most so long.</summary>
    public async Task RefreshOnceAsync(TimeSpan most, CancellationToken cancel)
    {
        TimeSpan? pause = RefreshIfDue();
        if (pause is { } wait)
        {
            await Task.Delay(wait < most ? wait : most, options.Time, cancel).ConfigureAwait(false);
            RefreshIfDue();
        }

        Task? refreshing;
        lock (_sync)
        {
            refreshing = _refreshing;
        }

        if (refreshing is not null)
        {
            try
            {
                await refreshing.WaitAsync(most, options.Time, cancel).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // The caller looks at its own clock.
            }
        }
    }

    private bool IsTriedAgain(KafkaClientException error) => error.IsRetriable && (options.RetriesFirstConnection || !ReferenceEquals(View, ClusterView.Empty));

    private async Task RefreshAsync(string[] topics)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            KafkaConnection connection = await nodes.GetLeastLoadedAsync(CancellationToken.None).ConfigureAwait(false);
            var request = new MetadataRequest
            {
                Topics = Array.ConvertAll(topics, name => new MetadataRequest.MetadataRequestTopic { Name = name }),
                AllowAutoTopicCreation = createsTopics,
            };
            MetadataResponse response = await connection.AskAsync<MetadataResponse>(ApiUse.Metadata, request).ConfigureAwait(false);
            Take(response, topics);
        }
        catch (KafkaClientException error)
        {
            lock (_sync)
            {
                LastError = error;
                Pause();
            }

            if (IsTriedAgain(error))
            {
                options.OnBackgroundError?.Invoke(error);
            }
        }
        catch (ObjectDisposedException)
        {
            // The client is going.
        }
    }

    private async Task TellAsync(Task refreshing)
    {
        await refreshing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        Changed?.Invoke();
    }

    private void Take(MetadataResponse response, string[] asked)
    {
        var view = new ClusterView(
            response.Brokers.DistinctBy(broker => broker.NodeId).ToDictionary(broker => broker.NodeId, broker => new BrokerAddress(broker.Host, broker.Port)),
            response.Topics.Where(topic => topic.Name is not null).DistinctBy(topic => topic.Name).ToDictionary(topic => topic.Name!, ToView, StringComparer.Ordinal));
        nodes.Update(view);
        lock (_sync)
        {
            LastError = null;
            _refreshedAt = options.Time.GetTimestamp();
            Volatile.Write(ref _view, view);
            bool isWhole = view.Topics.Values.All(topic => topic.Error == KafkaErrorCode.None && topic.Partitions.All(partition => partition.Leader >= 0));
            _isStale = !isWhole || _topics.Count != asked.Length;
            if (isWhole)
            {
                _failures = 0;
                _notBefore = 0;
            }
            else
            {
                Pause();
            }
        }
    }

    private static TopicView ToView(MetadataResponse.MetadataResponseTopic topic)
    {
        var partitions = new PartitionView[topic.Partitions.Length];
        Array.Fill(partitions, new PartitionView(-1, -1));
        foreach (MetadataResponse.MetadataResponsePartition partition in topic.Partitions)
        {
            if ((uint)partition.PartitionIndex < (uint)partitions.Length)
            {
                partitions[partition.PartitionIndex] = new PartitionView(partition.LeaderId, partition.LeaderEpoch);
            }
        }

        return new TopicView(topic.Name!, topic.TopicId, topic.ErrorCode, partitions);
    }

    private void Pause()
    {
        _failures++;
        _notBefore = options.Time.GetTimestamp() + (long)(options.Backoff(_failures).TotalSeconds * options.Time.TimestampFrequency);
    }
}
