namespace Sluice.Broker.Queues;

/// <summary>Offsets that were delivered and came back, lowest first. Bounded by what had been delivered.</summary>
internal sealed class ReturnedMessages
{
    private readonly PriorityQueue<bool, long> _heap = new();

    public int Count => _heap.Count;

    public IEnumerable<long> Offsets => _heap.UnorderedItems.Select(item => item.Priority);

    public void Add(long offset, bool redelivered) => _heap.Enqueue(redelivered, offset);

    public long PeekOffset(out bool redelivered)
    {
        _heap.TryPeek(out redelivered, out long offset);
        return offset;
    }

    public void RemoveFirst() => _heap.Dequeue();

    public void Clear() => _heap.Clear();
}
