using Sluice.Broker.Delays;
using Sluice.Broker.Queues;
using Sluice.Storage;

namespace Sluice.Broker.Publishing;

/// <summary>
/// Appends and settles over several queues as one journal group: all of it is kept or nothing. Whatever can refuse is asked before the first operation,
/// with all locks held; should an operation throw nevertheless, the group stops the journal instead of keeping a half.
/// </summary>
internal sealed class TurnGroup(VirtualHost host)
{
    private readonly List<StoredQueue> _locked = [];
    private readonly Dictionary<StoredQueue, (long Count, long Bytes)> _admitted = [];
    private readonly List<ulong> _dropped = [];

    /// <summary>Messages that must all be taken by their queues, or none is.</summary>
    public required StageList Stages { get; init; }

    /// <summary>Messages that a full queue may refuse, as RabbitMQ loses dead letters that nobody takes.</summary>
    public required StageList Letters { get; init; }

    public required IReadOnlyList<PendingDelay> Delayed { get; init; }

    /// <summary>A queue that was deleted after routing refuses, too. Otherwise its messages go as they would have with the queue.</summary>
    public bool RefusesDeleted { get; set; }

    /// <summary>Does it all, or nothing.</summary>
    /// <param name="settled">Deliveries that end with it.</param>
    /// <param name="delayedBatch">Delayed messages that go on with it; null: none.</param>
    /// <param name="nowMs">Time of the commit.</param>
    /// <param name="rejected">Gets the tickets of messages of <see cref="Stages"/> that a queue has no room for: nothing happened then.</param>
    /// <param name="failure">Why storage refused: nothing happened then. Null normally.</param>
    public JournalPosition Commit(IReadOnlyList<TransactionSettlement> settled, DelayedBatch? delayedBatch, long nowMs, List<ulong> rejected, out Exception? failure)
    {
        Collect(settled);
        JournalPosition position = JournalPosition.None;
        failure = null;
        int entered = 0;
        DelayStore? delays = Delayed.Count > 0 ? host.Delays : null;
        try
        {
            for (; entered < _locked.Count; entered++)
            {
                Monitor.Enter(_locked[entered].Gate);
            }

            delays?.Gate.Enter();
            delayedBatch?.Gate.Enter();
            try
            {
                failure = FindFailure(delays, nowMs) ?? FindExcess(settled);
                if (failure is null && !IsRefused(rejected))
                {
                    position = Append(settled, delays, delayedBatch, nowMs);
                }
            }
            finally
            {
                delayedBatch?.Gate.Exit();
                delays?.Gate.Exit();
            }
        }
        finally
        {
            while (entered > 0)
            {
                Monitor.Exit(_locked[--entered].Gate);
            }
        }

        foreach (StoredQueue queue in _locked)
        {
            lock (queue.Gate)
            {
                queue.AfterAppend();
            }
        }

        return position;
    }

    /// <summary>Lets go of the queues.</summary>
    public void Clear()
    {
        _locked.Clear();
        _admitted.Clear();
        _dropped.Clear();
    }

    /// <summary>Collects the queues in the order in which their locks are taken.</summary>
    private void Collect(IReadOnlyList<TransactionSettlement> settled)
    {
        _locked.Clear();
        AddQueues(Stages);
        AddQueues(Letters);
        foreach (TransactionSettlement settlement in settled)
        {
            if (settlement.Queue is StoredQueue queue)
            {
                _locked.Add(queue);
            }
        }

        _locked.Sort(static (a, b) => a.Sequence.CompareTo(b.Sequence));
        int distinct = 0;
        for (int i = 0; i < _locked.Count; i++)
        {
            if (i == 0 || !ReferenceEquals(_locked[i], _locked[i - 1]))
            {
                _locked[distinct++] = _locked[i];
            }
        }

        _locked.RemoveRange(distinct, _locked.Count - distinct);
    }

    private void AddQueues(StageList stages)
    {
        for (int i = 0; i < stages.Count; i++)
        {
            _locked.Add(stages[i].Queue!);
        }
    }

    private Exception? FindFailure(DelayStore? delays, long nowMs)
    {
        foreach (StoredQueue queue in _locked)
        {
            if (queue.Failure is { } failure)
            {
                return failure;
            }
        }

        for (int i = 0; i < Delayed.Count; i++)
        {
            if (delays!.FindFailure(nowMs + Delayed[i].DelayMs) is { } failure)
            {
                return failure;
            }
        }

        return host.Store.Failure;
    }

    /// <summary>A group is one journal entry and has its limit. Reached only by copies of large messages to many queues.</summary>
    private IOException? FindExcess(IReadOnlyList<TransactionSettlement> settled)
    {
        long bytes = Stages.Bytes + Letters.Bytes + ((Stages.Count + Letters.Count) * (long)(JournalGroup.OperationBytesMax + Stage.OverheadBytesMax));
        for (int i = 0; i < Delayed.Count; i++)
        {
            bytes += Delayed[i].BytesMax + JournalGroup.OperationBytesMax;
        }

        foreach (TransactionSettlement settlement in settled)
        {
            bytes += settlement.Messages.Length * (long)JournalGroup.OperationBytesMax;
        }

        return bytes <= JournalGroup.BytesMax ? null
            : new IOException($"What must be kept together is {bytes} bytes, more than a journal entry can hold ({JournalGroup.BytesMax}).");
    }

    /// <summary>Whether a queue has no room for its part, or is deleted; notes the tickets.</summary>
    private bool IsRefused(List<ulong> rejected)
    {
        for (int i = 0; i < Stages.Count; i++)
        {
            Stage stage = Stages[i];
            StoredQueue queue = stage.Queue!;
            if (RefusesDeleted && !queue.IsOpen)
            {
                rejected.Add(0);
                continue;
            }

            int admitted = stage.Builder.Count;
            if (queue.NeedsEntries)
            {
                // Several stages of a queue share its room.
                (long count, long bytes) = _admitted.GetValueOrDefault(queue);
                admitted = queue.Admits(stage, count, bytes);
                _admitted[queue] = (count + stage.Builder.Count, bytes + stage.BodyBytes);
            }

            for (int entry = admitted; entry < stage.Builder.Count; entry++)
            {
                rejected.Add(stage.Entries[entry].Ticket);
            }
        }

        return rejected.Count > 0;
    }

    private JournalPosition Append(IReadOnlyList<TransactionSettlement> settled, DelayStore? delays, DelayedBatch? delayedBatch, long nowMs)
    {
        using JournalGroup group = host.Store.BeginGroup();
        for (int i = 0; i < Stages.Count; i++)
        {
            Stages[i].Queue!.Append(Stages[i], group, _dropped);
        }

        for (int i = 0; i < Letters.Count; i++)
        {
            Letters[i].Queue!.Append(Letters[i], group, _dropped);
        }

        for (int i = 0; i < Delayed.Count; i++)
        {
            Delayed[i].Schedule(delays!, nowMs, group);
        }

        foreach (TransactionSettlement settlement in settled)
        {
            if (settlement.Queue is StoredQueue queue)
            {
                queue.SettleInGroup(settlement.Messages, group);
            }
        }

        delayedBatch?.Settle(group);
        return group.Commit();
    }
}
