using System.Runtime.CompilerServices;
using Sluice.Storage.Records;

namespace Sluice.Storage.Producers;

/// <summary>One batch of a producer.</summary>
internal readonly record struct ProducerBatch(int BaseSequence, int LastOffsetDelta, long BaseOffset, long Timestamp)
{
    /// <summary>After the largest number comes 0; -1 for a batch without sequence numbers.</summary>
    public int LastSequence => BaseSequence < 0 ? -1 : (int)(((long)BaseSequence + LastOffsetDelta) & int.MaxValue);
}

/// <summary>What a log knows of one producer. Guarded by the log's lock.</summary>
internal sealed class ProducerEntry(long id)
{
    /// <summary>As many as a producer may have under way at once.</summary>
    public const int BatchesMax = 5;

    private LastBatches _batches;

    public long Id => id;

    /// <summary>-1 before the first batch.</summary>
    public short Epoch { get; private set; } = -1;

    public int CoordinatorEpoch { get; set; } = -1;

    public long LastTimestamp { get; set; } = -1;

    /// <summary>First offset of the open transaction; -1 for none.</summary>
    public long TransactionFirstOffset { get; set; } = -1;

    /// <summary>Batches of the current epoch that are remembered, oldest first.</summary>
    public int BatchCount { get; private set; }

    /// <summary>-1 when no batch of the epoch is remembered.</summary>
    public int LastSequence => BatchCount == 0 ? -1 : _batches[BatchCount - 1].LastSequence;

    /// <summary>Offset of its last record; -1 when no batch of the epoch is remembered.</summary>
    public long LastOffset => BatchCount == 0 ? -1 : _batches[BatchCount - 1].BaseOffset + _batches[BatchCount - 1].LastOffsetDelta;

    public ProducerBatch this[int index] => _batches[index];

    /// <summary>Takes another epoch; batches are remembered of one only.</summary>
    public void SetEpoch(short epoch)
    {
        if (epoch != Epoch)
        {
            Epoch = epoch;
            BatchCount = 0;
        }
    }

    public void Add(in ProducerBatch batch)
    {
        if (BatchCount == BatchesMax)
        {
            Span<ProducerBatch> all = _batches;
            all[1..].CopyTo(all);
            BatchCount--;
        }
        _batches[BatchCount++] = batch;
    }

    /// <summary>Base offset of the remembered batch with the same sequence numbers; -1 if there is none.</summary>
    public long FindDuplicate(ReadOnlySpan<byte> batch)
    {
        int first = RecordBatch.BaseSequence(batch);
        int last = RecordBatch.LastSequence(batch);
        for (int i = 0; i < BatchCount && RecordBatch.ProducerEpoch(batch) == Epoch; i++)
        {
            if (_batches[i].BaseSequence == first && _batches[i].LastSequence == last)
            {
                return _batches[i].BaseOffset;
            }
        }
        return -1;
    }

    /// <summary>Whether a batch of this epoch may come next.</summary>
    public bool IsInSequence(short epoch, int baseSequence)
    {
        if (epoch != Epoch)
        {
            return baseSequence == 0;
        }
        int last = LastSequence;
        return baseSequence == last + 1L || (baseSequence == 0 && last == int.MaxValue);
    }

    public ProducerInfo Describe() => new(id, Epoch, CoordinatorEpoch, LastSequence, LastTimestamp, TransactionFirstOffset);

    [InlineArray(BatchesMax)]
    private struct LastBatches
    {
        private ProducerBatch _first;
    }
}
