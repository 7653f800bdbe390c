namespace Sluice.Broker.Exchanges;

/// <summary>The bindings of one exchange by destination, so that deleting a queue costs its own bindings only. Not thread-safe.</summary>
internal sealed class BindingTable
{
    // The value is a Binding, or a HashSet<Binding> for a destination bound more than once: most have one.
    private readonly Dictionary<IDestination, object> _byDestination = new(ReferenceEqualityComparer.Instance);

    public int Count { get; private set; }

    public bool Add(Binding binding)
    {
        if (!_byDestination.TryGetValue(binding.Destination, out object? found))
        {
            _byDestination.Add(binding.Destination, binding);
        }
        else if (found is HashSet<Binding> set)
        {
            if (!set.Add(binding))
            {
                return false;
            }
        }
        else if (binding.Equals(found))
        {
            return false;
        }
        else
        {
            _byDestination[binding.Destination] = new HashSet<Binding> { (Binding)found, binding };
        }

        Count++;
        return true;
    }

    /// <summary>Takes out the binding that equals the given one and returns the kept instance; null if there is none.</summary>
    public Binding? Remove(Binding binding)
    {
        if (!_byDestination.TryGetValue(binding.Destination, out object? found))
        {
            return null;
        }

        Binding? removed = null;
        if (found is HashSet<Binding> set)
        {
            if (set.TryGetValue(binding, out removed))
            {
                set.Remove(removed);
                if (set.Count == 1)
                {
                    _byDestination[binding.Destination] = set.First();
                }
            }
        }
        else if (binding.Equals(found))
        {
            removed = (Binding)found;
            _byDestination.Remove(binding.Destination);
        }

        if (removed is not null)
        {
            Count--;
        }

        return removed;
    }

    public IReadOnlyList<Binding> RemoveDestination(IDestination destination)
    {
        if (!_byDestination.Remove(destination, out object? found))
        {
            return [];
        }

        IReadOnlyList<Binding> removed = found is HashSet<Binding> set ? [.. set] : [(Binding)found];
        Count -= removed.Count;
        return removed;
    }

    public IReadOnlyList<Binding> ToList()
    {
        var all = new List<Binding>(Count);
        foreach (object found in _byDestination.Values)
        {
            if (found is HashSet<Binding> set)
            {
                all.AddRange(set);
            }
            else
            {
                all.Add((Binding)found);
            }
        }

        return all;
    }
}
