namespace Sluice.Broker.Queues;

/// <summary>
/// A queue's consumers by priority, served round robin within a priority; with single active consumer only one at a time.
/// Guarded by the queue's lock.
/// </summary>
internal sealed class ConsumerList
{
    private Slot[] _slots = [];
    private int _count;
    private int _next;

    public int Count => _count;

    public bool SingleActive { get; init; }

    /// <summary>The one that gets messages when <see cref="SingleActive"/>; null if there is none.</summary>
    public Consumer? Active { get; private set; }

    public bool HasExclusive { get; private set; }

    public IReadOnlyList<Consumer> ToList() => _slots.Take(_count).Select(slot => slot.Consumer).ToArray();

    /// <summary>Adds behind the others of its priority.</summary>
    public void Add(Consumer consumer)
    {
        if (_count == _slots.Length)
        {
            Array.Resize(ref _slots, Math.Max(1, _count * 2));
        }

        int at = _count;
        while (at > 0 && _slots[at - 1].Consumer.Priority < consumer.Priority)
        {
            _slots[at] = _slots[at - 1];
            at--;
        }

        _slots[at] = new Slot { Consumer = consumer };
        _count++;
        HasExclusive |= consumer.Exclusive;
        ChooseActive();
    }

    public bool Remove(Consumer consumer)
    {
        int at = Array.FindIndex(_slots, 0, _count, slot => ReferenceEquals(slot.Consumer, consumer));
        if (at < 0)
        {
            return false;
        }

        Array.Copy(_slots, at + 1, _slots, at, _count - at - 1);
        _slots[--_count] = default;
        _next = 0;
        HasExclusive = false;
        for (int i = 0; i < _count; i++)
        {
            HasExclusive |= _slots[i].Consumer.Exclusive;
        }

        if (ReferenceEquals(Active, consumer))
        {
            Active = null;
        }

        ChooseActive();
        return true;
    }

    /// <summary>The consumer whose turn it is, among those that can take a message; null if none can.</summary>
    public Consumer? NextReady()
    {
        if (SingleActive)
        {
            if (Active is null || !Active.CanTake)
            {
                return null;
            }

            _slots[IndexOf(Active)].Touched = true;
            return Active;
        }

        int groupStart = 0;
        while (groupStart < _count)
        {
            int priority = _slots[groupStart].Consumer.Priority;
            int groupEnd = groupStart + 1;
            while (groupEnd < _count && _slots[groupEnd].Consumer.Priority == priority)
            {
                groupEnd++;
            }

            int size = groupEnd - groupStart;
            int first = _next >= groupStart && _next < groupEnd ? _next : groupStart;
            for (int i = 0; i < size; i++)
            {
                int at = first + i < groupEnd ? first + i : first + i - size;
                ref Slot slot = ref _slots[at];
                if (slot.Consumer.CanTake)
                {
                    _next = at + 1 < groupEnd ? at + 1 : groupStart;
                    slot.Touched = true;
                    return slot.Consumer;
                }
            }

            groupStart = groupEnd;
        }

        return null;
    }

    /// <summary>Whether any consumer can take a message now.</summary>
    public bool AnyReady()
    {
        if (SingleActive)
        {
            return Active is { CanTake: true };
        }

        for (int i = 0; i < _count; i++)
        {
            if (_slots[i].Consumer.CanTake)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Tells each consumer that got messages since the last call that the run is over.</summary>
    public void EndRun()
    {
        for (int i = 0; i < _count; i++)
        {
            if (_slots[i].Touched)
            {
                _slots[i].Touched = false;
                _slots[i].Consumer.EndRun();
            }
        }
    }

    private int IndexOf(Consumer consumer)
    {
        for (int i = 0; i < _count; i++)
        {
            if (ReferenceEquals(_slots[i].Consumer, consumer))
            {
                return i;
            }
        }

        return -1;
    }

    private void ChooseActive()
    {
        if (!SingleActive || Active is not null || _count == 0)
        {
            return;
        }

        Active = _slots[0].Consumer;
        Active.ActiveChanged(true);
    }

    private struct Slot
    {
        public Consumer Consumer;
        public bool Touched;
    }
}
