namespace Sluice.Storage.Producers;

/// <summary>Whether a log may take a batch of a producer with an id (KIP-98, KIP-360, KIP-890).</summary>
public enum ProducerCheck
{
    Ok,

    /// <summary>One of the producer's last batches, sent again: to be acknowledged with the offset it has, not appended.</summary>
    Duplicate,

    /// <summary>Not the sequence number that follows the producer's last, or a new epoch that does not begin with 0.</summary>
    OutOfOrderSequence,

    /// <summary>A newer epoch of the producer has written: this one is fenced.</summary>
    InvalidEpoch,

    /// <summary>A batch outside a transaction while the producer's transaction is open.</summary>
    InvalidTransactionState,

    /// <summary>A marker of a transaction coordinator that has been replaced.</summary>
    CoordinatorFenced,
}

/// <summary>What a log knows of a producer, as Kafka's DescribeProducers tells it.</summary>
/// <param name="ProducerId">The id that the transaction coordinator gave out.</param>
/// <param name="Epoch">The newest that has written.</param>
/// <param name="CoordinatorEpoch">Of the newest marker; -1 before the first.</param>
/// <param name="LastSequence">Sequence number of its last record; -1 for none in this epoch.</param>
/// <param name="LastTimestamp">Unix ms of its last record or marker.</param>
/// <param name="TransactionFirstOffset">Where its open transaction begins in this log; -1 for none.</param>
public readonly record struct ProducerInfo(long ProducerId, short Epoch, int CoordinatorEpoch, int LastSequence, long LastTimestamp, long TransactionFirstOffset);

/// <summary>A transaction that was rolled back: committed-only readers pass its records.</summary>
/// <param name="ProducerId">Whose it was.</param>
/// <param name="FirstOffset">Its first record.</param>
/// <param name="LastOffset">Its marker.</param>
/// <param name="LastStableOffset">The log's last stable offset once it was over.</param>
public readonly record struct AbortedTransaction(long ProducerId, long FirstOffset, long LastOffset, long LastStableOffset);
