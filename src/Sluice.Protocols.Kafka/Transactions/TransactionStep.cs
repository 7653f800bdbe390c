using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>What a request comes to, by the state that it finds.</summary>
/// <param name="Error">Why it is refused: then nothing changes.</param>
/// <param name="Next">The state from now on; null: it stays.</param>
/// <param name="End">The transaction that ends with it; null: none.</param>
/// <param name="WantsProducerId">Nothing is decided: it is to be asked again with a new producer id at hand.</param>
internal readonly record struct TransactionStep(KafkaErrorCode Error, Transaction? Next = null, TransactionEnd? End = null, bool WantsProducerId = false)
{
    /// <summary>There is nothing to do.</summary>
    public static TransactionStep Done => new(KafkaErrorCode.None);

    public static TransactionStep NeedsProducerId => new(KafkaErrorCode.None, WantsProducerId: true);

    public static implicit operator TransactionStep(KafkaErrorCode error) => new(error);

    public static implicit operator TransactionStep(Transaction next) => new(KafkaErrorCode.None, next);
}

/// <summary>The end of a transaction.</summary>
/// <param name="Transaction">As it was while it went on.</param>
/// <param name="MarkerEpoch">Which its markers have: partitions refuse earlier ones from then on.</param>
/// <param name="IsCommit">Else it is rolled back.</param>
internal sealed record TransactionEnd(Transaction Transaction, short MarkerEpoch, bool IsCommit);

/// <summary>The producer that a request speaks for.</summary>
internal readonly record struct ProducerIdentity(long Id, short Epoch);
