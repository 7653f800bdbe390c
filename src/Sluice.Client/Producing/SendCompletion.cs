namespace Sluice.Client.Producing;

/// <summary>The task of one record.</summary>
internal sealed class SendCompletion() : TaskCompletionSource<RecordMetadata>(TaskCreationOptions.RunContinuationsAsynchronously), IDeliveryObserver
{
    public void OnDelivery(in RecordMetadata metadata, Exception? error, long token)
    {
        if (error is null)
        {
            TrySetResult(metadata);
        }
        else
        {
            TrySetException(error);
        }
    }
}
