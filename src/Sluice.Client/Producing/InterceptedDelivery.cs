namespace Sluice.Client.Producing;

/// <summary>Tells the interceptors before whoever sent the record.</summary>
internal sealed class InterceptedDelivery<TKey, TValue>(IReadOnlyList<IProducerInterceptor<TKey, TValue>> interceptors, IDeliveryObserver? inner) : IDeliveryObserver
{
    public void OnDelivery(in RecordMetadata metadata, Exception? error, long token)
    {
        foreach (IProducerInterceptor<TKey, TValue> interceptor in interceptors)
        {
            interceptor.OnDelivery(metadata, error);
        }

        inner?.OnDelivery(metadata, error, token);
    }
}
