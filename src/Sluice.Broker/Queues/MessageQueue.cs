using Sluice.Broker.Definitions;
using Sluice.Broker.Exchanges;
using Sluice.Broker.Messages;

namespace Sluice.Broker.Queues;

/// <summary>
/// A queue of a virtual host: one log per priority level in use, each with one shared cursor, and policies on that cursor.
/// A stream is a queue that is read by position and never settled. Thread-safe.
/// </summary>
public abstract class MessageQueue : IDestination
{
    public abstract string Name { get; }

    public abstract QueueDefinition Definition { get; }

    /// <summary>Arguments and policies merged: what is in force now.</summary>
    public abstract QueueSettings Settings { get; }

    /// <summary>The connection it is exclusive to; null if it is not.</summary>
    public abstract object? Owner { get; }

    /// <summary>Messages waiting.</summary>
    public abstract long ReadyCount { get; }

    /// <summary>Messages delivered and not settled.</summary>
    public abstract long UnsettledCount { get; }

    public abstract int ConsumerCount { get; }

    /// <summary>A copy of the consumers, for operators.</summary>
    public abstract IReadOnlyList<Consumer> Consumers { get; }

    /// <summary>Of the consumers of a queue with a single active consumer, the one that gets messages; null for other queues, and if there is none.</summary>
    public virtual Consumer? ActiveConsumer => null;

    /// <summary>Consumers are told how often a message came back.</summary>
    public virtual bool CountsDeliveries => Settings.Kind == QueueKind.Quorum;

    /// <summary>One of several partitions of a topic, with which it comes and goes.</summary>
    public virtual bool IsOnePartition => false;

    /// <summary>A partition of a topic of the broker's own.</summary>
    public virtual bool IsInternal => false;

    /// <summary>True while the queue is not deleted.</summary>
    public abstract bool IsOpen { get; }

    /// <summary>Subscribes and begins to deliver. Locked: exclusive to another connection; ExclusiveUse: another exclusive consumer, or exclusive asked with others there.</summary>
    public abstract BrokerResult AddConsumer(Consumer consumer);

    /// <summary>Unsubscribes; its unsettled messages stay with the channel. Deletes an auto-delete queue whose last consumer it was.</summary>
    public abstract void RemoveConsumer(Consumer consumer);

    /// <summary>The consumer can take messages again.</summary>
    public abstract void Resume(Consumer consumer);

    /// <summary>Takes one ready message; false if there is none (or it is still being loaded from disk: then awaits it).</summary>
    public abstract ValueTask<bool> GetAsync(bool autoSettle, IDeliverySink sink);

    /// <summary>Settles (acknowledges) deliveries.</summary>
    public abstract void Settle(ReadOnlySpan<MessageId> messages);

    /// <summary>Puts deliveries back at their place, marked redelivered.</summary>
    public abstract void Requeue(ReadOnlySpan<MessageId> messages);

    /// <summary>Gives deliveries up: dead-lettered as rejected if the queue has a dead-letter exchange, dropped otherwise.</summary>
    public abstract void Reject(ReadOnlySpan<MessageId> messages);

    /// <summary>Drops all ready messages; returns how many.</summary>
    public abstract long Purge();
}
