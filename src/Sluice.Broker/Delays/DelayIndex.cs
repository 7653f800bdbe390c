namespace Sluice.Broker.Delays;

/// <summary>A message in a level-0 bucket: when it is due and where it lies. 16 bytes.</summary>
internal readonly record struct DelayEntry(long DueMs, long Place) : IComparable<DelayEntry>
{
    private const int SlotBits = 7;

    public DelayEntry(long dueMs, int slot, long offset)
        : this(dueMs, (offset << SlotBits) | (uint)slot)
    {
    }

    public int Slot => (int)(Place & ((1 << SlotBits) - 1));

    public long Offset => Place >> SlotBits;

    public int CompareTo(DelayEntry other)
    {
        int order = DueMs.CompareTo(other.DueMs);
        return order != 0 ? order : Place.CompareTo(other.Place);
    }
}

/// <summary>The messages about to fall due, earliest first: a binary heap of bounded size. Gives its memory back when it is empty.</summary>
internal sealed class DelayIndex(int countMax)
{
    private const int KeptLength = 1024;

    private DelayEntry[] _heap = [];

    public int Count { get; private set; }

    public bool IsFull => Count >= countMax;

    /// <summary>Due time of the earliest; <see cref="long.MaxValue"/> if empty.</summary>
    public long FirstDueMs => Count == 0 ? long.MaxValue : _heap[0].DueMs;

    /// <summary>False if the index is full.</summary>
    public bool TryAdd(DelayEntry entry)
    {
        if (IsFull)
        {
            return false;
        }

        Put(entry);
        return true;
    }

    /// <summary>Puts back what was taken, also over the limit.</summary>
    public void Put(DelayEntry entry)
    {
        if (Count == _heap.Length)
        {
            Array.Resize(ref _heap, Math.Max(64, Count * 2));
        }

        int at = Count++;
        while (at > 0)
        {
            int parent = (at - 1) / 2;
            if (_heap[parent].CompareTo(entry) <= 0)
            {
                break;
            }

            _heap[at] = _heap[parent];
            at = parent;
        }

        _heap[at] = entry;
    }

    public DelayEntry Take()
    {
        DelayEntry first = _heap[0];
        DelayEntry last = _heap[--Count];
        int at = 0;
        while (true)
        {
            int child = (at * 2) + 1;
            if (child >= Count)
            {
                break;
            }

            if (child + 1 < Count && _heap[child + 1].CompareTo(_heap[child]) < 0)
            {
                child++;
            }

            if (last.CompareTo(_heap[child]) <= 0)
            {
                break;
            }

            _heap[at] = _heap[child];
            at = child;
        }

        if (Count > 0)
        {
            _heap[at] = last;
        }
        else if (_heap.Length > KeptLength)
        {
            _heap = [];
        }

        return first;
    }
}
