using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Storage;

namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>
/// The transactional ids that one partition of the internal topic keeps. Its lock guards them all; it is also held while a batch of a transaction is appended, so that none
/// is after the transaction's end. A step is appended first and then applied as a replay would apply it; off the lock answers wait until it is kept.
/// Failure policy: what cannot be appended has not happened. When the shard's own partition fails, it refuses everything from then on.
/// </summary>
internal sealed class TransactionShard : ICoordinatorShard
{
    private readonly Lock _sync = new();
    private readonly Dictionary<string, Transaction> _transactions = new(StringComparer.Ordinal);
    private readonly TransactionContext _context;
    private readonly Deadlines _deadlines;
    private KafkaErrorCode _refusal = KafkaErrorCode.CoordinatorLoadInProgress;
    private JournalPosition _last = JournalPosition.None;

    public TransactionShard(TopicPartition partition, TransactionContext context)
    {
        Partition = partition;
        _context = context;
        _deadlines = new Deadlines(context.Clock, OnDue);
    }

    public TopicPartition Partition { get; }

    /// <summary>Takes the step that is decided by the id's state. Returns once what it says is kept: why it was refused, and the state as it is then.</summary>
    public async Task<(TransactionStep Step, Transaction? State)> RunAsync(string id, Func<Transaction?, TransactionStep> decide)
    {
        TransactionStep step;
        Transaction? state;
        JournalPosition position;
        lock (_sync)
        {
            step = _refusal != KafkaErrorCode.None ? _refusal : decide(_transactions.GetValueOrDefault(id));
            KafkaErrorCode error = Take(id, step);
            step = step with { Error = error };
            state = _transactions.GetValueOrDefault(id);
            position = _last;
        }

        if (step.Error != KafkaErrorCode.None || step.WantsProducerId)
        {
            return (step, state);
        }

        try
        {
            // Also what the step found done may not be kept yet.
            await _context.Store.WhenKeptAsync(position, _context.Promise).ConfigureAwait(false);
            return (step, state);
        }
        catch (IOException)
        {
            return (KafkaErrorCode.NotCoordinator, state);
        }
    }

    /// <summary>Appends a batch of a producer's transaction, if that goes on and has the partition.</summary>
    /// <param name="id">The transactional id.</param>
    /// <param name="producer">Who writes.</param>
    /// <param name="partition">Where to.</param>
    /// <param name="adds">The partition becomes a part of the transaction, and the transaction begins, if need be (KIP-890).</param>
    /// <param name="batch">Whole and checked.</param>
    /// <param name="promise">What is waited for.</param>
    /// <param name="result">What the partition says; meaningless with an error.</param>
    public KafkaErrorCode Append(string id, ProducerIdentity producer, TopicPartition partition, bool adds, ReadOnlySpan<byte> batch, Durability promise, out AppendOutcome result)
    {
        lock (_sync)
        {
            result = default;
            KafkaErrorCode error = Enlist(id, producer, partition, adds);
            if (error == KafkaErrorCode.None)
            {
                PartitionStatus status = partition.Append(batch, promise, out long baseOffset, out JournalPosition position, mayWriteThrough: true);
                result = new AppendOutcome(status, baseOffset, position);
            }

            return error;
        }
    }

    /// <summary>Does what appends to a partition as a part of a producer's transaction, if that goes on and has the partition.</summary>
    /// <param name="id">The transactional id.</param>
    /// <param name="producer">Who writes.</param>
    /// <param name="partition">Where to.</param>
    /// <param name="adds">The partition becomes a part of the transaction, and the transaction begins, if need be (KIP-890).</param>
    /// <param name="append">Called with the shard's lock held, not after the transaction's end. What it returns is called without.</param>
    public KafkaErrorCode Append(string id, ProducerIdentity producer, TopicPartition partition, bool adds, Func<Action> append)
    {
        Action complete;
        lock (_sync)
        {
            KafkaErrorCode error = Enlist(id, producer, partition, adds);
            if (error != KafkaErrorCode.None)
            {
                return error;
            }

            complete = append();
        }

        complete();
        return KafkaErrorCode.None;
    }

    /// <summary>All ids, or why they can't be told.</summary>
    public KafkaErrorCode Collect(List<Transaction> transactions)
    {
        lock (_sync)
        {
            if (_refusal == KafkaErrorCode.None)
            {
                transactions.AddRange(_transactions.Values);
            }

            return _refusal;
        }
    }

    public int Load()
    {
        try
        {
            int records = TransactionRecord.ReadAll(Partition, _context.Logger, (id, transaction) =>
            {
                lock (_sync)
                {
                    Apply(id, transaction);
                }
            });
            OnLoaded(records);
            return records;
        }
#pragma warning disable CA1031 // Whatever it is: these transactional ids are not served, the broker goes on.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _context.Logger.LogCritical(error, "Partition {Partition} of topic {Topic} can't be read: its transactional ids are not served", Partition.Index, Partition.Topic.Name);
            Refuse();
            return 0;
        }
    }

    public void Dispose()
    {
        Refuse();
        _deadlines.Dispose();
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
        int count;
        lock (_sync)
        {
            if (_refusal != KafkaErrorCode.CoordinatorLoadInProgress)
            {
                return;
            }

            _refusal = KafkaErrorCode.None;
            count = _transactions.Count;
        }

        OnDue();
        if (records > 0)
        {
            _context.Logger.LogDebug("Partition {Partition} of topic {Topic}: {Count} transactional ids from {Records} records", Partition.Index, Partition.Topic.Name, count, records);
        }
    }

    /// <summary>The partition is part of the transaction after this; that is in the journal before whatever is written to it.</summary>
    private KafkaErrorCode Enlist(string id, ProducerIdentity producer, TopicPartition partition, bool adds)
    {
        if (_refusal != KafkaErrorCode.None)
        {
            return _refusal;
        }

        Transaction? current = _transactions.GetValueOrDefault(id);
        var key = new TopicIndex(partition.Topic.Name, partition.Index);
        KafkaErrorCode error = TransactionRules.Verify(current, producer, key);
        return adds && error == KafkaErrorCode.TransactionAbortable
            ? Take(id, TransactionRules.AddPartitions(current, producer, [key], Transaction.BumpsEpoch, _context.NowMs))
            : error;
    }

    /// <summary>Appends and applies what the step says.</summary>
    private KafkaErrorCode Take(string id, in TransactionStep step)
    {
        if (step.Error != KafkaErrorCode.None || step.Next is not { } next)
        {
            return step.Error;
        }

        KafkaErrorCode error = step.End is { } end ? AppendEnd(end, next) : AppendState(id, next);
        if (error == KafkaErrorCode.None)
        {
            Apply(id, next);
        }

        return error;
    }

    private KafkaErrorCode AppendState(string id, Transaction? state)
    {
        PartitionStatus status = Partition.Append(TransactionRecord.ToBatch(_context.Buffers, id, state, _context.NowMs), _context.Promise, out _, out JournalPosition position);
        if (status == PartitionStatus.Ok)
        {
            _last = position;
            return KafkaErrorCode.None;
        }

        _refusal = KafkaErrorCode.NotCoordinator;
        _context.Logger.LogError("Partition {Partition} of topic {Topic} takes no records ({Status}): its transactional ids are not served any more", Partition.Index, Partition.Topic.Name, status);
        return _refusal;
    }

    private KafkaErrorCode AppendEnd(TransactionEnd end, Transaction next)
    {
        Transaction ended = end.Transaction;
        KafkaErrorCode error = _context.Markers.Append(
            _context.Resolve(ended.Partitions),
            new ProducerIdentity(ended.ProducerId, end.MarkerEpoch),
            end.IsCommit,
            KafkaServer.LeaderEpoch,
            (Partition, TransactionRecord.ToBatch(_context.Buffers, ended.Id, next, _context.NowMs)),
            _context.Promise,
            out JournalPosition position);
        if (error == KafkaErrorCode.None)
        {
            _last = position;
        }

        return error;
    }

    private void Apply(string id, Transaction? state)
    {
        if (state is null)
        {
            _transactions.Remove(id);
            _deadlines.Remove(id);
            return;
        }

        _transactions[id] = state;
        _deadlines.Set(id, state.Status == TransactionStatus.Ongoing ? state.StartMs + state.TimeoutMs : state.UpdateMs + _context.Options.TransactionalIdExpirationMs);
    }

    private void OnDue()
    {
        try
        {
            lock (_sync)
            {
                // What is due while the partition is read is seen to afterwards.
                while (_refusal == KafkaErrorCode.None && _deadlines.TakeDue() is { } id)
                {
                    OnDue(id);
                }
            }
        }
#pragma warning disable CA1031 // Nobody is above a timer to whom it could be told: these transactional ids stop, the broker goes on.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _context.Logger.LogCritical(error, "A timer of partition {Partition} of topic {Topic} failed by an error of the broker: please report it", Partition.Index, Partition.Topic.Name);
            Refuse();
        }
    }

    private void OnDue(string id)
    {
        Transaction state = _transactions[id];
        long now = _context.NowMs;
        if (state.Status != TransactionStatus.Ongoing)
        {
            if (AppendState(id, null) == KafkaErrorCode.None)
            {
                Apply(id, null);
            }

            return;
        }

        KafkaErrorCode error = Take(id, TransactionRules.TimeOut(state, now));
        if (error != KafkaErrorCode.None)
        {
            _context.Logger.LogWarning("The transaction of '{Id}' is over its time but can't be rolled back ({Error}): it is tried again", id, error);
            _deadlines.Set(id, now + _context.Options.RetryMs);
        }
        else
        {
            _context.Logger.LogInformation("The transaction of '{Id}' was over its time of {Timeout} ms and was rolled back", id, state.TimeoutMs);
        }
    }
}

/// <summary>Where a batch landed, or why it did not.</summary>
internal readonly record struct AppendOutcome(PartitionStatus Status, long BaseOffset, JournalPosition Position);
