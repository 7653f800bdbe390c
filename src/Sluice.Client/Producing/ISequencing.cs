namespace Sluice.Client.Producing;

/// <summary>What the sender must know of idempotence and transactions. Called by the sender's loop alone unless said otherwise.</summary>
internal interface ISequencing
{
    /// <summary>Batches have sequence numbers.</summary>
    bool IsNumbered { get; }

    /// <summary>Under which name the partition's batches go.</summary>
    ProducerIdentity IdentityOf(PartitionQueue queue);

    /// <summary>Whether batches may go now. If not, does what is needed, and the sender is woken when it may look again.</summary>
    /// <param name="isIdle">No batch is on its way.</param>
    bool Prepare(bool isIdle);

    /// <summary>Whether the first batch of the partition, which is ready, may go now; if not, it is seen to, as above.</summary>
    bool PreparePartition(PartitionQueue queue);

    /// <summary>A batch has failed for good. If it has sequence numbers, what follows it must not be taken for what it was.</summary>
    /// <param name="batch">That failed.</param>
    /// <param name="error">Why.</param>
    void OnFailed(ProducerBatch batch, KafkaClientException error);
}

/// <summary>A producer that is not idempotent.</summary>
internal sealed class NoSequencing : ISequencing
{
    public bool IsNumbered => false;

    public ProducerIdentity IdentityOf(PartitionQueue queue) => ProducerIdentity.None;

    public bool Prepare(bool isIdle) => true;

    public bool PreparePartition(PartitionQueue queue) => true;

    public void OnFailed(ProducerBatch batch, KafkaClientException error)
    {
    }
}
