using Sluice.Storage.Producers;
using Sluice.Storage.Records;

namespace Sluice.Storage.Compaction;

/// <summary>
/// Follows transactions through a log's batches, in order, and says which batches nobody needs: those of transactions rolled back, and markers of
/// transactions of which no batch was met.
/// </summary>
internal sealed class TransactionFilter
{
    private readonly AbortedTransaction[] _aborted;
    private readonly Dictionary<long, Rollback> _rollbacks = [];
    private readonly HashSet<long> _committing = [];
    private int _next;

    /// <param name="aborted">All that have a batch in what will be read.</param>
    public TransactionFilter(IEnumerable<AbortedTransaction> aborted) => _aborted = [.. aborted.OrderBy(static a => a.FirstOffset)];

    /// <summary>Rolled back transactions whose markers were met without any of their batches: there are no records left to be passed.</summary>
    public HashSet<AbortedTransaction> Gone { get; } = [];

    /// <summary>Whether the batch can go; call for every batch.</summary>
    public bool CanDiscard(ReadOnlySpan<byte> batch)
    {
        long end = RecordBatch.EndOffset(batch);
        for (; _next < _aborted.Length && _aborted[_next].FirstOffset < end; _next++)
        {
            // A producer has one transaction at a time: an earlier one is over, even if its marker is gone.
            AbortedTransaction aborted = _aborted[_next];
            if (_rollbacks.TryGetValue(aborted.ProducerId, out Rollback? earlier) && !earlier.HasBatches)
            {
                Gone.Add(earlier.Transaction);
            }
            _rollbacks[aborted.ProducerId] = new Rollback(aborted);
        }
        long producer = RecordBatch.ProducerId(batch);
        if (RecordBatch.IsControl(batch))
        {
            return CanDiscardControl(batch, producer);
        }
        if (!RecordBatch.IsTransactional(batch))
        {
            return false;
        }
        if (_rollbacks.TryGetValue(producer, out Rollback? rollback))
        {
            rollback.HasBatches = true;
            return true;
        }
        _committing.Add(producer);
        return false;
    }

    private bool CanDiscardControl(ReadOnlySpan<byte> batch, long producer)
    {
        if (RecordBatch.RecordCount(batch) == 0)
        {
            return true;
        }
        if (!EndTransactionMarker.TryRead(batch, out EndTransactionMarker marker))
        {
            return false;
        }
        if (marker.IsCommit)
        {
            return !_committing.Remove(producer);
        }
        if (!_rollbacks.Remove(producer, out Rollback? rollback))
        {
            return true;
        }
        if (!rollback.HasBatches)
        {
            Gone.Add(rollback.Transaction);
        }
        return !rollback.HasBatches;
    }

    private sealed class Rollback(AbortedTransaction transaction)
    {
        public AbortedTransaction Transaction => transaction;

        public bool HasBatches { get; set; }
    }
}
