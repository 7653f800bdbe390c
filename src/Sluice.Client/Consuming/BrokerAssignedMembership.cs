using Sluice.Client.Connections;
using Sluice.Client.Metadata;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Consuming;

/// <summary>A member of a group whose partitions the broker distributes (KIP-848): heartbeats say what the member has, their answers what it should have.</summary>
internal sealed class BrokerAssignedMembership : IGroupMembership
{
    private const int JoinEpoch = 0;
    private const int LeaveEpoch = -1;
    private const int StaticLeaveEpoch = -2;

    private readonly ConsumerOptions _options;
    private readonly CoordinatorClient _coordinator;
    private readonly ClusterMetadata _metadata;
    private readonly AsyncSignal _signal;
    private readonly AsyncSignal _beat;
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _sync = new();
    private readonly string _memberId;
    private Task? _beating;
    private string[] _topics = [];
    private TopicPartition[] _owned = [];
    private TopicPartition[]? _wanted;
    private KafkaClientException? _error;
    private int _epoch;
    private bool _isOwnedNew = true;
    private bool _isLost;
    private volatile bool _needsAttention = true;
    private volatile bool _hasAssignment;
    private long _polledAt;

    public BrokerAssignedMembership(ConsumerOptions options, CoordinatorClient coordinator, ClusterMetadata metadata, AsyncSignal signal)
    {
        _options = options;
        _coordinator = coordinator;
        _metadata = metadata;
        _signal = signal;
        _beat = new AsyncSignal(options.Time);
        byte[] id = new byte[16];
        options.Random.NextBytes(id);
        _memberId = Convert.ToBase64String(id).Replace('+', '-').Replace('/', '_').TrimEnd('=');
        OnPoll();
    }

    public bool NeedsAttention => _needsAttention;

    public bool IsSettled => _hasAssignment && !_needsAttention;

    public CommitIdentity Identity
    {
        get
        {
            lock (_sync)
            {
                return new CommitIdentity(_memberId, _epoch, _options.GroupInstanceId);
            }
        }
    }

    public void OnPoll() => Volatile.Write(ref _polledAt, _options.Time.GetTimestamp());

    public async Task AttendAsync(IAssignmentTarget assignment, CancellationToken cancel)
    {
        TopicPartition[]? wanted;
        bool isLost;
        lock (_sync)
        {
            _needsAttention = false;
            if (_error is { } error)
            {
                _error = null;
                throw new KafkaClientException(error.ErrorCode, error.Message, error);
            }

            _topics = [.. assignment.Topics];
            wanted = _wanted;
            _wanted = null;
            isLost = _isLost;
            _isLost = false;
        }

        if (isLost)
        {
            await assignment.LoseAsync([.. assignment.Owned]).ConfigureAwait(false);
        }

        if (wanted is not null)
        {
            TopicPartition[] revoked = [.. assignment.Owned.Except(wanted)];
            if (revoked.Length > 0)
            {
                await assignment.RevokeAsync(revoked, cancel).ConfigureAwait(false);
            }

            await assignment.AssignAsync([.. wanted.Except(assignment.Owned)]).ConfigureAwait(false);
            _hasAssignment = true;
        }

        lock (_sync)
        {
            _owned = [.. assignment.Owned];
            _isOwnedNew |= wanted is not null || isLost;
        }

        _beating ??= BeatAsync();
        _beat.Set();
    }

    public async Task LeaveAsync()
    {
        int epoch = Identity.Generation;
        if (_beating is null || epoch <= JoinEpoch)
        {
            return;
        }

        try
        {
            var request = new ConsumerGroupHeartbeatRequest { GroupId = _options.GroupId!, MemberId = _memberId, InstanceId = _options.GroupInstanceId, MemberEpoch = _options.GroupInstanceId is null ? LeaveEpoch : StaticLeaveEpoch };
            await _coordinator.AskAsync<ConsumerGroupHeartbeatResponse>(ApiUse.ConsumerGroupHeartbeat, request, TimeSpan.Zero, CancellationToken.None).ConfigureAwait(false);
        }
        catch (KafkaClientException)
        {
            // The group finds out by itself when the session ends.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        _beat.Set();
        if (_beating is not null)
        {
            await _beating.ConfigureAwait(false);
        }

        _beat.Dispose();
        _closing.Dispose();
    }

    private async Task BeatAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        int failures = 0;
        while (!_closing.IsCancellationRequested)
        {
            TimeSpan pause;
            if (_options.Time.GetElapsedTime(Volatile.Read(ref _polledAt)) > _options.MaxPollInterval)
            {
                await LeaveAsync().ConfigureAwait(false);
                Lose("the member did not consume for longer than MaxPollInterval");
                await _beat.WaitAsync(null).ConfigureAwait(false);
                continue;
            }

            try
            {
                ConsumerGroupHeartbeatRequest request = NewRequest(out bool saysOwned);
                ConsumerGroupHeartbeatResponse response = await _coordinator.AskAsync<ConsumerGroupHeartbeatResponse>(ApiUse.ConsumerGroupHeartbeat, request, TimeSpan.Zero, _closing.Token).ConfigureAwait(false);
                if (response.ErrorCode == KafkaErrorCode.None)
                {
                    failures = 0;
                    pause = TimeSpan.FromMilliseconds(Math.Max(100, response.HeartbeatIntervalMs));
                    await TakeAsync(response, request, saysOwned).ConfigureAwait(false);
                }
                else
                {
                    pause = _options.Backoff(++failures);
                    Take(KafkaClientException.Of(response.ErrorCode, $"A heartbeat to the group '{_options.GroupId}'", response.ErrorMessage));
                }
            }
            catch (KafkaClientException error)
            {
                pause = _options.Backoff(++failures);
                Take(error);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            // Not later than the member would be taken for stuck.
            TimeSpan patience = _options.MaxPollInterval - _options.Time.GetElapsedTime(Volatile.Read(ref _polledAt)) + TimeSpan.FromMilliseconds(1);
            await _beat.WaitAsync(patience < pause ? patience : pause).ConfigureAwait(false);
        }
    }

    private ConsumerGroupHeartbeatRequest NewRequest(out bool saysOwned)
    {
        lock (_sync)
        {
            bool isJoining = _epoch == JoinEpoch;
            saysOwned = isJoining || _isOwnedNew;
            _isOwnedNew = false;
            return new ConsumerGroupHeartbeatRequest
            {
                GroupId = _options.GroupId!,
                MemberId = _memberId,
                MemberEpoch = _epoch,
                InstanceId = _options.GroupInstanceId,
                RebalanceTimeoutMs = isJoining ? (int)Math.Min(int.MaxValue, _options.MaxPollInterval.TotalMilliseconds) : -1,
                SubscribedTopicNames = isJoining ? _topics : null,
                ServerAssignor = isJoining ? _options.RemoteAssignor : null,
                TopicPartitions = isJoining ? [] : saysOwned ? ToIds(_owned) : null,
            };
        }
    }

    private ConsumerGroupHeartbeatRequest.TopicPartitionsData[] ToIds(TopicPartition[] partitions)
    {
        ClusterView view = _metadata.View;
        return
        [
            .. partitions.GroupBy(partition => partition.Topic).Where(topic => view.Topics.ContainsKey(topic.Key)).Select(topic => new ConsumerGroupHeartbeatRequest.TopicPartitionsData
            {
                TopicId = view.Topics[topic.Key].Id,
                Partitions = [.. topic.Select(partition => partition.Partition)],
            }),
        ];
    }

    private async Task TakeAsync(ConsumerGroupHeartbeatResponse response, ConsumerGroupHeartbeatRequest request, bool saidOwned)
    {
        lock (_sync)
        {
            if (_epoch != request.MemberEpoch)
            {
                return;
            }

            _epoch = response.MemberEpoch;
        }

        if (response.Assignment is { } assignment)
        {
            TopicPartition[]? wanted = await ToNamesAsync(assignment).ConfigureAwait(false);
            lock (_sync)
            {
                if (wanted is null)
                {
                    // Some topics are not known yet: by saying anew what the member has it is told again.
                    _isOwnedNew = true;
                    return;
                }

                _wanted = wanted;
                _needsAttention = true;
            }

            _signal.Set();
        }
    }

    private async Task<TopicPartition[]?> ToNamesAsync(ConsumerGroupHeartbeatResponse.AssignmentData assignment)
    {
        for (int tries = 0; tries < 2; tries++)
        {
            Dictionary<Guid, string> names = _metadata.View.Topics.Values.Where(topic => topic.Id != Guid.Empty).ToDictionary(topic => topic.Id, topic => topic.Name);
            if (assignment.TopicPartitions.All(topic => names.ContainsKey(topic.TopicId)))
            {
                return [.. assignment.TopicPartitions.SelectMany(topic => topic.Partitions.Select(partition => new TopicPartition(names[topic.TopicId], partition)))];
            }

            _metadata.Invalidate();
            await _metadata.RefreshOnceAsync(_options.RequestTimeout, _closing.Token).ConfigureAwait(false);
        }

        return null;
    }

    private void Take(KafkaClientException error)
    {
        lock (_sync)
        {
            // What was to be said may not have been heard.
            _isOwnedNew = true;
        }

        if (error.ErrorCode is KafkaErrorCode.FencedMemberEpoch or KafkaErrorCode.UnknownMemberId)
        {
            Lose(error.Message);
            return;
        }

        if (error.ErrorCode.IsStaleCoordinator())
        {
            _coordinator.Forget();
        }

        if (error.IsRetriable || error.ErrorCode == KafkaErrorCode.UnreleasedInstanceId)
        {
            _options.OnBackgroundError?.Invoke(error);
            return;
        }

        lock (_sync)
        {
            _error = error;
            _needsAttention = true;
        }

        _signal.Set();
    }

    private void Lose(string reason)
    {
        lock (_sync)
        {
            _epoch = JoinEpoch;
            _hasAssignment = false;
            _isLost = true;
            _wanted = null;
            _needsAttention = true;
        }

        _options.OnBackgroundError?.Invoke(new KafkaClientException(KafkaErrorCode.UnknownMemberId, $"This consumer is out of the group '{_options.GroupId}' and joins again: {reason}"));
        _signal.Set();
    }
}
