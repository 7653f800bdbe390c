namespace Sluice.Broker.Exchanges;

/// <summary>
/// The bindings of one exchange and the rule that picks among them. Changes take the router's lock, one at a time;
/// <see cref="Route"/> takes none and is called by many threads at once: it reads structures that writers only ever change
/// by single reference writes (<see cref="SharedList{T}"/>, concurrent dictionaries, whole snapshots). A message routed while a
/// binding is added or removed may see it or not; one routed afterwards always does right.
/// </summary>
public abstract class ExchangeRouter
{
    private readonly Lock _gate = new();
    private readonly BindingTable _bindings = new();

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _bindings.Count;
            }
        }
    }

    /// <summary>A copy, in no particular order.</summary>
    public IReadOnlyList<Binding> Bindings
    {
        get
        {
            lock (_gate)
            {
                return _bindings.ToList();
            }
        }
    }

    /// <summary>False for exchanges that look at something else, which therefore route once however many keys a message has.</summary>
    public abstract bool RoutesByKey { get; }

    /// <summary>Adds a binding, checked before by <see cref="ExchangeTypes.CheckBinding"/>; false if an equal one is there.</summary>
    public bool Add(Binding binding)
    {
        lock (_gate)
        {
            if (!_bindings.Add(binding))
            {
                return false;
            }

            Attach(binding);
            return true;
        }
    }

    /// <summary>Removes a binding; false if there is no equal one.</summary>
    public bool Remove(Binding binding)
    {
        lock (_gate)
        {
            Binding? kept = _bindings.Remove(binding);
            if (kept is null)
            {
                return false;
            }

            Detach(kept);
            return true;
        }
    }

    /// <summary>Removes all bindings that lead to a destination and returns them.</summary>
    public IReadOnlyList<Binding> RemoveDestination(IDestination destination)
    {
        lock (_gate)
        {
            IReadOnlyList<Binding> removed = _bindings.RemoveDestination(destination);
            foreach (Binding binding in removed)
            {
                Detach(binding);
            }

            return removed;
        }
    }

    /// <summary>Adds the destinations that match. Looks at the main routing key only. No lock, no allocation in the steady state.</summary>
    public abstract void Route(in RoutingInput input, DestinationSet result);

    /// <summary>Makes a new binding take effect. Under the lock.</summary>
    protected abstract void Attach(Binding binding);

    /// <summary>Ends the effect of a binding: the instance once attached. Under the lock.</summary>
    protected abstract void Detach(Binding binding);

    private protected static void AddAll(SharedList<IDestination> destinations, DestinationSet result)
    {
        foreach (IDestination? destination in destinations.Slots)
        {
            if (destination is not null)
            {
                result.Add(destination);
            }
        }
    }
}
