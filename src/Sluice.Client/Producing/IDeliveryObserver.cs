namespace Sluice.Client.Producing;

/// <summary>Is told what became of records, without an object for each: for programs that send very many.</summary>
public interface IDeliveryObserver
{
    /// <summary>Called once for each record, on a thread of the client: do little here, and do not block.</summary>
    /// <param name="metadata">Where it went; with an error only the partition.</param>
    /// <param name="error">Why it was not kept, or may not have been; null if it was.</param>
    /// <param name="token">What was given with the record.</param>
    void OnDelivery(in RecordMetadata metadata, Exception? error, long token);
}
