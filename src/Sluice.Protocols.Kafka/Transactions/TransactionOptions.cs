namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>Settings of transactions. Times in ms.</summary>
public sealed record TransactionOptions
{
    /// <summary>Partitions of the internal topic that keeps transactional ids, when it is made; later ones are as many as it has.</summary>
    public int StateTopicPartitions { get; init; } = 50;

    /// <summary>Longest time that a producer may ask for until its transaction is rolled back.</summary>
    public int TimeoutMaxMs { get; init; } = 15 * 60 * 1000;

    /// <summary>How long a transactional id is remembered after its last transaction.</summary>
    public long TransactionalIdExpirationMs { get; init; } = 7L * 24 * 60 * 60 * 1000;

    /// <summary>How long a partition remembers a producer that writes nothing.</summary>
    public long ProducerIdExpirationMs { get; init; } = 24L * 60 * 60 * 1000;

    /// <summary>How often producers that write nothing are looked for.</summary>
    public int ProducerIdCheckMs { get; init; } = 10 * 60 * 1000;

    /// <summary>When what could not be done at its time is tried again.</summary>
    public int RetryMs { get; init; } = 10_000;
}
