using Sluice.Broker.Messages;
using Sluice.Broker.Queues;
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

/// <summary>Result of a flush.</summary>
/// <param name="Position">Wait for this to be kept before acknowledging; None: nothing to wait for.</param>
/// <param name="Rejected">Tickets refused by a full queue; borrowed until the next call on the turn; null for none.</param>
/// <param name="Failure">Storage refused: nothing of the turn that was promised is kept; nack all of it. Null normally.</param>
public readonly record struct TurnResult(JournalPosition Position, IReadOnlyList<ulong>? Rejected, Exception? Failure);

/// <summary>Deliveries settled by a transaction.</summary>
/// <param name="Queue">Their queue.</param>
/// <param name="Messages">Which.</param>
/// <param name="Kind">How.</param>
public sealed record TransactionSettlement(MessageQueue Queue, MessageId[] Messages, SettlementKind Kind);

public enum SettlementKind : byte
{
    Settle,
    Requeue,
    Reject,
}
