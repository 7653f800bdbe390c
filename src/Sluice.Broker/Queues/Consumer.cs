using Sluice.Broker.Messages;

namespace Sluice.Broker.Queues;

/// <summary>
/// A protocol's end of a subscription to a queue. The queue calls it under its own lock: implementations must be short, must not
/// block and must not call back into any queue. Lock order: queue, then the protocol's channel and output locks.
/// </summary>
public abstract class Consumer
{
    /// <summary>Name unique within its channel, chosen by client or server.</summary>
    public required string Tag { get; init; }

    /// <summary>Messages are settled as they are delivered (AMQP no-ack).</summary>
    public bool AutoSettle { get; init; }

    public bool Exclusive { get; init; }

    /// <summary>Higher ones are served first while they can take messages (x-priority). Default 0.</summary>
    public int Priority { get; init; }

    /// <summary>Where a stream consumer starts; null for other queues.</summary>
    public StreamStart? Start { get; init; }

    /// <summary>What operators see: connection and channel.</summary>
    public required string Description { get; init; }

    /// <summary>The connection it belongs to, for exclusivity and clean-up.</summary>
    public required object Owner { get; init; }

    /// <summary>Whether it has credit and room for one more message now. When it turns true again, the protocol calls <see cref="MessageQueue.Resume"/>.</summary>
    public abstract bool CanTake { get; }

    /// <summary>Takes a message: encodes it into the connection's output.</summary>
    public abstract void Deliver(in Delivery delivery);

    /// <summary>Ends a run of deliveries: time to flush.</summary>
    public abstract void EndRun();

    /// <summary>The queue is gone or the subscription was ended by the broker. Called once, off the queue's lock.</summary>
    public abstract void Cancelled();

    /// <summary>Single active consumer: became (in)active. Default: ignored.</summary>
    public virtual void ActiveChanged(bool active)
    {
    }
}

/// <summary>One delivery to a consumer or to a get.</summary>
public ref struct Delivery
{
    public MessageId Id;

    /// <summary>Delivered before and came back.</summary>
    public bool Redelivered;

    /// <summary>How often it was delivered before and came back (x-delivery-count of quorum queues).</summary>
    public int DeliveryCount;

    public MessageView Message;
}

/// <summary>Where a stream consumer starts reading.</summary>
/// <param name="Kind">Which of the others counts.</param>
/// <param name="Value">Offset, or Unix ms for a timestamp (intervals are converted by the protocol edge to a timestamp).</param>
public sealed record StreamStart(StreamStartKind Kind, long Value = 0);

public enum StreamStartKind : byte
{
    First,

    /// <summary>Start of the last chunk (batch) written.</summary>
    Last,

    /// <summary>Only what comes after the subscription.</summary>
    Next,
    Offset,
    Timestamp,
}

/// <summary>Takes one message from <see cref="MessageQueue.Get"/>.</summary>
public interface IDeliverySink
{
    /// <param name="delivery">Borrowed.</param>
    /// <param name="remaining">Ready messages left in the queue.</param>
    void Take(in Delivery delivery, long remaining);
}
