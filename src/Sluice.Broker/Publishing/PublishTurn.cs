using Sluice.Broker.Messages;
using Sluice.Storage;

namespace Sluice.Broker.Publishing;

/// <summary>What became of a published message when it was routed.</summary>
public enum PublishOutcome : byte
{
    /// <summary>Staged for at least one queue.</summary>
    Routed = 0,

    /// <summary>No queue matched (AMQP: return if mandatory; confirmed all the same).</summary>
    Unroutable,

    /// <summary>The exchange does not exist (AMQP 404, channel error).</summary>
    NoSuchExchange,

    /// <summary>The exchange is internal (AMQP 403).</summary>
    Internal,

    /// <summary>Larger than the largest message allowed, or a transaction too large.</summary>
    TooLarge,

    /// <summary>A delayed exchange was given a delay it cannot honour.</summary>
    InvalidDelay,
}

/// <summary>
/// What one connection publishes in one turn of its receive loop. Records are encoded here, outside any lock, gathered per queue, and handed to the
/// queues in one append each by <see cref="Flush"/>. A connection keeps one for its life (and one per transactional channel). Not thread-safe. No allocation in the steady state.
/// </summary>
public sealed class PublishTurn : IDisposable
{
    internal PublishTurn()
    {
    }

    /// <summary>Messages staged and not flushed.</summary>
    public int Count => throw new NotImplementedException();

    /// <summary>Bytes staged and not flushed.</summary>
    public long Bytes => throw new NotImplementedException();

    /// <summary>
    /// Routes and stages one message. <paramref name="ticket"/> comes back in <see cref="TurnResult.Rejected"/> if a queue refuses it at flush (reject-publish).
    /// </summary>
    public PublishOutcome Publish(in MessageToPublish message, ulong ticket) => throw new NotImplementedException();

    /// <summary>
    /// Appends all that is staged, wakes consumers, and clears the turn. The caller acknowledges once <see cref="TurnResult.Position"/> is kept
    /// (<see cref="LogStore.NotifyWhenKept"/>), at once if it is None.
    /// </summary>
    public TurnResult Flush() => throw new NotImplementedException();

    /// <summary>
    /// Transaction: appends all that is staged and settles the given deliveries as one group that is kept together or not at all.
    /// </summary>
    public TurnResult Commit(IReadOnlyList<TransactionSettlement> settlements) => throw new NotImplementedException();

    /// <summary>Forgets what is staged.</summary>
    public void Clear() => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}

/// <summary>Result of a flush.</summary>
/// <param name="Position">Wait for this to be kept before acknowledging; None: nothing to wait for.</param>
/// <param name="Rejected">Tickets refused by a full queue; borrowed until the next call on the turn; null for none.</param>
/// <param name="Failure">Storage refused: nothing of the turn that was promised is kept; nack all of it. Null normally.</param>
public readonly record struct TurnResult(JournalPosition Position, IReadOnlyList<ulong>? Rejected, Exception? Failure);

/// <summary>Deliveries settled by a transaction.</summary>
/// <param name="Queue">Their queue.</param>
/// <param name="Messages">Which.</param>
/// <param name="Kind">How.</param>
public sealed record TransactionSettlement(Queues.MessageQueue Queue, MessageId[] Messages, SettlementKind Kind);

public enum SettlementKind : byte
{
    Settle,
    Requeue,
    Reject,
}
