using Sluice.Base.Buffers;
using Sluice.Client.Connections;
using Sluice.Client.Consuming;
using Sluice.Client.Metadata;
using Sluice.Client.Records;
using Sluice.Client.Serialization;

namespace Sluice.Client;

/// <summary>
/// Takes records from a Kafka broker: of partitions that the program names (<see cref="Assign(IEnumerable{TopicPartition})"/>), or as a member of a group (<see cref="Subscribe"/>).
/// Not thread-safe: one call at a time. Partitions come and go, and offsets are committed automatically, within <see cref="ConsumeAsync"/> only.
/// </summary>
/// <typeparam name="TKey">Of the records' keys.</typeparam>
/// <typeparam name="TValue">Of the records' values.</typeparam>
public sealed class KafkaConsumer<TKey, TValue> : IAsyncDisposable
{
    /// <summary>How long a wait lasts at most before everything is looked at again.</summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

    private readonly ConsumerOptions _options;
    private readonly IDeserializer<TKey> _keys;
    private readonly IDeserializer<TValue> _values;
    private readonly AsyncSignal _signal;
    private readonly NodePool _nodes;
    private readonly ClusterMetadata _metadata;
    private readonly Fetcher _fetcher;
    private readonly OffsetLookup _lookup;
    private readonly PositionLookup _positions;
    private readonly GroupOffsets? _offsets;
    private readonly CoordinatorClient? _coordinator;
    private readonly Assignment _assignment = new();
    private readonly AssignmentTarget _target;
    private readonly CancellationTokenSource _closing = new();
    private readonly Action _sendFetches;
    private IGroupMembership? _membership;
    private Task? _autoCommit;
    private long _committedAt;
    private int _isBusy;
    private bool _isDisposed;

    /// <summary>Makes a consumer; it connects when it is first used.</summary>
    /// <param name="options">How it works.</param>
    /// <param name="keyDeserializer">Null: the one that comes with the client, for text, bytes and whole numbers.</param>
    /// <param name="valueDeserializer">Likewise.</param>
    /// <exception cref="ArgumentException">An option is out of range, or a deserializer is missing.</exception>
    public KafkaConsumer(ConsumerOptions options, IDeserializer<TKey>? keyDeserializer = null, IDeserializer<TValue>? valueDeserializer = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _keys = keyDeserializer ?? Serdes.DeserializerFor<TKey>();
        _values = valueDeserializer ?? Serdes.DeserializerFor<TValue>();
        var pool = new BufferPool();
        _signal = new AsyncSignal(options.Time);
        _nodes = new NodePool(options, pool);
        _metadata = new ClusterMetadata(_nodes, options, options.CreateTopics);
        _lookup = new OffsetLookup(options, _nodes, _metadata);
        _fetcher = new Fetcher(options, _nodes, _metadata, pool, _signal) { OutOfRange = OnOutOfRange };
        if (options.GroupId is { } group)
        {
            _coordinator = new CoordinatorClient(options, _nodes, CoordinatorKind.Group, group);
            _offsets = new GroupOffsets(options, _coordinator);
        }

        _positions = new PositionLookup(options, _offsets, _lookup, _signal);
        _target = new AssignmentTarget(options, _assignment, CommitBeforeRevokeAsync);
        _sendFetches = () => _fetcher.Send(_assignment.States);
        _committedAt = options.Time.GetTimestamp();
        _nodes.Changed += _signal.Set;
        _metadata.Changed += _signal.Set;
    }

    /// <summary>The partitions that this consumer reads now.</summary>
    public IReadOnlyCollection<TopicPartition> Assigned => [.. _assignment.Partitions];

    /// <summary>
    /// Whether the consumer knows what it reads, and from where on. False while it joins its group and while the group distributes its partitions anew (which goes on within
    /// <see cref="ConsumeAsync"/>), and until positions are looked up. A member that is settled may have no partition at all.
    /// </summary>
    public bool IsSettled => (_membership?.IsSettled ?? true) && !_assignment.LacksPositions;

    /// <summary>Becomes a member of the group that reads these topics; the group says which partitions are this consumer's.</summary>
    public void Subscribe(params IReadOnlyCollection<string> topics)
    {
        ArgumentNullException.ThrowIfNull(topics);
        if (_coordinator is null)
        {
            throw new InvalidOperationException($"To subscribe needs {nameof(ConsumerOptions.GroupId)}; without a group, assign partitions.");
        }

        if (_membership is not null || _assignment.Partitions.Count > 0)
        {
            throw new InvalidOperationException("A consumer is subscribed or assigned once; make another one for something else.");
        }

        if (topics.Count == 0)
        {
            throw new ArgumentException("No topic is named.", nameof(topics));
        }

        foreach (string topic in topics)
        {
            _metadata.Track(topic);
        }

        _target.Topics = [.. topics.Distinct()];
        _membership = _options.GroupProtocol == GroupProtocol.Classic
            ? new ClassicMembership(_options, _coordinator, _metadata, _signal)
            : new BrokerAssignedMembership(_options, _coordinator, _metadata, _signal);
    }

    /// <summary>Reads exactly these partitions; those that were assigned before and are not named are dropped.</summary>
    public void Assign(params IEnumerable<TopicPartition> partitions)
    {
        ArgumentNullException.ThrowIfNull(partitions);
        if (_membership is not null)
        {
            throw new InvalidOperationException("The group says which partitions are this consumer's: it is subscribed.");
        }

        TopicPartition[] wanted = [.. partitions.Distinct()];
        _assignment.Remove([.. _assignment.Partitions.Except(wanted)]);
        _assignment.Add(wanted);
        foreach (TopicPartition partition in wanted)
        {
            _metadata.Track(partition.Topic);
        }
    }

    /// <summary>The next record, of any partition.</summary>
    /// <param name="timeout">How long to wait for one; null: without a limit.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>Null when the time is over.</returns>
    /// <exception cref="KafkaClientException">The broker refuses, or what came is damaged. What may pass by itself is tried again, without an end.</exception>
    /// <exception cref="RecordDeserializationException">A deserializer failed. The record stays what comes next; <see cref="Seek"/> goes beyond it.</exception>
    public ValueTask<ConsumedRecord<TKey, TValue>?> ConsumeAsync(TimeSpan? timeout = null, CancellationToken cancel = default)
    {
        Enter();
        bool isLeft = false;
        try
        {
            _membership?.OnPoll();
            if (_membership is not { NeedsAttention: true } && !IsAutoCommitDue && _fetcher.TryRead(out FetchedRecord record, out PartitionState state, _sendFetches))
            {
                return new ValueTask<ConsumedRecord<TKey, TValue>?>(ToRecord(record, state));
            }

            isLeft = true;
            return ConsumeSlowlyAsync(timeout, cancel);
        }
        finally
        {
            if (!isLeft)
            {
                Leave();
            }
        }
    }

    /// <summary>Commits the offsets of all records taken so far.</summary>
    /// <exception cref="KafkaClientException">The group has given the partitions to others meanwhile, or refuses.</exception>
    public Task CommitAsync(CancellationToken cancel = default) => CommitAsync(_assignment.Positions, cancel);

    /// <summary>Commits offsets: of the records to be read next, such as <see cref="ConsumedRecord{TKey, TValue}.Next"/>.</summary>
    /// <inheritdoc cref="CommitAsync(CancellationToken)"/>
    public Task CommitAsync(IReadOnlyCollection<TopicPartitionOffset> offsets, CancellationToken cancel = default) =>
        Offsets.CommitAsync(offsets, _membership?.Identity ?? CommitIdentity.None, cancel);

    /// <summary>What the group has committed for partitions; those without are left out.</summary>
    public async Task<IReadOnlyDictionary<TopicPartition, long>> CommittedAsync(IReadOnlyCollection<TopicPartition> partitions, CancellationToken cancel = default) =>
        await Offsets.FetchAsync(partitions, cancel).ConfigureAwait(false);

    /// <summary>Offset of the next record that <see cref="ConsumeAsync"/> gives of a partition; null if it is not known yet.</summary>
    public long? Position(TopicPartition partition) => _assignment[partition] is { HasPosition: true } state ? state.Position : null;

    /// <summary>Goes on at an offset.</summary>
    public void Seek(TopicPartition partition, long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        _assignment[partition].Seek(offset);
    }

    /// <summary>Goes on with the oldest record there is.</summary>
    public void SeekToBeginning(TopicPartition partition) => _assignment[partition].SeekToTime(PartitionState.EarliestTime);

    /// <summary>Goes on with what comes from now on.</summary>
    public void SeekToEnd(TopicPartition partition) => _assignment[partition].SeekToTime(PartitionState.LatestTime);

    /// <summary>Goes on with the first record of this time or later; if there is none, with what comes.</summary>
    public void SeekToTime(TopicPartition partition, DateTimeOffset time) => _assignment[partition].SeekToTime(Math.Max(0, time.ToUnixTimeMilliseconds()));

    /// <summary>The offsets of the first records of these times or later; -1 where there is none.</summary>
    public async Task<IReadOnlyDictionary<TopicPartition, long>> OffsetsForTimesAsync(IReadOnlyDictionary<TopicPartition, DateTimeOffset> times, CancellationToken cancel = default) =>
        await _lookup.FindAsync(times.ToDictionary(entry => entry.Key, entry => Math.Max(0, entry.Value.ToUnixTimeMilliseconds())), cancel).ConfigureAwait(false);

    /// <summary>The offsets of the oldest records.</summary>
    public async Task<IReadOnlyDictionary<TopicPartition, long>> BeginningOffsetsAsync(IReadOnlyCollection<TopicPartition> partitions, CancellationToken cancel = default) =>
        await _lookup.FindAsync(partitions.ToDictionary(partition => partition, _ => PartitionState.EarliestTime), cancel).ConfigureAwait(false);

    /// <summary>The offsets that come next; with <see cref="IsolationLevel.ReadCommitted"/>, of the oldest record of an open transaction.</summary>
    public async Task<IReadOnlyDictionary<TopicPartition, long>> EndOffsetsAsync(IReadOnlyCollection<TopicPartition> partitions, CancellationToken cancel = default) =>
        await _lookup.FindAsync(partitions.ToDictionary(partition => partition, _ => PartitionState.LatestTime), cancel).ConfigureAwait(false);

    /// <summary>Gives no records of a partition until <see cref="Resume"/>.</summary>
    public void Pause(TopicPartition partition) => _assignment[partition].IsPaused = true;

    /// <summary>Goes on after <see cref="Pause"/>.</summary>
    public void Resume(TopicPartition partition) => _assignment[partition].IsPaused = false;

    /// <summary>A topic's partitions.</summary>
    /// <exception cref="KafkaClientException">It does not exist.</exception>
    public async Task<IReadOnlyList<TopicPartition>> PartitionsAsync(string topic, CancellationToken cancel = default)
    {
        TopicView view = await _metadata.GetTopicAsync(topic, cancel).ConfigureAwait(false);
        return [.. Enumerable.Range(0, view.Partitions.Length).Select(partition => new TopicPartition(topic, partition))];
    }

    /// <summary>Who this consumer is in its group, for <see cref="KafkaProducer{TKey, TValue}"/>'s transactions.</summary>
    public ConsumerGroupIdentity GroupIdentity
    {
        get
        {
            CommitIdentity identity = _membership?.Identity ?? CommitIdentity.None;
            return new ConsumerGroupIdentity(_options.GroupId ?? throw new InvalidOperationException("The consumer has no group."), identity.MemberId, identity.Generation, identity.InstanceId);
        }
    }

    /// <summary>Commits where that is automatic, leaves the group, and closes all connections.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        if (_autoCommit is { } commit)
        {
            await commit.ConfigureAwait(false);
        }

        if (_membership is { } membership)
        {
            await membership.DisposeAsync().ConfigureAwait(false);
            await _target.RevokeAsync([.. _assignment.Partitions], CancellationToken.None).ConfigureAwait(false);
            await membership.LeaveAsync().ConfigureAwait(false);
        }
        else
        {
            await CommitBeforeRevokeAsync([.. _assignment.Partitions], CancellationToken.None).ConfigureAwait(false);
        }

        await _closing.CancelAsync().ConfigureAwait(false);
        await _nodes.DisposeAsync().ConfigureAwait(false);
        _fetcher.Dispose();
        _signal.Dispose();
        _closing.Dispose();
    }

    private GroupOffsets Offsets => _offsets ?? throw new InvalidOperationException($"Offsets are a group's: set {nameof(ConsumerOptions.GroupId)}.");

    private bool CommitsByItself => _options.EnableAutoCommit && _offsets is not null;

    private bool IsAutoCommitDue => CommitsByItself && _autoCommit is not { IsCompleted: false } && _options.Time.GetElapsedTime(_committedAt) >= _options.AutoCommitInterval;

    private async ValueTask<ConsumedRecord<TKey, TValue>?> ConsumeSlowlyAsync(TimeSpan? timeout, CancellationToken cancel)
    {
        long begin = _options.Time.GetTimestamp();
        using CancellationTokenRegistration registration = cancel.UnsafeRegister(static signal => ((AsyncSignal)signal!).Set(), _signal);
        try
        {
            while (true)
            {
                cancel.ThrowIfCancellationRequested();
                if (_membership is { } membership)
                {
                    membership.OnPoll();
                    if (membership.NeedsAttention)
                    {
                        await membership.AttendAsync(_target, cancel).ConfigureAwait(false);
                    }
                }

                BeginAutoCommit();
                await _positions.TakeAsync(_assignment).ConfigureAwait(false);
                if (TryTake(out ConsumedRecord<TKey, TValue> record))
                {
                    return record;
                }

                _positions.Begin(_assignment, _closing.Token);
                TimeSpan wait = Least(Least(LookAgain, _fetcher.Send(_assignment.States)), _metadata.RefreshIfDue());
                if (timeout is { } most)
                {
                    TimeSpan left = most - _options.Time.GetElapsedTime(begin);
                    if (left <= TimeSpan.Zero)
                    {
                        return null;
                    }

                    wait = Least(wait, left);
                }

                await _signal.WaitAsync(wait).ConfigureAwait(false);
            }
        }
        finally
        {
            Leave();
        }
    }

    private static TimeSpan Least(TimeSpan one, TimeSpan? other) => other is { } time && time < one ? time : one;

    private bool TryTake(out ConsumedRecord<TKey, TValue> record)
    {
        if (_fetcher.TryRead(out FetchedRecord fetched, out PartitionState state, _sendFetches))
        {
            record = ToRecord(fetched, state);
            return true;
        }

        record = default;
        return false;
    }

    private ConsumedRecord<TKey, TValue> ToRecord(in FetchedRecord record, PartitionState state)
    {
        try
        {
            return new()
            {
                Partition = state.Partition,
                Offset = record.Offset,
                TimestampMs = record.TimestampMs,
                Key = _keys.Deserialize(record.Key, !record.HasKey),
                Value = _values.Deserialize(record.Value, !record.HasValue),
                KeyBytes = record.HasKey ? record.Key.Length : -1,
                ValueBytes = record.HasValue ? record.Value.Length : -1,
                Headers = record.HeaderCount == 0 ? [] : RecordDecoder.ReadHeaders(record) ?? [],
            };
        }
        catch (Exception error)
        {
            // It was not given, so it is what comes next: also for commits.
            state.Seek(record.Offset);
            throw new RecordDeserializationException(new TopicPartitionOffset(state.Partition, record.Offset), error);
        }
    }

    /// <summary>The group's offset, or one that was sought, is not in the log: where to go on is for the options to say.</summary>
    private void OnOutOfRange(PartitionState state)
    {
        if (_assignment.Has(state))
        {
            state.SeekToTime(_options.AutoOffsetReset switch
            {
                AutoOffsetReset.Earliest => PartitionState.EarliestTime,
                AutoOffsetReset.Latest => PartitionState.LatestTime,
                _ => throw new KafkaClientException(Protocols.Kafka.Wire.KafkaErrorCode.OffsetOutOfRange, $"Offset {state.Position} of {state.Partition} is not in the log, and {nameof(ConsumerOptions.AutoOffsetReset)} is None."),
            });
        }
    }

    private void BeginAutoCommit()
    {
        if (IsAutoCommitDue)
        {
            _committedAt = _options.Time.GetTimestamp();
            _autoCommit = CommitQuietlyAsync(_assignment.Positions, CancellationToken.None);
        }
    }

    private async Task CommitBeforeRevokeAsync(IReadOnlyCollection<TopicPartition> partitions, CancellationToken cancel)
    {
        if (CommitsByItself)
        {
            if (_autoCommit is { } running)
            {
                await running.ConfigureAwait(false);
            }

            await CommitQuietlyAsync([.. _assignment.Positions.Where(position => partitions.Contains(position.Partition))], cancel).ConfigureAwait(false);
        }
    }

    private async Task CommitQuietlyAsync(TopicPartitionOffset[] offsets, CancellationToken cancel)
    {
        try
        {
            await CommitAsync(offsets, cancel).ConfigureAwait(false);
        }
        catch (KafkaClientException error)
        {
            _options.OnBackgroundError?.Invoke(error);
        }
    }

    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (Interlocked.Exchange(ref _isBusy, 1) != 0)
        {
            throw new InvalidOperationException("A consumer is not thread-safe: another call is under way.");
        }
    }

    private void Leave() => Volatile.Write(ref _isBusy, 0);
}
