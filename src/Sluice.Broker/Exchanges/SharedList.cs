namespace Sluice.Broker.Exchanges;

/// <summary>
/// A small bag that many threads read without a lock while one writer at a time (under the router's lock) changes it.
/// Slots are filled and emptied in place; growing and compacting publish a new array. A reader skips null slots and sees
/// every item that was there before it began and is still there.
/// </summary>
internal sealed class SharedList<T>
    where T : class
{
    private T?[] _slots = new T?[1];
    private int _end;

    /// <summary>Items; changed by the writer only.</summary>
    public int Count { get; private set; }

    /// <summary>Slots as of now; null ones are empty.</summary>
    public ReadOnlySpan<T?> Slots => Volatile.Read(ref _slots);

    public void Add(T item)
    {
        if (_end == _slots.Length)
        {
            Rebuild(Math.Max(2, Count * 2));
        }

        Volatile.Write(ref _slots[_end++], item);
        Count++;
    }

    /// <summary>Removes one occurrence (by reference); false if there is none.</summary>
    public bool Remove(T item)
    {
        T?[] slots = _slots;
        for (int i = 0; i < _end; i++)
        {
            if (ReferenceEquals(slots[i], item))
            {
                Volatile.Write(ref slots[i], null);
                Count--;
                if (slots.Length > 4 && Count < slots.Length / 4)
                {
                    Rebuild(Math.Max(1, Count * 2));
                }

                return true;
            }
        }

        return false;
    }

    private void Rebuild(int capacity)
    {
        var slots = new T?[capacity];
        int end = 0;
        foreach (T? item in _slots)
        {
            if (item is not null)
            {
                slots[end++] = item;
            }
        }

        _end = end;
        Volatile.Write(ref _slots, slots);
    }
}
