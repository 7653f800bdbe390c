namespace Sluice.Broker.Exchanges;

/// <summary>Fanout: every binding matches.</summary>
public sealed class FanoutRouter : ExchangeRouter
{
    private readonly SharedList<IDestination> _destinations = new();

    public override bool RoutesByKey => false;

    public override void Route(in RoutingInput input, DestinationSet result) => AddAll(_destinations, result);

    protected override void Attach(Binding binding) => _destinations.Add(binding.Destination);

    protected override void Detach(Binding binding) => _destinations.Remove(binding.Destination);
}
