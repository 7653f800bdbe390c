using Sluice.Client.Connections;
using Sluice.Client.Metadata;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Consuming;

/// <summary>A member of a classic group. Joining runs beside the caller; partitions come and go in the caller's calls only.</summary>
internal sealed class ClassicMembership : IGroupMembership
{
    private readonly ConsumerOptions _options;
    private readonly CoordinatorClient _coordinator;
    private readonly ClusterMetadata _metadata;
    private readonly AsyncSignal _signal;
    private readonly ClassicJoin _join;
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _beating;
    private readonly Lock _sync = new();
    private Task<ClassicGeneration>? _joining;
    private IReadOnlyDictionary<string, int>? _watchedCounts;
    private string _memberId = "";
    private int _generation = -1;
    private bool _isMember;
    private bool _isLost;
    private volatile bool _needsJoin = true;
    private long _polledAt;

    public ClassicMembership(ConsumerOptions options, CoordinatorClient coordinator, ClusterMetadata metadata, AsyncSignal signal)
    {
        _options = options;
        _coordinator = coordinator;
        _metadata = metadata;
        _signal = signal;
        _join = new ClassicJoin(options, coordinator, metadata);
        _metadata.Changed += OnMetadata;
        OnPoll();
        _beating = BeatAsync();
    }

    public bool NeedsAttention => _needsJoin ? Volatile.Read(ref _joining) is null or { IsCompleted: true } : Volatile.Read(ref _joining) is { IsCompleted: true };

    public bool IsSettled
    {
        get
        {
            lock (_sync)
            {
                return _isMember && !_needsJoin && Volatile.Read(ref _joining) is null;
            }
        }
    }

    public CommitIdentity Identity
    {
        get
        {
            lock (_sync)
            {
                return new CommitIdentity(_memberId, _generation, _options.GroupInstanceId);
            }
        }
    }

    private bool IsCooperative => _options.Assignors[0].IsCooperative;

    public void OnPoll() => Volatile.Write(ref _polledAt, _options.Time.GetTimestamp());

    public async Task AttendAsync(IAssignmentTarget assignment, CancellationToken cancel)
    {
        if (_joining is { IsCompleted: true } joined)
        {
            _joining = null;
            await TakeAsync(await joined.ConfigureAwait(false), assignment, cancel).ConfigureAwait(false);
        }

        if (_needsJoin && _joining is null)
        {
            await BeginAsync(assignment, cancel).ConfigureAwait(false);
        }
    }

    public async Task LeaveAsync()
    {
        string memberId = Identity.MemberId is { Length: > 0 } own ? own : _join.MemberId;
        if (memberId.Length == 0 || _options.GroupInstanceId is not null)
        {
            return;
        }

        try
        {
            var request = new LeaveGroupRequest { GroupId = _options.GroupId!, Members = [new LeaveGroupRequest.MemberIdentity { MemberId = memberId, Reason = "the consumer was closed" }] };
            await _coordinator.AskAsync<LeaveGroupResponse>(ApiUse.LeaveGroup, request, TimeSpan.Zero, CancellationToken.None).ConfigureAwait(false);
        }
        catch (KafkaClientException)
        {
            // The group finds out by itself when the session ends.
        }
    }

    public async ValueTask DisposeAsync()
    {
        _metadata.Changed -= OnMetadata;
        await _closing.CancelAsync().ConfigureAwait(false);
        await _beating.ConfigureAwait(false);
        if (_joining is { } joining)
        {
            await ((Task)joining).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (joining.IsCompletedSuccessfully)
            {
                Become(joining.Result);
            }
        }

        _closing.Dispose();
    }

    private async Task BeginAsync(IAssignmentTarget assignment, CancellationToken cancel)
    {
        bool isLost;
        lock (_sync)
        {
            isLost = _isLost;
            _isLost = false;
        }

        if (isLost)
        {
            await assignment.LoseAsync([.. assignment.Owned]).ConfigureAwait(false);
        }
        else if (!IsCooperative)
        {
            await assignment.RevokeAsync([.. assignment.Owned], cancel).ConfigureAwait(false);
        }

        string memberId;
        int generation;
        lock (_sync)
        {
            _needsJoin = false;
            _isMember = false;
            (memberId, generation) = (_memberId, _generation);
        }

        Task<ClassicGeneration> joining = _join.RunAsync(memberId, generation, [.. assignment.Topics], [.. assignment.Owned], _closing.Token);
        _joining = joining;
        _ = TellAsync(joining);
    }

    private async Task TellAsync(Task joining)
    {
        await joining.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        if (joining.IsFaulted)
        {
            _needsJoin = true;
        }
        else if (joining is Task<ClassicGeneration> { IsCompletedSuccessfully: true } joined)
        {
            // The session has begun: heartbeats must not wait for the caller.
            Become(joined.Result);
        }

        _signal.Set();
    }

    private void Become(ClassicGeneration joined)
    {
        lock (_sync)
        {
            _memberId = joined.MemberId;
            _generation = joined.Generation;
            _isMember = true;
        }
    }

    private async Task TakeAsync(ClassicGeneration joined, IAssignmentTarget assignment, CancellationToken cancel)
    {
        _watchedCounts = joined.WatchedCounts;
        TopicPartition[] revoked = [.. assignment.Owned.Except(joined.Assigned)];
        TopicPartition[] added = [.. joined.Assigned.Except(assignment.Owned)];
        if (revoked.Length > 0)
        {
            await assignment.RevokeAsync(revoked, cancel).ConfigureAwait(false);
            _needsJoin = true;
        }

        await assignment.AssignAsync(added).ConfigureAwait(false);
    }

    private async Task BeatAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(_options.HeartbeatInterval, _options.Time, _closing.Token).ConfigureAwait(false);
                CommitIdentity identity;
                lock (_sync)
                {
                    if (!_isMember)
                    {
                        continue;
                    }

                    identity = new CommitIdentity(_memberId, _generation, _options.GroupInstanceId);
                }

                if (_options.Time.GetElapsedTime(Volatile.Read(ref _polledAt)) > _options.MaxPollInterval)
                {
                    Lose("the member did not consume for longer than MaxPollInterval");
                    await LeaveAsync().ConfigureAwait(false);
                    Reset();
                    continue;
                }

                await BeatOnceAsync(identity).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The consumer is going.
        }
    }

    private async Task BeatOnceAsync(CommitIdentity identity)
    {
        var request = new HeartbeatRequest { GroupId = _options.GroupId!, MemberId = identity.MemberId, GenerationId = identity.Generation, GroupInstanceId = identity.InstanceId };
        KafkaErrorCode code;
        try
        {
            HeartbeatResponse response = await _coordinator.AskAsync<HeartbeatResponse>(ApiUse.Heartbeat, request, TimeSpan.Zero, _closing.Token).ConfigureAwait(false);
            code = response.ErrorCode;
        }
        catch (KafkaClientException error)
        {
            _options.OnBackgroundError?.Invoke(error);
            return;
        }

        lock (_sync)
        {
            if (!_isMember || _generation != identity.Generation)
            {
                // The answer is about what is past.
                return;
            }
        }

        switch (code)
        {
            case KafkaErrorCode.None:
                break;
            case KafkaErrorCode.RebalanceInProgress:
                _needsJoin = true;
                _signal.Set();
                break;
            case KafkaErrorCode.UnknownMemberId or KafkaErrorCode.IllegalGeneration or KafkaErrorCode.FencedInstanceId:
                Lose($"the group said {code}");
                Reset();
                break;
            default:
                if (code.IsStaleCoordinator())
                {
                    _coordinator.Forget();
                }

                _options.OnBackgroundError?.Invoke(KafkaClientException.Of(code, $"A heartbeat to the group '{_options.GroupId}'"));
                break;
        }
    }

    private void Lose(string reason)
    {
        lock (_sync)
        {
            _isMember = false;
            _isLost = true;
        }

        _options.OnBackgroundError?.Invoke(new KafkaClientException(KafkaErrorCode.UnknownMemberId, $"This consumer is out of the group '{_options.GroupId}' and joins again: {reason}."));
    }

    private void Reset()
    {
        lock (_sync)
        {
            _memberId = "";
            _generation = -1;
        }

        _needsJoin = true;
        _signal.Set();
    }

    /// <summary>The leader distributes anew when topics have come, gone or grown.</summary>
    private void OnMetadata()
    {
        if (_watchedCounts is { } watched && _join.Counts(watched.Keys).Any(entry => entry.Value > 0 && entry.Value != watched[entry.Key]))
        {
            _watchedCounts = null;
            _needsJoin = true;
            _signal.Set();
        }
    }
}
