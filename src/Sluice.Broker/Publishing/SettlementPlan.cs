using Sluice.Broker.Messages;
using Sluice.Broker.Queues;

namespace Sluice.Broker.Publishing;

/// <summary>
/// What of a transaction's settlements is part of its journal group: acknowledgements; rejections, with the copies that go to the dead-letter exchange.
/// What cannot be is done right after it, so that a crash between the two gives these messages back to their queue: requeues (which have nothing to
/// keep, but for the delivery limit), and rejections whose copies are more than a transaction may hold, cannot be read, or must wait until all their
/// queues have room (at-least-once).
/// </summary>
internal readonly struct SettlementPlan()
{
    private readonly List<TransactionSettlement> _inGroup = [];
    private readonly List<TransactionSettlement> _after = [];

    public IReadOnlyList<TransactionSettlement> InGroup => _inGroup;

    /// <summary>Sorts the settlements and stages the copies of rejected messages in the turn.</summary>
    public void Make(IReadOnlyList<TransactionSettlement> settlements, PublishTurn turn, long bytesMax)
    {
        foreach (TransactionSettlement settlement in settlements)
        {
            switch (settlement)
            {
                case { Kind: SettlementKind.Requeue }:
                    _after.Add(settlement);
                    break;
                case { Kind: SettlementKind.Reject, Queue: CompetingQueue { Settings: { DeadLetterExchange: not null } settings } queue }:
                    int moved = settings.DeadLettersAtLeastOnce ? 0 : StageCopies(queue, settlement.Messages, turn, bytesMax);
                    Add(_inGroup, settlement, settlement.Messages[..moved], SettlementKind.Settle);
                    Add(_after, settlement, settlement.Messages[moved..], SettlementKind.Reject);
                    break;
                default:
                    _inGroup.Add(settlement);
                    break;
            }
        }
    }

    /// <summary>The rest, once the group is in order.</summary>
    public void DoRest()
    {
        foreach (TransactionSettlement settlement in _after)
        {
            if (settlement.Kind == SettlementKind.Requeue)
            {
                settlement.Queue.Requeue(settlement.Messages);
            }
            else
            {
                settlement.Queue.Reject(settlement.Messages);
            }
        }
    }

    private static void Add(List<TransactionSettlement> list, TransactionSettlement origin, MessageId[] messages, SettlementKind kind)
    {
        if (messages.Length > 0)
        {
            list.Add(new TransactionSettlement(origin.Queue, messages, kind));
        }
    }

    /// <summary>Stages copies of the first messages; returns of how many.</summary>
    private static int StageCopies(CompetingQueue queue, MessageId[] messages, PublishTurn turn, long bytesMax)
    {
        using var reader = new DeadMessageReader(queue);
        int staged = 0;
        try
        {
            for (; staged < messages.Length && turn.Bytes < bytesMax; staged++)
            {
                if (reader.TryRead(messages[staged], out MessageView message))
                {
                    new DeadLetter(queue).Publish(turn, message, DeathReason.Rejected);
                }
            }
        }
        catch (IOException)
        {
            // Damage: the dead-letter pump meets it again, says so, and leaves the message where it is.
        }

        return staged;
    }
}
