using System.Collections.Immutable;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>
/// What producers may do with their transactional ids, and what comes of it, with the errors of Kafka's transaction coordinator (KIP-98, KIP-360, KIP-447, KIP-890). Pure:
/// from a state and a request to a step. Ending a transaction is one step, so the states in which Kafka waits for markers to be written, and the errors that ask a client
/// to wait for that, are not here.
/// </summary>
internal static class TransactionRules
{
    /// <summary>A producer begins, or goes on after an error with the next epoch. What it has left open is rolled back.</summary>
    /// <param name="current">Null: nobody has used the id before.</param>
    /// <param name="id">The transactional id.</param>
    /// <param name="timeoutMs">Wanted for its transactions.</param>
    /// <param name="expected">Whom the producer takes itself for (KIP-360); null: it begins.</param>
    /// <param name="newProducerId">To be given out if one is needed; null: none is at hand.</param>
    /// <param name="nowMs">Unix time.</param>
    public static TransactionStep Initialize(Transaction? current, string id, int timeoutMs, ProducerIdentity? expected, long? newProducerId, long nowMs)
    {
        if (current is null)
        {
            return newProducerId is { } first
                ? Transaction.New(id, first, timeoutMs, nowMs) with { Epoch = 0 }
                : TransactionStep.NeedsProducerId;
        }

        if (expected is { } claimed && claimed.Id != current.ProducerId && !(claimed.Id == current.PreviousProducerId && Transaction.IsExhausted(claimed.Epoch)))
        {
            return KafkaErrorCode.ProducerFenced;
        }

        TransactionEnd? end = null;
        if (current.Status == TransactionStatus.Ongoing)
        {
            if (expected is { } producer && (producer.Id != current.ProducerId || producer.Epoch != current.Epoch))
            {
                return KafkaErrorCode.ProducerFenced;
            }

            TransactionStep aborted = Fence(current, nowMs);
            (current, end) = (aborted.Next!, aborted.End);
        }

        bool isRepeated = expected is { } again && again.Epoch == current.LastEpoch && again.Epoch >= 0;
        TransactionStep step = isRepeated && (end is null || !Transaction.IsExhausted(current.Epoch))
            ? current with { Status = TransactionStatus.Empty, TimeoutMs = timeoutMs, StartMs = -1, UpdateMs = nowMs }
            : expected is { } known && (known.Id != current.ProducerId || known.Epoch != current.Epoch) && !isRepeated ? KafkaErrorCode.ProducerFenced
            : Advance(current, timeoutMs, lastEpoch: expected?.Epoch ?? -1, newProducerId, nowMs);
        return step.Next is null ? step : step with { End = end };
    }

    /// <summary>The transaction gets partitions, and begins with the first.</summary>
    /// <param name="current">Null: nobody has used the id before.</param>
    /// <param name="producer">Who asks.</param>
    /// <param name="partitions">Wanted.</param>
    /// <param name="clientVersion">Of transactions, as the producer speaks it.</param>
    /// <param name="nowMs">Unix time.</param>
    public static TransactionStep AddPartitions(Transaction? current, ProducerIdentity producer, IReadOnlyCollection<TopicIndex> partitions, short clientVersion, long nowMs)
    {
        KafkaErrorCode error = Check(current, producer);
        if (error != KafkaErrorCode.None)
        {
            return error;
        }

        bool isOngoing = current!.Status == TransactionStatus.Ongoing;
        ImmutableHashSet<TopicIndex> all = isOngoing ? current.Partitions.Union(partitions) : [.. partitions];
        return isOngoing && all.Count == current.Partitions.Count ? TransactionStep.Done : current with
        {
            Status = TransactionStatus.Ongoing,
            Partitions = all,
            StartMs = isOngoing ? current.StartMs : nowMs,
            UpdateMs = nowMs,
            ClientVersion = clientVersion,
        };
    }

    /// <summary>Whether the producer's transaction goes on and has the partition (KIP-890).</summary>
    public static KafkaErrorCode Verify(Transaction? current, ProducerIdentity producer, TopicIndex partition)
    {
        KafkaErrorCode error = Check(current, producer);
        return error != KafkaErrorCode.None ? error
            : current!.Partitions.Contains(partition) ? KafkaErrorCode.None
            : KafkaErrorCode.TransactionAbortable;
    }

    /// <summary>The producer commits or rolls back its transaction.</summary>
    /// <param name="current">Null: nobody has used the id before.</param>
    /// <param name="producer">Who asks.</param>
    /// <param name="isCommit">Else it is rolled back.</param>
    /// <param name="clientVersion">Of transactions, as the producer speaks it.</param>
    /// <param name="newProducerId">To be given out if one is needed; null: none is at hand.</param>
    /// <param name="nowMs">Unix time.</param>
    public static TransactionStep End(Transaction? current, ProducerIdentity producer, bool isCommit, short clientVersion, long? newProducerId, long nowMs)
    {
        bool bumps = clientVersion >= Transaction.BumpsEpoch;
        KafkaErrorCode error = bumps ? CheckEnd(current, producer, isCommit, out bool isRepeated) : CheckOldEnd(current, producer, isCommit, out isRepeated);
        if (error != KafkaErrorCode.None || isRepeated)
        {
            return error;
        }

        if (bumps && Transaction.IsExhausted(producer.Epoch) && newProducerId is null)
        {
            return TransactionStep.NeedsProducerId;
        }

        bool isOngoing = current!.Status == TransactionStatus.Ongoing;
        Transaction next = current with
        {
            Status = isCommit ? TransactionStatus.CompleteCommit : TransactionStatus.CompleteAbort,
            Partitions = [],
            StartMs = isOngoing ? current.StartMs : nowMs,
            UpdateMs = nowMs,
            ClientVersion = clientVersion,
        };
        short markerEpoch = bumps ? After(current.Epoch) : current.Epoch;
        if (bumps)
        {
            next = Transaction.IsExhausted(current.Epoch)
                ? next with { ProducerId = newProducerId!.Value, PreviousProducerId = current.ProducerId, Epoch = 0, LastEpoch = current.Epoch }
                : next with { Epoch = markerEpoch, LastEpoch = current.Epoch };
        }

        return new TransactionStep(KafkaErrorCode.None, next, isOngoing ? new TransactionEnd(current, markerEpoch, isCommit) : null);
    }

    /// <summary>The transaction's time is over: it is rolled back, and its producer fenced.</summary>
    public static TransactionStep TimeOut(Transaction? current, long nowMs) =>
        current is { Status: TransactionStatus.Ongoing } && nowMs - current.StartMs >= current.TimeoutMs ? Fence(current, nowMs) : TransactionStep.Done;

    private static TransactionStep Fence(Transaction current, long nowMs)
    {
        short epoch = After(current.Epoch);
        Transaction next = current with
        {
            Status = TransactionStatus.CompleteAbort,
            Partitions = [],
            Epoch = epoch,
            LastEpoch = current.Epoch,
            UpdateMs = nowMs,
            ClientVersion = Transaction.BumpsEpoch,
        };
        return new TransactionStep(KafkaErrorCode.None, next, new TransactionEnd(current, epoch, IsCommit: false));
    }

    /// <summary>One epoch beyond the last that producers are given is left for fencing them.</summary>
    private static short After(short epoch) => epoch == short.MaxValue ? epoch : (short)(epoch + 1);

    /// <summary>The next epoch, of the next producer id if this one's are used up.</summary>
    private static TransactionStep Advance(Transaction current, int timeoutMs, short lastEpoch, long? newProducerId, long nowMs)
    {
        Transaction next = current with { Status = TransactionStatus.Empty, TimeoutMs = timeoutMs, StartMs = -1, UpdateMs = nowMs, LastEpoch = lastEpoch };
        return !Transaction.IsExhausted(current.Epoch) ? next with { Epoch = (short)(current.Epoch + 1) }
            : newProducerId is { } id ? next with { ProducerId = id, PreviousProducerId = current.ProducerId, Epoch = 0 }
            : TransactionStep.NeedsProducerId;
    }

    private static KafkaErrorCode Check(Transaction? current, ProducerIdentity producer) =>
        current is null || current.ProducerId != producer.Id ? KafkaErrorCode.InvalidProducerIdMapping
        : current.Epoch != producer.Epoch ? KafkaErrorCode.ProducerFenced
        : KafkaErrorCode.None;

    /// <summary>Without a new epoch for each transaction, whoever repeats a request can't be told from who ends the next transaction before it has begun.</summary>
    private static KafkaErrorCode CheckOldEnd(Transaction? current, ProducerIdentity producer, bool isCommit, out bool isRepeated)
    {
        isRepeated = false;
        KafkaErrorCode error = Check(current, producer);
        if (error != KafkaErrorCode.None || current!.Status == TransactionStatus.Ongoing)
        {
            return error;
        }

        isRepeated = current.Status == (isCommit ? TransactionStatus.CompleteCommit : TransactionStatus.CompleteAbort);
        return isRepeated ? KafkaErrorCode.None : KafkaErrorCode.InvalidTxnState;
    }

    private static KafkaErrorCode CheckEnd(Transaction? current, ProducerIdentity producer, bool isCommit, out bool isRepeated)
    {
        isRepeated = false;
        if (current is null)
        {
            return KafkaErrorCode.InvalidProducerIdMapping;
        }

        bool isRotated = producer.Id == current.PreviousProducerId && Transaction.IsExhausted(producer.Epoch) && current.Epoch == 0;
        if (producer.Id != current.ProducerId && !isRotated)
        {
            return KafkaErrorCode.InvalidProducerIdMapping;
        }

        bool isBumped = current.ClientVersion >= Transaction.BumpsEpoch && producer.Id == current.ProducerId && current.Epoch == producer.Epoch + 1;
        bool hasEnded = current.Status is TransactionStatus.CompleteCommit or TransactionStatus.CompleteAbort;
        isRepeated = hasEnded && (isBumped || isRotated);
        if (!isRepeated && (isRotated || producer.Epoch != current.Epoch))
        {
            return KafkaErrorCode.ProducerFenced;
        }

        // A transaction without partitions may be rolled back, but not committed: this broker has never heard of it.
        return isRepeated ? (isCommit == (current.Status == TransactionStatus.CompleteCommit) ? KafkaErrorCode.None : KafkaErrorCode.InvalidTxnState)
            : isCommit && current.Status != TransactionStatus.Ongoing ? KafkaErrorCode.InvalidTxnState
            : KafkaErrorCode.None;
    }
}
