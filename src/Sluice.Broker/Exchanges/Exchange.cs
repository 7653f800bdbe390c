using Sluice.Broker.Definitions;

namespace Sluice.Broker.Exchanges;

/// <summary>Something a binding can lead to: a queue or an exchange.</summary>
public interface IDestination
{
    string Name { get; }
}

/// <summary>One binding. Equal when source, destination, key and arguments are.</summary>
/// <param name="Destination">Queue or exchange.</param>
/// <param name="RoutingKey">Binding key.</param>
/// <param name="Arguments">Binding arguments; empty for none.</param>
public sealed record Binding(IDestination Destination, string RoutingKey, Arguments Arguments);
