using System.Collections.Concurrent;
using System.Text;

namespace Sluice.Broker.Exchanges;

/// <summary>Direct: the binding key equals the routing key.</summary>
public sealed class DirectRouter : ExchangeRouter
{
    private readonly ConcurrentDictionary<byte[], SharedList<IDestination>> _byKey;
    private readonly ConcurrentDictionary<byte[], SharedList<IDestination>>.AlternateLookup<ReadOnlySpan<byte>> _lookup;

    public DirectRouter()
    {
        _byKey = new(concurrencyLevel: 1, capacity: 7, ByteKeyComparer.Instance);
        _lookup = _byKey.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    public override bool RoutesByKey => true;

    public override void Route(in RoutingInput input, DestinationSet result)
    {
        if (_lookup.TryGetValue(input.RoutingKey, out SharedList<IDestination>? destinations))
        {
            AddAll(destinations, result);
        }
    }

    protected override void Attach(Binding binding) =>
        _byKey.GetOrAdd(Encoding.UTF8.GetBytes(binding.RoutingKey), static _ => new SharedList<IDestination>()).Add(binding.Destination);

    protected override void Detach(Binding binding)
    {
        byte[] key = Encoding.UTF8.GetBytes(binding.RoutingKey);
        SharedList<IDestination> destinations = _byKey[key];
        destinations.Remove(binding.Destination);
        if (destinations.Count == 0)
        {
            _byKey.TryRemove(key, out _);
        }
    }
}
