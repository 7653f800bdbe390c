namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>Where a transactional id is, by Kafka's numbers in the log and names for tools. Those of Kafka's states between are left out: ending a transaction is one step here.</summary>
internal enum TransactionStatus : sbyte
{
    /// <summary>The producer has begun no transaction.</summary>
    Empty = 0,

    Ongoing = 1,

    CompleteCommit = 4,

    CompleteAbort = 5,
}
