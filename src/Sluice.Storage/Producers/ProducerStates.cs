using Sluice.Storage.Records;

namespace Sluice.Storage.Producers;

/// <summary>
/// What a log knows of the producers that write to it with an id: their epochs, last sequence numbers and open transactions, and the
/// transactions rolled back (KIP-98). Derived from the headers of the log's batches alone, one after another, so that a recovery rebuilds it from
/// the state in the last checkpoint and the batches in the journal after it.
/// <para>
/// Changed by <see cref="Log.Append"/> under the log's lock, without judging: who appends has asked <see cref="Log.CheckProducer"/> before, holding
/// the right to append. Public members take the log's lock.
/// </para>
/// </summary>
public sealed class ProducerStates
{
    private readonly Log _log;
    private readonly Dictionary<long, ProducerEntry> _producers = [];

    /// <summary>First offset and producer of each open transaction.</summary>
    private readonly SortedDictionary<long, long> _open = [];

    /// <summary>By marker's offset.</summary>
    private readonly List<AbortedTransaction> _aborted = [];

    internal ProducerStates(Log log) => _log = log;

    /// <summary>How many producers are known.</summary>
    public int Count
    {
        get
        {
            lock (_log.Sync)
            {
                return _producers.Count;
            }
        }
    }

    /// <summary>For the checkpoint, by producer id. Under the log's lock.</summary>
    internal IEnumerable<ProducerEntry> Entries => _producers.Values.OrderBy(static entry => entry.Id);

    /// <summary>For the checkpoint, by marker's offset. Under the log's lock.</summary>
    internal IReadOnlyList<AbortedTransaction> Aborted => _aborted;

    /// <summary>First offset of the oldest open transaction; -1 if none is open. Under the log's lock.</summary>
    internal long FirstOpenOffset
    {
        get
        {
            foreach ((long firstOffset, _) in _open)
            {
                return firstOffset;
            }
            return -1;
        }
    }

    /// <summary>All producers known, by id.</summary>
    public IReadOnlyList<ProducerInfo> Describe()
    {
        lock (_log.Sync)
        {
            return [.. Entries.Select(static entry => entry.Describe())];
        }
    }

    /// <summary>The transactions rolled back that a reader of [<paramref name="fetchOffset"/>, <paramref name="upperOffset"/>) has to know, in the order in which they ended.</summary>
    public IReadOnlyList<AbortedTransaction> CollectAborted(long fetchOffset, long upperOffset)
    {
        lock (_log.Sync)
        {
            List<AbortedTransaction> collected = [];
            for (int i = FirstAbortedAt(fetchOffset); i < _aborted.Count; i++)
            {
                if (_aborted[i].FirstOffset < upperOffset)
                {
                    collected.Add(_aborted[i]);
                }
                if (_aborted[i].LastStableOffset >= upperOffset)
                {
                    // Whatever ended later began above it.
                    break;
                }
            }
            return collected;
        }
    }

    /// <summary>The newest epoch in which the producer has written; -1 if nothing is known of it.</summary>
    public short FindEpoch(long producerId)
    {
        lock (_log.Sync)
        {
            return _producers.TryGetValue(producerId, out ProducerEntry? entry) ? entry.Epoch : (short)-1;
        }
    }

    /// <summary>Forgets producers that have written nothing after <paramref name="beforeMs"/> (Unix ms) and have no transaction open; returns how many.</summary>
    public int RemoveExpired(long beforeMs)
    {
        lock (_log.Sync)
        {
            List<long> expired = [.. _producers.Values.Where(entry => entry.TransactionFirstOffset < 0 && entry.LastTimestamp <= beforeMs).Select(static entry => entry.Id)];
            expired.ForEach(id => _producers.Remove(id));
            return expired.Count;
        }
    }

    /// <summary>Whether the batch, which has a producer id, may be appended. Under the log's lock.</summary>
    internal static ProducerCheck Check(ProducerStates? states, ReadOnlySpan<byte> batch, out long duplicateBaseOffset)
    {
        duplicateBaseOffset = -1;
        if (states is null || !states._producers.TryGetValue(RecordBatch.ProducerId(batch), out ProducerEntry? entry))
        {
            // A producer of which nothing is known (any more) goes on where it is.
            return ProducerCheck.Ok;
        }
        ProducerCheck check = Check(entry, batch, out duplicateBaseOffset);
        if (check == ProducerCheck.Duplicate && RecordBatch.IsTransactional(batch) && states.IsAborted(entry.Id, duplicateBaseOffset))
        {
            // What was rolled back is stored for nobody: a client that rolled back what it did not know to be stored, and gave its numbers to new records, would have them acknowledged and lost.
            duplicateBaseOffset = -1;
            return ProducerCheck.OutOfOrderSequence;
        }
        return check;
    }

    /// <inheritdoc cref="Check(ProducerStates?, ReadOnlySpan{byte}, out long)"/>
    internal static ProducerCheck Check(ProducerEntry entry, ReadOnlySpan<byte> batch, out long duplicateBaseOffset)
    {
        duplicateBaseOffset = -1;
        short epoch = RecordBatch.ProducerEpoch(batch);
        if (RecordBatch.IsControl(batch))
        {
            return epoch < entry.Epoch ? ProducerCheck.InvalidEpoch
                : EndTransactionMarker.TryRead(batch, out EndTransactionMarker marker) && marker.CoordinatorEpoch < entry.CoordinatorEpoch ? ProducerCheck.CoordinatorFenced
                : ProducerCheck.Ok;
        }
        int baseSequence = RecordBatch.BaseSequence(batch);
        if (baseSequence >= 0)
        {
            duplicateBaseOffset = entry.FindDuplicate(batch);
        }
        return duplicateBaseOffset >= 0 ? ProducerCheck.Duplicate
            : epoch < entry.Epoch ? ProducerCheck.InvalidEpoch
            : baseSequence >= 0 && !entry.IsInSequence(epoch, baseSequence) ? ProducerCheck.OutOfOrderSequence
            : entry.TransactionFirstOffset >= 0 && !RecordBatch.IsTransactional(batch) ? ProducerCheck.InvalidTransactionState
            : ProducerCheck.Ok;
    }

    /// <summary>Notes a batch that has a producer id and its base offset set. Under the log's lock.</summary>
    internal void Add(ReadOnlySpan<byte> batch)
    {
        long id = RecordBatch.ProducerId(batch);
        if (RecordBatch.IsControl(batch))
        {
            if (EndTransactionMarker.TryRead(batch, out EndTransactionMarker marker))
            {
                EndTransaction(EntryOf(id), RecordBatch.ProducerEpoch(batch), marker, RecordBatch.BaseOffset(batch));
            }
            return;
        }
        ProducerEntry entry = EntryOf(id);
        entry.SetEpoch(RecordBatch.ProducerEpoch(batch));
        entry.Add(new ProducerBatch(RecordBatch.BaseSequence(batch), RecordBatch.LastOffsetDelta(batch), RecordBatch.BaseOffset(batch), RecordBatch.MaxTimestamp(batch)));
        entry.LastTimestamp = RecordBatch.MaxTimestamp(batch);
        if (RecordBatch.IsTransactional(batch) && entry.TransactionFirstOffset < 0)
        {
            entry.TransactionFirstOffset = RecordBatch.BaseOffset(batch);
            _open.Add(entry.TransactionFirstOffset, id);
        }
    }

    /// <summary>Whether the batch of a transaction that begins at the offset was rolled back.</summary>
    internal bool IsAborted(long producerId, long offset)
    {
        lock (_log.Sync)
        {
            for (int i = FirstAbortedAt(offset); i < _aborted.Count; i++)
            {
                if (_aborted[i].ProducerId == producerId && _aborted[i].FirstOffset <= offset)
                {
                    return true;
                }
                if (_aborted[i].LastStableOffset > offset)
                {
                    // Whatever ended later began above it.
                    return false;
                }
            }
            return false;
        }
    }

    /// <summary>The log begins later now. Under the log's lock.</summary>
    internal void OnStartMoved(long start) => _aborted.RemoveRange(0, FirstAbortedAt(start));

    /// <summary>Forgets transactions rolled back of which compaction has left no record. Under the log's lock.</summary>
    internal void RemoveAborted(Predicate<AbortedTransaction> isGone) => _aborted.RemoveAll(isGone);

    /// <summary>Puts back what a checkpoint kept. Under the log's lock.</summary>
    internal void Restore(ProducerEntry entry)
    {
        _producers.Add(entry.Id, entry);
        if (entry.TransactionFirstOffset >= 0)
        {
            _open.Add(entry.TransactionFirstOffset, entry.Id);
        }
    }

    /// <inheritdoc cref="Restore(ProducerEntry)"/>
    internal void Restore(in AbortedTransaction aborted) => _aborted.Add(aborted);

    private void EndTransaction(ProducerEntry entry, short epoch, in EndTransactionMarker marker, long offset)
    {
        if (entry.TransactionFirstOffset >= 0)
        {
            _open.Remove(entry.TransactionFirstOffset);
            if (!marker.IsCommit)
            {
                long stable = FirstOpenOffset;
                _aborted.Add(new AbortedTransaction(entry.Id, entry.TransactionFirstOffset, offset, stable >= 0 ? stable : offset + 1));
            }
            entry.TransactionFirstOffset = -1;
        }
        entry.SetEpoch(epoch);
        entry.CoordinatorEpoch = marker.CoordinatorEpoch;
        entry.LastTimestamp = marker.Timestamp;
    }

    private ProducerEntry EntryOf(long id)
    {
        if (!_producers.TryGetValue(id, out ProducerEntry? entry))
        {
            entry = new ProducerEntry(id);
            _producers.Add(id, entry);
        }
        return entry;
    }

    /// <summary>Index of the first transaction that ended at or after the offset.</summary>
    private int FirstAbortedAt(long offset)
    {
        int low = 0;
        int high = _aborted.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_aborted[middle].LastOffset >= offset)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }
        return low;
    }
}
