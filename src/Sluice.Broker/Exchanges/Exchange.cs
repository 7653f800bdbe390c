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

/// <summary>An exchange: its definition and the router that holds its bindings. Made by <see cref="ExchangeTypes.Create"/>. Thread-safe.</summary>
public sealed class Exchange : IDestination
{
    private volatile string? _alternateExchange;

    internal Exchange(ExchangeDefinition definition, ExchangeRouter router)
    {
        Definition = definition;
        Router = router;
        _alternateExchange = definition.Arguments["alternate-exchange"] as string;
    }

    public string Name => Definition.Name;

    public ExchangeDefinition Definition { get; }

    /// <summary>The bindings. Of a delayed exchange: those of the type it delays for (x-delayed-type). The default exchange's stays empty.</summary>
    public ExchangeRouter Router { get; }

    /// <summary>The nameless exchange, which routes to the queue that the routing key names.</summary>
    public bool IsDefault => Definition.Name.Length == 0;

    /// <summary>Keeps messages that ask for a delay until it has passed (x-delayed-message).</summary>
    public bool IsDelayed => Definition.Type == ExchangeTypes.Delayed;

    /// <summary>Exchange that takes what this one has no destination for, by argument or else by policy; null: none. May name one that does not exist (yet).</summary>
    public string? AlternateExchange => _alternateExchange;

    /// <summary>Puts the policies that match into force; null for none.</summary>
    public void ApplyPolicy(PolicyDefinition? policy) =>
        _alternateExchange = (Definition.Arguments["alternate-exchange"] ?? policy?.Settings["alternate-exchange"]) as string;
}
