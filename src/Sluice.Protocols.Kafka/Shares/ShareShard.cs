using Microsoft.Extensions.Logging;
using Sluice.Broker.Shares;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Storage;
using Sluice.Storage.Producers;

namespace Sluice.Protocols.Kafka.Shares;

/// <summary>
/// The positions of share groups that one partition of the internal topic keeps. Its lock guards them all; under it an operation changes them and appends what it changed, and
/// off it the answers wait until that is kept. What was only delivered is in no record: after a crash it is delivered again.
/// Failure policy: when a record cannot be appended, memory is ahead of the log, so the shard refuses everything from then on; a restart begins with what the log has. The
/// same holds when an operation fails by an error of the broker: nobody knows how much of it was done.
/// </summary>
internal sealed class ShareShard : ICoordinatorShard
{
    private readonly Lock _sync = new();
    private readonly ShareContext _context;
    private readonly ShareTable _table;
    private readonly GroupTimers _timers;
    private readonly ShareStateLog _log;
    private KafkaErrorCode _refusal = KafkaErrorCode.CoordinatorLoadInProgress;

    public ShareShard(TopicPartition partition, ShareContext context)
    {
        _context = context;
        _table = new ShareTable(this);
        _timers = new GroupTimers(context.Clock, OnTimer);
        _log = new ShareStateLog(partition, context, _table);
    }

    public TopicPartition Partition => _log.Partition;

    /// <summary>As the group of a position is configured now.</summary>
    public ShareSettings SettingsOf(SharePartition partition) => _context.Configs.SharesOf(partition.Key.GroupId);

    /// <summary>What is known of a partition, or why that can't be told; both null and None: nothing that is kept.</summary>
    public KafkaErrorCode Find(SharePartitionKey key, out SharePartition? partition)
    {
        lock (_sync)
        {
            partition = _refusal == KafkaErrorCode.None && _table.Find(key) is { IsKept: true } known ? known : null;
            return _refusal;
        }
    }

    /// <summary>The group begins to read a partition, if it has not. Done when that is kept: what is delivered from there must not be missed after a crash.</summary>
    public async Task<(KafkaErrorCode Error, SharePartition? Partition)> CreateAsync(SharePartitionKey key, long startOffset)
    {
        (KafkaErrorCode error, SharePartition? created) = await RunAsync<(KafkaErrorCode, SharePartition?)>(
            turn =>
            {
                turn.TellsOfEarlier = true;
                if (_table.Find(key) is not { } partition)
                {
                    partition = _table.Add(key, startOffset);
                    _log.EmitSnapshot(partition, turn);
                }

                return (KafkaErrorCode.None, partition);
            },
            static code => (code, null)).ConfigureAwait(false);
        if (created is not null)
        {
            lock (_sync)
            {
                created.IsKept = true;
            }
        }

        return (error, created);
    }

    /// <summary>The group is to begin at another offset. What its members have is theirs no more.</summary>
    public Task<KafkaErrorCode> ResetAsync(SharePartitionKey key, long startOffset, int stateEpoch) => RunAsync(
        turn =>
        {
            SharePartition partition = _table.Find(key) ?? _table.Add(key, startOffset);
            partition.Cursor.Reset(startOffset);
            partition.StateEpoch = stateEpoch;
            _log.EmitSnapshot(partition, turn);
            partition.Notify();
            return KafkaErrorCode.None;
        },
        static error => error);

    /// <summary>The group knows nothing of partitions any more.</summary>
    public Task<KafkaErrorCode> RemoveAsync(Func<SharePartitionKey, bool> isWanted) => RunAsync(
        turn =>
        {
            foreach (SharePartition partition in _table.Partitions.Where(partition => isWanted(partition.Key)).ToArray())
            {
                _table.End(partition, turn);
            }

            return KafkaErrorCode.None;
        },
        static error => error);

    /// <summary>Where the group is: its start and how much of what follows is done. Null: it has not read the partition.</summary>
    public Task<(KafkaErrorCode Error, (long StartOffset, long DoneCount)? Position)> DescribeAsync(SharePartitionKey key) => RunAsync<(KafkaErrorCode, (long, long)?)>(
        turn =>
        {
            turn.TellsOfEarlier = true;
            return (KafkaErrorCode.None, _table.Find(key) is { } partition ? (partition.Cursor.StartOffset, partition.Cursor.DoneCount) : null);
        },
        static error => (error, null));

    /// <summary>See <see cref="ShareTable.Collect"/>; nothing while that can't be told. It may not be kept yet.</summary>
    public void Collect(string? groupId, Dictionary<SharePartitionKey, (long StartOffset, long DoneCount)> positions)
    {
        lock (_sync)
        {
            if (_refusal == KafkaErrorCode.None)
            {
                _table.Collect(groupId, positions);
            }
        }
    }

    /// <summary>A member says what becomes of records; done when that is kept.</summary>
    public Task<KafkaErrorCode> AcknowledgeAsync(SharePartitionKey key, string memberId, IReadOnlyList<Acknowledgement> acknowledgements, ShareSettings settings) => RunAsync(
        turn =>
        {
            if (_table.Find(key) is not { } partition)
            {
                return KafkaErrorCode.UnknownTopicOrPartition;
            }

            AcknowledgeStatus status = partition.Cursor.Acknowledge(memberId, acknowledgements, settings.DeliveryCountMax, settings.MayRenew ? _timers.NowMs + settings.RecordLockDurationMs : null);
            ShareStateLog.Emit(partition, turn);
            partition.Notify();
            return KafkaErrors.Of(status);
        },
        static error => error);

    /// <summary>A member is gone: what it has is available again.</summary>
    public Task<KafkaErrorCode> ReleaseAsync(SharePartitionKey key, string memberId, ShareSettings settings) => RunAsync(
        turn =>
        {
            if (_table.Find(key) is { } partition)
            {
                partition.Cursor.Release(memberId, settings.DeliveryCountMax);
                ShareStateLog.Emit(partition, turn);
                partition.Notify();
            }

            return KafkaErrorCode.None;
        },
        static error => error);

    /// <summary>Where the group reads next in a partition; null: nothing can be acquired now.</summary>
    /// <param name="partition">One of this shard's.</param>
    /// <param name="logStartOffset">What lies before is no more.</param>
    /// <param name="settings">The group's.</param>
    /// <param name="offset">Where to read.</param>
    public KafkaErrorCode Plan(SharePartition partition, long logStartOffset, ShareSettings settings, out long? offset)
    {
        lock (_sync)
        {
            offset = null;
            if (_refusal != KafkaErrorCode.None || partition.IsGone)
            {
                return partition.IsGone ? KafkaErrorCode.UnknownTopicOrPartition : _refusal;
            }

            partition.Cursor.MoveStart(logStartOffset);
            offset = partition.Cursor.CanAcquire(settings.InFlightMax) ? partition.Cursor.FetchOffset : null;
            return KafkaErrorCode.None;
        }
    }

    /// <summary>A member gets what is available of what was read; nothing if it is not what the group reads next any more.</summary>
    public List<DeliveryRun> Acquire(SharePartition partition, long fetchOffset, IReadOnlyList<BatchSpan> batches, IReadOnlyList<AbortedTransaction> aborted, in AcquireRequest request, int lockDurationMs)
    {
        lock (_sync)
        {
            if (_refusal != KafkaErrorCode.None || partition.IsGone)
            {
                return [];
            }

            long lockEndMs = _timers.NowMs + lockDurationMs;
            List<DeliveryRun> acquired = partition.Cursor.Acquire(fetchOffset, batches, request with { LockEndMs = lockEndMs });
            if (aborted.Count > 0)
            {
                foreach (BatchSpan batch in batches.Where(batch => batch.IsOneOf(aborted)))
                {
                    partition.Cursor.Archive(batch.First, batch.Last, acquired);
                }
            }

            if (acquired.Count > 0 && lockEndMs < (partition.LockTimer ??= new GroupTimer(turn => Expire(partition, turn))).DueMs)
            {
                _timers.Schedule(partition.LockTimer, lockDurationMs);
            }

            return acquired;
        }
    }

    /// <summary>See <see cref="ISharePosition.TryPlan"/>.</summary>
    public bool TryPlan(SharePartition partition, object member, long logStartOffset, out long? offset)
    {
        ShareSettings settings = SettingsOf(partition);
        lock (_sync)
        {
            offset = null;
            if (_refusal != KafkaErrorCode.None || partition.IsGone)
            {
                return false;
            }

            partition.Cursor.MoveStart(logStartOffset);
            offset = partition.Cursor.CanAcquire(AcquireRequest.Single(member, settings.InFlightMax, settings.DeliveryCountMax)) ? partition.Cursor.FetchOffset : null;
            return true;
        }
    }

    /// <summary>See <see cref="ISharePosition.TryTake"/>.</summary>
    public bool TryTake(SharePartition partition, object member, long fetchOffset, long offset, out int deliveryCount)
    {
        ShareSettings settings = SettingsOf(partition);
        lock (_sync)
        {
            deliveryCount = 0;
            return _refusal == KafkaErrorCode.None && !partition.IsGone
                && partition.Cursor.TryAcquire(fetchOffset, offset, AcquireRequest.Single(member, settings.InFlightMax, settings.DeliveryCountMax), out deliveryCount);
        }
    }

    /// <summary>See <see cref="ISharePosition.Settle"/>.</summary>
    public void Settle(SharePartition partition, object member, ReadOnlySpan<long> offsets, AcknowledgeType type)
    {
        ShareSettings settings = SettingsOf(partition);
        var turn = new GroupTurn(_context.Scheduler);
        JournalPosition position;
        lock (_sync)
        {
            if (_refusal != KafkaErrorCode.None || partition.IsGone)
            {
                return;
            }

            try
            {
                partition.Cursor.Acknowledge(member, offsets, type, settings.DeliveryCountMax);
                ShareStateLog.Emit(partition, turn);
                partition.Notify();
                position = Append(turn);
            }
            catch
            {
                Stop();
                throw;
            }
        }

        _log.Complete(turn, position);
    }

    /// <summary>Tells the listener of changes until it is removed.</summary>
    public void AddListener(SharePartition partition, IShareListener listener)
    {
        lock (_sync)
        {
            partition.AddListener(listener);
        }
    }

    public void RemoveListener(SharePartition partition, IShareListener listener)
    {
        lock (_sync)
        {
            partition.RemoveListener(listener);
        }
    }

    public int Load()
    {
        try
        {
            int records = _log.ReadAll(record =>
            {
                lock (_sync)
                {
                    _table.Apply(record);
                }
            });
            OnLoaded(records);
            return records;
        }
#pragma warning disable CA1031 // Whatever it is: these share groups are not served, the broker goes on.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _context.Logger.LogCritical(error, "Partition {Partition} of topic {Topic} can't be read: its share groups are not served", Partition.Index, Partition.Topic.Name);
            Refuse();
            return 0;
        }
    }

    public void Dispose()
    {
        Refuse();
        _timers.Dispose();
    }

    private void Refuse()
    {
        lock (_sync)
        {
            _refusal = KafkaErrorCode.NotCoordinator;
        }
    }

    private void OnLoaded(int records)
    {
        int partitions;
        lock (_sync)
        {
            if (_refusal != KafkaErrorCode.CoordinatorLoadInProgress)
            {
                return;
            }

            _refusal = KafkaErrorCode.None;
            _log.Updates = records;
            partitions = _table.Partitions.Count;
        }

        if (records > 0)
        {
            _context.Logger.LogDebug("Partition {Partition} of topic {Topic}: positions in {Partitions} partitions from {Records} records", Partition.Index, Partition.Topic.Name, partitions, records);
        }
    }

    /// <summary>Does something with the positions and answers with what it comes to, once that is kept.</summary>
    private Task<T> RunAsync<T>(Func<GroupTurn, T> operation, Func<KafkaErrorCode, T> refuse)
    {
        var answer = new GroupAnswer<T>(refuse);
        var turn = new GroupTurn(_context.Scheduler);
        KafkaErrorCode error;
        JournalPosition position = JournalPosition.None;
        lock (_sync)
        {
            error = _refusal;
            if (error == KafkaErrorCode.None)
            {
                try
                {
                    turn.Answer(answer, operation(turn));
                    position = Append(turn);
                }
                catch
                {
                    Stop();
                    throw;
                }
            }
        }

        if (error != KafkaErrorCode.None)
        {
            answer.Refuse(error);
        }
        else
        {
            _log.Complete(turn, position);
        }

        return answer.Task;
    }

    /// <summary>Fixes the order of what the turn has emitted. Returns what its answers wait for.</summary>
    private JournalPosition Append(GroupTurn turn)
    {
        if (!_log.TryAppend(turn, out JournalPosition position))
        {
            _refusal = KafkaErrorCode.NotCoordinator;
            _table.NotifyAll();
        }

        return position;
    }

    /// <summary>What is in memory is not what the log says any more. Under the lock.</summary>
    private void Stop()
    {
        _refusal = KafkaErrorCode.NotCoordinator;
        _context.Logger.LogCritical("An operation on partition {Partition} of topic {Topic} failed by an error of the broker: its share groups are not served any more", Partition.Index, Partition.Topic.Name);
    }

    private void Expire(SharePartition partition, GroupTurn turn)
    {
        if (partition.IsGone)
        {
            return;
        }

        partition.Cursor.Expire(_timers.NowMs, SettingsOf(partition).DeliveryCountMax);
        ShareStateLog.Emit(partition, turn);
        if (partition.Cursor.FirstLockEndMs is { } next)
        {
            _timers.Schedule(partition.LockTimer!, next - _timers.NowMs);
        }

        partition.Notify();
    }

    private void OnTimer()
    {
        try
        {
            bool any;
            do
            {
                var turn = new GroupTurn(_context.Scheduler);
                JournalPosition position = JournalPosition.None;
                lock (_sync)
                {
                    any = _refusal == KafkaErrorCode.None && _timers.FireNext(turn);
                    position = any ? Append(turn) : position;
                }

                _log.Complete(turn, position);
            }
            while (any);
        }
#pragma warning disable CA1031 // Nobody is above a timer to whom it could be told: these share groups stop, the broker goes on.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _context.Logger.LogCritical(error, "A timer of partition {Partition} of topic {Topic} failed by an error of the broker: please report it", Partition.Index, Partition.Topic.Name);
            Refuse();
        }
    }
}
