using Microsoft.Extensions.Logging;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Storage;

namespace Sluice.Broker.Queues;

/// <summary>What the core's two kinds of queue share: the lock, appending a turn's stage, settling inside a group.</summary>
internal abstract class StoredQueue : MessageQueue
{
    private static long s_sequence;

    protected StoredQueue(VirtualHost host, QueueDefinition definition, QueueSettings settings, object? owner)
    {
        Host = host;
        Definition = definition;
        CurrentSettings = settings;
        Owner = owner;
        Sequence = Interlocked.Increment(ref s_sequence);
        WarnOfStrategy();
    }

    /// <summary>Order in which locks of several queues are taken.</summary>
    public long Sequence { get; }

    /// <summary>Guards the queue. Taken before any channel or output lock, never across I/O or an await.</summary>
    /// <remarks>The queue itself: there may be a hundred thousand idle ones, and nobody outside this assembly locks them.</remarks>
    public object Gate => this;

    public override string Name => Definition.Name;

    public override QueueDefinition Definition { get; }

    public override QueueSettings Settings => CurrentSettings;

    public override object? Owner { get; }

    public override bool IsOpen => !Closed;

    public VirtualHost Host { get; }

    /// <summary>Outlives the broker's process.</summary>
    public bool IsDurable => Definition.Durable && Owner is null;

    /// <summary>Its definition as kept in the metadata store names these.</summary>
    public abstract IReadOnlyList<LogId> LogIds { get; }

    /// <summary>Whether a stage must remember each message, because a part of a batch may be refused.</summary>
    public virtual bool NeedsEntries => false;

    protected QueueSettings CurrentSettings { get; private set; }

    protected bool Closed { get; set; }

    /// <summary>Lane for a message's priority.</summary>
    public abstract int LaneFor(byte priority);

    /// <summary>How many of a stage's messages, from its beginning, the queue has room for. Gate held.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="countAhead">Messages of other stages that come before it.</param>
    /// <param name="bytesAhead">Their body bytes.</param>
    public virtual int Admits(Stage stage, long countAhead, long bytesAhead) => stage.Builder.Count;

    /// <summary>
    /// Appends a stage. Gate held. Tickets of refused messages are added to <paramref name="rejected"/>.
    /// Throws <see cref="LogFailedException"/> when the promise cannot be given.
    /// </summary>
    public abstract JournalPosition Append(Stage stage, JournalGroup? group, List<ulong> rejected);

    /// <summary>Serves consumers and applies limits after appends. Gate held.</summary>
    public abstract void AfterAppend();

    /// <summary>Why a log of the queue gives no promises any more; null while it does.</summary>
    public abstract Exception? Failure { get; }

    /// <summary>Settles deliveries as part of a group. Gate held.</summary>
    public abstract void SettleInGroup(ReadOnlySpan<MessageId> messages, JournalGroup group);

    /// <summary>Policy changed.</summary>
    public virtual void ApplySettings(QueueSettings settings)
    {
        lock (Gate)
        {
            CurrentSettings = settings;
        }

        WarnOfStrategy();
    }

    /// <summary>Marks it used now, which postpones its expiry (x-expires).</summary>
    public abstract void Touch();

    /// <summary>Ends it: no more appends or deliveries. Returns its consumers, to be told off the lock.</summary>
    public abstract IReadOnlyList<Consumer> Close();

    private void WarnOfStrategy()
    {
        if (CurrentSettings is { WantsAtLeastOnce: true, DeadLettersAtLeastOnce: false })
        {
            Host.Logger.LogWarning("Queue '{Queue}' in virtual host '{Host}' asks for dead-letter-strategy at-least-once, which also needs a dead-letter-exchange and overflow reject-publish: it dead-letters at most once", Name, Host.Name);
        }
    }
}
