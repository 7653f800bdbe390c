using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Base.Scheduling;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Groups.Classic;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Groups.Migration;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Groups.Shares;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>
/// The groups that one partition of the internal topic keeps. Its lock guards them all; under it an operation changes them and appends what it changed, and off it the
/// answers wait until that is kept. Failure policy: when a record cannot be appended, memory is ahead of the log, so the shard refuses everything from then on; a restart
/// begins with what the log has. The same holds when an operation fails by an error of the broker: nobody knows how much of it was done.
/// </summary>
internal sealed class GroupShard : ICoordinatorShard
{
    private readonly Lock _sync = new();
    private readonly GroupTable _table;
    private readonly TopicPartition _partition;
    private readonly LogStore _store;
    private readonly IScheduler _scheduler;
    private readonly Durability _promise;
    private readonly GroupTimers _timers;
    private readonly GroupContext _context;
    private readonly GroupRecordWriter _writer;
    private readonly ClassicRebalance _rebalance;
    private readonly ConsumerMembership _consumerMembership;
    private readonly GroupTimer _expiry;
    private ShardState _state;
    private JournalPosition _last = JournalPosition.None;

    public GroupShard(TopicPartition partition, LogStore store, Durability promise, GroupOptions options, IGroupTopics topics, GroupConfigs configs, BufferPool buffers, IScheduler scheduler, TimeProvider clock, ILogger logger, Func<Guid> newId)
    {
        _partition = partition;
        _store = store;
        _scheduler = scheduler;
        _promise = promise;
        _timers = new GroupTimers(clock, OnTimer);
        _context = new GroupContext(options, _timers, topics, configs, buffers, clock, logger, newId);
        _table = new GroupTable(() => _context.NowMs);
        _writer = new GroupRecordWriter(buffers);
        _rebalance = new ClassicRebalance(_context);
        Joins = new ClassicJoin(_context, _rebalance);
        Membership = new ClassicMembership(_context, _rebalance, partition.Topic.Settings.MaxMessageBytes);
        OffsetOperations = new OffsetOperations(this, _context, _rebalance);
        TransactionalCommits = new TransactionalCommits(this, _context);
        var targets = new ConsumerTargets(this, _context);
        var downgrade = new GroupDowngrade(this, _context, _rebalance);
        _consumerMembership = new ConsumerMembership(this, _context, targets, downgrade);
        Consumers = new ConsumerOperations(this, _context, targets, _consumerMembership, new GroupUpgrade(this, _context, _rebalance));
        ClassicInConsumers = new ClassicInConsumers(_context, targets, _consumerMembership, downgrade);
        Shares = new ShareOperations(this, _context);
        _expiry = new GroupTimer(Expire);
    }

    public TopicPartition Partition => _partition;

    /// <summary>Under the lock, as all that follows.</summary>
    public IReadOnlyCollection<Group> Groups => _table.Groups;

    public CommittedOffsets Offsets => _table.Offsets;

    /// <summary>Offsets of transactions that have not ended.</summary>
    public PendingOffsets Pending => _table.Pending;

    public OffsetOperations OffsetOperations { get; }

    public TransactionalCommits TransactionalCommits { get; }

    public ClassicJoin Joins { get; }

    public ClassicMembership Membership { get; }

    public ConsumerOperations Consumers { get; }

    /// <summary>Members of consumer groups that speak the classic protocol.</summary>
    public ClassicInConsumers ClassicInConsumers { get; }

    public ShareOperations Shares { get; }

    /// <summary>Does something with the groups; the answer is given at once, or later by the operation.</summary>
    public void Run<T>(GroupAnswer<T> answer, Action<GroupTurn> operation) => Begin(answer, BatchProducer.None, operation)();

    /// <summary>Does something with the groups, and returns what gives the answer, to be called with no lock held.</summary>
    /// <param name="answer">Refused if the groups can't be served.</param>
    /// <param name="producer">Of whose transaction the operation's records are a part, if of any.</param>
    /// <param name="operation">Called at once.</param>
    public Action Begin<T>(GroupAnswer<T> answer, BatchProducer producer, Action<GroupTurn> operation)
    {
        var turn = new GroupTurn(_scheduler) { Producer = producer };
        KafkaErrorCode error;
        JournalPosition position = JournalPosition.None;
        lock (_sync)
        {
            error = Admits();
            if (error == KafkaErrorCode.None && producer.Id != RecordBatch.NoProducerId && !_partition.AdmitsEpoch(producer.Id, producer.Epoch))
            {
                error = KafkaErrorCode.InvalidProducerEpoch;
            }

            if (error == KafkaErrorCode.None)
            {
                try
                {
                    operation(turn);
                    position = Append(turn);
                }
                catch
                {
                    _context.Logger.LogCritical("An operation on partition {Partition} of topic {Topic} failed by an error of the broker: its groups are not served any more", _partition.Index, _partition.Topic.Name);
                    Abandon(turn);
                    Stop();
                    throw;
                }
            }
        }

        return error != KafkaErrorCode.None ? () => answer.Refuse(error) : () => Complete(turn, position);
    }

    /// <summary>Nothing changes here until <see cref="Exit"/>, but for <see cref="EndTransaction"/>. Several shards only by ascending partition.</summary>
    public void Enter() => _sync.Enter();

    public void Exit() => _sync.Exit();

    /// <summary>What transactions there are is not known yet. Entered.</summary>
    public bool IsLoading => _state == ShardState.Loading;

    /// <summary>A marker was appended to the partition: the transaction's offsets count, or never were. Entered.</summary>
    public void EndTransaction(long producerId, bool isCommit, JournalPosition position)
    {
        _last = JournalPosition.Max(_last, position);
        _table.EndTransaction(producerId, isCommit);
    }

    /// <summary>Looks at the groups and changes nothing; what it sees may not be kept yet. None, or why they can't be told of.</summary>
    public KafkaErrorCode Look(Action<GroupShard> look)
    {
        lock (_sync)
        {
            KafkaErrorCode error = Admits();
            if (error == KafkaErrorCode.None)
            {
                look(this);
            }

            return error;
        }
    }

    /// <summary>Does something with the groups and answers with what it comes to.</summary>
    public Task<T> RunAsync<T>(Func<GroupTurn, T> operation, Func<KafkaErrorCode, T> refuse)
    {
        var answer = new GroupAnswer<T>(refuse);
        Run(answer, turn => turn.Answer(answer, operation(turn)));
        return answer.Task;
    }

    public Group? Find(string groupId) => _table.Find(groupId);

    public ClassicGroup AddClassic(string groupId) => _table.AddClassic(groupId);

    /// <summary>There is no group of its name.</summary>
    public void Add(Group group) => _table.Add(group);

    /// <summary>The group is no more.</summary>
    public void Remove(Group group, GroupTurn turn)
    {
        group.EmitTombstones(turn);
        _table.Remove(group.Id);
    }

    /// <summary>Emits a record, and does what it says as a replay would.</summary>
    public void EmitAndApply(GroupTurn turn, GroupRecord record)
    {
        turn.Emit(record);
        _table.Apply(record, turn.Producer.Id);
    }

    /// <summary>Reads what the partition has. Blocks on the disk.</summary>
    public int Load()
    {
        try
        {
            int records = GroupRecordReader.ReadAll(
                _partition,
                _context.Logger,
                (record, producerId) =>
                {
                    lock (_sync)
                    {
                        _table.Apply(record, producerId);
                    }
                },
                (producerId, isCommit) =>
                {
                    lock (_sync)
                    {
                        _table.EndTransaction(producerId, isCommit);
                    }
                });
            OnLoaded(records);
            return records;
        }
#pragma warning disable CA1031 // Whatever it is: these groups are not served, the broker goes on.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _context.Logger.LogCritical(error, "Partition {Partition} of topic {Topic} can't be read: its groups are not served", _partition.Index, _partition.Topic.Name);
            lock (_sync)
            {
                _state = ShardState.Failed;
            }

            return 0;
        }
    }

    public void Dispose()
    {
        lock (_sync)
        {
            _state = ShardState.Failed;
        }

        _timers.Dispose();
    }

    private void OnLoaded(int records)
    {
        int groups;
        lock (_sync)
        {
            if (_state == ShardState.Failed)
            {
                return;
            }

            foreach (ClassicGroup group in _table.Groups.OfType<ClassicGroup>())
            {
                foreach (ClassicMember member in group.Members)
                {
                    _rebalance.ExtendSession(group, member);
                }
            }

            foreach (ConsumerGroup group in _table.Groups.OfType<ConsumerGroup>())
            {
                _consumerMembership.WatchAll(group);
            }

            foreach (ShareGroup group in _table.Groups.OfType<ShareGroup>())
            {
                Shares.OnLoaded(group);
            }

            _timers.Schedule(_expiry, _context.Options.RetentionCheckMs);
            _state = ShardState.Active;
            groups = _table.Groups.Count;
        }

        if (records > 0)
        {
            _context.Logger.LogDebug("Partition {Partition} of topic {Topic}: {Groups} groups from {Records} records", _partition.Index, _partition.Topic.Name, groups, records);
        }
    }

    private KafkaErrorCode Admits() => _state switch
    {
        ShardState.Loading => KafkaErrorCode.CoordinatorLoadInProgress,
        ShardState.Active => KafkaErrorCode.None,
        _ => KafkaErrorCode.NotCoordinator,
    };

    /// <summary>Fixes the order of what the turn has emitted. Returns what its answers wait for.</summary>
    private JournalPosition Append(GroupTurn turn)
    {
        if (turn.Records.Count == 0)
        {
            return turn.TellsOfEarlier ? _last : JournalPosition.None;
        }

        PartitionStatus status = _writer.Append(_partition, turn.Records, turn.Producer, _promise, _context.NowMs, ref _last);
        if (status != PartitionStatus.Ok)
        {
            turn.HasFailed = true;
            Stop();
            _context.Logger.LogError("Partition {Partition} of topic {Topic} takes no records ({Status}): its groups are not served any more", _partition.Index, _partition.Topic.Name, status);
        }

        return _last;
    }

    private void Complete(GroupTurn turn, JournalPosition position)
    {
        if (turn.HasFailed)
        {
            turn.Refuse();
        }
        else if (position == JournalPosition.None)
        {
            turn.Give();
        }
        else
        {
            _store.NotifyWhenKept(position, _promise, turn);
        }
    }

    /// <summary>What is in memory is not what the log says any more: who waits for other members is told to look elsewhere. Under the lock.</summary>
    private void Stop()
    {
        _state = ShardState.Failed;
        var waiting = new GroupTurn(_scheduler) { HasFailed = true };
        foreach (ClassicGroup group in _table.Groups.OfType<ClassicGroup>())
        {
            _rebalance.Abandon(group, waiting);
        }

        _scheduler.Post(waiting);
    }

    private void OnTimer()
    {
        var turn = new GroupTurn(_scheduler);
        try
        {
            bool any;
            do
            {
                turn = new GroupTurn(_scheduler);
                JournalPosition position = JournalPosition.None;
                lock (_sync)
                {
                    any = _state == ShardState.Active && _timers.FireNext(turn);
                    position = any ? Append(turn) : position;
                }

                Complete(turn, position);
            }
            while (any);
        }
#pragma warning disable CA1031 // Nobody is above a timer to whom it could be told: these groups stop, the broker goes on.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _context.Logger.LogCritical(error, "A timer of partition {Partition} of topic {Topic} failed by an error of the broker: please report it", _partition.Index, _partition.Topic.Name);
            lock (_sync)
            {
                Abandon(turn);
                Stop();
            }
        }
    }

    /// <summary>What an operation had to answer before it failed is refused: who waits for it is not found in the groups any more.</summary>
    private void Abandon(GroupTurn turn)
    {
        turn.HasFailed = true;
        _scheduler.Post(turn);
    }

    private void Expire(GroupTurn turn)
    {
        OffsetOperations.Expire(turn);
        _timers.Schedule(_expiry, _context.Options.RetentionCheckMs);
    }

    private enum ShardState : byte
    {
        Loading,
        Active,
        Failed,
    }
}
