using Sluice.Storage.Producers;
using Sluice.Storage.Records;

namespace Sluice.Storage.Compaction;

/// <summary>The last batch of each producer that a log knows: what tells its last sequence number, or else (only a marker is known) its epoch.</summary>
internal sealed class LastBatches
{
    private readonly Dictionary<long, (long LastOffset, short Epoch)> _byProducer = [];

    public LastBatches()
    {
    }

    /// <summary>Under the log's lock.</summary>
    public LastBatches(ProducerStates? producers)
    {
        foreach (ProducerEntry entry in producers?.Entries ?? [])
        {
            _byProducer.Add(entry.Id, (entry.LastOffset, entry.Epoch));
        }
    }

    public bool IsLast(ReadOnlySpan<byte> batch) =>
        RecordBatch.ProducerId(batch) >= 0 && _byProducer.TryGetValue(RecordBatch.ProducerId(batch), out (long LastOffset, short Epoch) last)
        && (last.LastOffset >= 0 ? RecordBatch.EndOffset(batch) - 1 == last.LastOffset : RecordBatch.IsControl(batch) && RecordBatch.ProducerEpoch(batch) == last.Epoch);
}
