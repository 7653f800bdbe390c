namespace Sluice.Client.Producing;

/// <summary>What the sender must know of idempotence and transactions. Called by the sender's loop alone unless said otherwise.</summary>
internal interface ISequencing
{
    /// <summary>Batches have sequence numbers.</summary>
    bool IsNumbered { get; }

    /// <summary>Under which name batches go.</summary>
    ProducerIdentity Identity { get; }

    /// <summary>Whether batches may go now. If not, does what is needed, and the sender is woken when it may look again.</summary>
    /// <param name="isIdle">No batch is on its way.</param>
    bool Prepare(bool isIdle);

    /// <summary>Whether a batch for the partition may go now; if not, it is seen to, as above.</summary>
    bool PreparePartition(TopicPartition partition);

    /// <summary>A batch has failed for good. What follows it must not be taken for what it was.</summary>
    /// <param name="batch">That failed.</param>
    /// <param name="error">Why.</param>
    void OnFailed(ProducerBatch batch, KafkaClientException error);
}

/// <summary>A producer that is not idempotent.</summary>
internal sealed class NoSequencing : ISequencing
{
    public bool IsNumbered => false;

    public ProducerIdentity Identity => ProducerIdentity.None;

    public bool Prepare(bool isIdle) => true;

    public bool PreparePartition(TopicPartition partition) => true;

    public void OnFailed(ProducerBatch batch, KafkaClientException error)
    {
    }
}
