using System.Runtime.CompilerServices;

namespace Sluice.Broker.Exchanges;

/// <summary>
/// The distinct destinations of one message, in the order they were found. Reusable and, once grown, free of allocation:
/// compared one by one while few, through a hash table that empties in one step after that. One per publisher; not thread-safe.
/// </summary>
public sealed class DestinationSet
{
    private const int LinearMax = 16;
    private const int KeptMax = 1024;
    private const int SmallUsesBeforeShrink = 256;

    private IDestination[] _items = new IDestination[LinearMax];
    private Slot[]? _slots;
    private int _generation;
    private int _count;
    private int _smallUses;
    private TopicScratch? _topicScratch;

    public int Count => _count;

    public IDestination this[int index] => _items.AsSpan(0, _count)[index];

    /// <summary>Borrowed until the set is next changed.</summary>
    public ReadOnlySpan<IDestination> Items => _items.AsSpan(0, _count);

    /// <summary>How many times <see cref="Add"/> was called since <see cref="Clear"/>, repeats included: tells whether an exchange matched anything.</summary>
    internal int AddCount { get; private set; }

    /// <summary>How many of the items are exchanges.</summary>
    internal int ExchangeCount { get; private set; }

    internal TopicScratch TopicScratch => _topicScratch ??= new TopicScratch();

    /// <summary>Adds a destination; false if it was there.</summary>
    public bool Add(IDestination destination)
    {
        AddCount++;
        if (_count < LinearMax)
        {
            for (int i = 0; i < _count; i++)
            {
                if (ReferenceEquals(_items[i], destination))
                {
                    return false;
                }
            }
        }
        else if (!AddToTable(destination))
        {
            return false;
        }

        if (_count == _items.Length)
        {
            Array.Resize(ref _items, _count * 2);
        }

        _items[_count++] = destination;
        if (destination is Exchange)
        {
            ExchangeCount++;
        }

        return true;
    }

    public bool Contains(IDestination destination) => Items.Contains(destination);

    /// <summary>Empties the set and lets go of what it held.</summary>
    public void Clear()
    {
        if (_items.Length > KeptMax)
        {
            // One huge fan-out must not hold its memory for ever, but a steady stream of them must not allocate either.
            _smallUses = _count * 8 > _items.Length ? 0 : _smallUses + 1;
            if (_smallUses > SmallUsesBeforeShrink)
            {
                _items = new IDestination[LinearMax];
                _slots = null;
                _smallUses = 0;
            }
        }

        _items.AsSpan(0, Math.Min(_count, _items.Length)).Clear();
        _count = 0;
        _generation++;
        AddCount = 0;
        ExchangeCount = 0;
    }

    /// <summary>Drops exchanges that only led on to other destinations. Nothing may be added after this until <see cref="Clear"/>.</summary>
    internal void RemoveExchanges(bool keepDelayed)
    {
        int kept = 0;
        for (int i = 0; i < _count; i++)
        {
            IDestination item = _items[i];
            if (item is not Exchange exchange || (keepDelayed && exchange.IsDelayed))
            {
                _items[kept++] = item;
            }
        }

        _items.AsSpan(kept, _count - kept).Clear();
        _count = kept;
    }

    private bool AddToTable(IDestination destination)
    {
        if (_slots is null || (_count + 1) * 2 > _slots.Length)
        {
            _slots = new Slot[Math.Max(LinearMax * 4, (_slots?.Length ?? 0) * 2)];
            _generation = 1;
            FillTable();
        }
        else if (_count == LinearMax)
        {
            FillTable();
        }

        return Insert(destination, _count);
    }

    private void FillTable()
    {
        for (int i = 0; i < _count; i++)
        {
            Insert(_items[i], i);
        }
    }

    private bool Insert(IDestination destination, int index)
    {
        Slot[] slots = _slots!;
        int mask = slots.Length - 1;
        for (int at = RuntimeHelpers.GetHashCode(destination) & mask; ; at = (at + 1) & mask)
        {
            ref Slot slot = ref slots[at];
            if (slot.Generation != _generation)
            {
                slot = new Slot(_generation, index);
                return true;
            }

            if (slot.Index == index || ReferenceEquals(_items[slot.Index], destination))
            {
                return false;
            }
        }
    }

    private readonly record struct Slot(int Generation, int Index);
}
