namespace Sluice.Client.Producing;

/// <summary>Sees, and may change, what a producer sends. Called by all threads that send; what it throws goes to the sender.</summary>
public interface IProducerInterceptor<TKey, TValue>
{
    /// <summary>Before keys and values become bytes. Returns what is sent instead.</summary>
    ProducerRecord<TKey, TValue> OnSend(in ProducerRecord<TKey, TValue> record);

    /// <summary>When the broker has the record, or will not have it; on a thread of the client.</summary>
    void OnDelivery(in RecordMetadata metadata, Exception? error);
}
