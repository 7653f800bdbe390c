using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>
/// The length limits of a queue in force: what it admits of a publisher's turn, and what it drops from its head. Has no state of its own. The queue's lock is held.
/// </summary>
internal readonly struct QueueLimits(CompetingQueue queue)
{
    /// <summary>At a limit new messages are refused.</summary>
    public bool Refuses => HasLimit && queue.Settings.Overflow != OverflowMode.DropHead;

    /// <summary>At a limit old messages go.</summary>
    public bool Drops => HasLimit && queue.Settings.Overflow == OverflowMode.DropHead;

    private bool HasLimit => queue.Settings.MaxLength >= 0 || queue.Settings.MaxLengthBytes >= 0;

    /// <summary>How many of a stage's messages, from a given one on, there is room for.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="from">First message asked for.</param>
    /// <param name="countAhead">Messages of other stages that come before it.</param>
    /// <param name="bytesAhead">Their body bytes.</param>
    public int Admits(Stage stage, int from, long countAhead, long bytesAhead) => Refuses && stage.HasEntries
        ? LengthLimit.Admit(queue.Settings, queue.Lanes.Ready + countAhead + queue.HeldCount, queue.Lanes.BytesReady + bytesAhead, stage.Entries, from)
        : stage.Builder.Count - from;

    /// <summary>Appends what there is room for. Tickets of what is refused are added to <paramref name="rejected"/>.</summary>
    public JournalPosition Append(Stage stage, JournalGroup? group, List<ulong> rejected)
    {
        int admitted = Admits(stage, 0, 0, 0);
        if (admitted < stage.Builder.Count)
        {
            // What a group holds must not be delivered before its commit.
            if (group is null && queue.IsAwaited)
            {
                return AppendInPieces(stage, admitted, rejected);
            }

            Refuse(stage, admitted, rejected);
            if (admitted == 0)
            {
                return JournalPosition.None;
            }

            stage.Truncate(admitted);
        }

        return queue.Lanes.Append(stage, stage.Builder, stage.BodyBytes, group);
    }

    /// <summary>Drops from the head while over a limit (drop-head). The head is the message that would be delivered next, so the highest priority goes first, as in RabbitMQ.</summary>
    public void Enforce()
    {
        if (!Drops)
        {
            return;
        }

        LaneSet lanes = queue.Lanes;
        for (int level = lanes.Count - 1; level >= 0 && LengthLimit.IsOver(queue.Settings, lanes.Ready, lanes.BytesReady);)
        {
            Lane lane = lanes[level];
            switch (lanes.Peek(lane, out RecordView record, out _))
            {
                case PeekResult.Record:
                    new TakenMessages(queue).TakeToKill(lane, record, DeathReason.MaxLength);
                    break;
                case PeekResult.NeedsLoad:
                    return;
                default:
                    level--;
                    break;
            }
        }
    }

    /// <summary>
    /// Appends what the limit admits, serves waiting consumers, and so on: what they take makes room, as if the messages had come one by one. Each record is
    /// copied once, however many pieces there are.
    /// </summary>
    private JournalPosition AppendInPieces(Stage stage, int admitted, List<ulong> rejected)
    {
        JournalPosition position = JournalPosition.None;
        var records = new RecordBatchReader(stage.Builder.Seal());
        int at = 0;
        while (admitted > 0)
        {
            long bodyBytes = 0;
            stage.Piece.Clear();
            for (int i = 0; i < admitted && records.TryRead(out RecordView record); i++)
            {
                stage.Piece.Append(record.Timestamp, record.Value, record.Headers, record.HeaderCount);
                bodyBytes += record.Value.Length;
            }

            position = JournalPosition.Max(position, queue.Lanes.Append(stage, stage.Piece, bodyBytes, group: null));
            at += admitted;
            if (at == stage.Builder.Count)
            {
                return position;
            }

            queue.Dispatch();
            admitted = Admits(stage, at, 0, 0);
        }

        Refuse(stage, at, rejected);
        return position;
    }

    private void Refuse(Stage stage, int from, List<ulong> rejected)
    {
        for (int i = from; i < stage.Entries.Count; i++)
        {
            rejected.Add(stage.Entries[i].Ticket);
        }

        if (queue.Settings is { Overflow: OverflowMode.RejectPublishDeadLetter, DeadLetterExchange: not null })
        {
            stage.KeepRefused(from);
        }
    }
}
