using Sluice.Broker.Messages;

namespace Sluice.Broker.Delays;

/// <summary>Where delayed messages go when their time has come: the virtual host's routing.</summary>
public interface IDelayedTarget
{
    /// <summary>
    /// Takes messages with <see cref="DelayedBatch.TryNext"/> (holding no lock: it may wait for the disk), routes each by its holding exchange's bindings, and appends them together with
    /// <see cref="DelayedBatch.Settle"/> in one journal group, all before it returns. A message whose exchange is gone is settled without being appended.
    /// If it does not settle, or throws, the batch comes again a second later. Called by one thread at a time.
    /// </summary>
    void Deliver(DelayedBatch batch);
}

/// <summary>A message that is due. Borrowed until the batch is next used.</summary>
public ref struct DelayedMessage
{
    /// <summary>Unix ms at which it was to be delivered.</summary>
    public long DueMs;

    /// <summary>Name of the delayed exchange that holds it, UTF-8. It routes on from there, whatever exchange it was published to.</summary>
    public ReadOnlySpan<byte> Holder;

    /// <summary>The message as it was published. Its time to live begins now; its delay is over (-1); headers have to be read from the properties.</summary>
    public MessageToPublish Message;
}
