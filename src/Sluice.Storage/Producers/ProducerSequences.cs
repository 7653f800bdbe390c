using Sluice.Storage.Records;

namespace Sluice.Storage.Producers;

/// <summary>
/// The sequence numbers of producers whose batches are taken apart, so that no log can tell them again: in memory alone, for the producers that wrote last.
/// A producer that is not (or no longer) known goes on where it is. Not thread-safe.
/// </summary>
/// <param name="producersMax">How many are remembered.</param>
public sealed class ProducerSequences(int producersMax)
{
    private readonly Dictionary<long, LinkedListNode<ProducerEntry>> _byId = [];
    private readonly LinkedList<ProducerEntry> _byUse = [];

    /// <summary>Whether the batch, which has a producer id and belongs to no transaction, may be taken.</summary>
    public ProducerCheck Check(ReadOnlySpan<byte> batch) =>
        _byId.TryGetValue(RecordBatch.ProducerId(batch), out LinkedListNode<ProducerEntry>? node) ? ProducerStates.Check(node.Value, batch, out _) : ProducerCheck.Ok;

    /// <summary>Notes that the batch was taken.</summary>
    public void Add(ReadOnlySpan<byte> batch)
    {
        long id = RecordBatch.ProducerId(batch);
        if (_byId.TryGetValue(id, out LinkedListNode<ProducerEntry>? node))
        {
            _byUse.Remove(node);
        }
        else
        {
            if (_byId.Count == producersMax)
            {
                _byId.Remove(_byUse.First!.Value.Id);
                _byUse.RemoveFirst();
            }
            node = new LinkedListNode<ProducerEntry>(new ProducerEntry(id));
            _byId.Add(id, node);
        }
        _byUse.AddLast(node);
        node.Value.SetEpoch(RecordBatch.ProducerEpoch(batch));
        node.Value.Add(new ProducerBatch(RecordBatch.BaseSequence(batch), RecordBatch.LastOffsetDelta(batch), 0, 0));
    }
}
