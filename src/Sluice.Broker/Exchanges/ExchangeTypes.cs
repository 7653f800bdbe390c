using Sluice.Broker.Definitions;

namespace Sluice.Broker.Exchanges;

/// <summary>The exchange types, the exchanges every virtual host has, and the rules for declaring and binding.</summary>
public static class ExchangeTypes
{
    public const string Direct = "direct";
    public const string Fanout = "fanout";
    public const string Topic = "topic";
    public const string Headers = "headers";
    public const string ConsistentHash = "x-consistent-hash";
    public const string Delayed = "x-delayed-message";

    private static readonly string[] RoutingTypes = [Direct, Fanout, Topic, Headers, ConsistentHash];

    /// <summary>Exchanges that are there in every virtual host and cannot be deleted.</summary>
    public static IReadOnlyList<ExchangeDefinition> Predeclared { get; } =
    [
        Predeclare("", Direct),
        Predeclare("amq.direct", Direct),
        Predeclare("amq.fanout", Fanout),
        Predeclare("amq.topic", Topic),
        Predeclare("amq.headers", Headers),
        Predeclare("amq.match", Headers),
        Predeclare("amq.rabbitmq.trace", Topic, isInternal: true),
    ];

    public static bool IsKnown(string type) => type == Delayed || RoutingTypes.Contains(type);

    /// <summary>The default exchange and amq.*: refused to be declared anew or deleted (AMQP 0-9-1 reference, exchange.declare).</summary>
    public static bool IsReserved(string name) => name.Length == 0 || name.StartsWith("amq.", StringComparison.Ordinal);

    /// <summary>Checks type and arguments. A type that does not exist is Unsupported (AMQP 503 in RabbitMQ); any argument that would not be honoured is InvalidArgument.</summary>
    public static BrokerResult Check(ExchangeDefinition definition, string virtualHost)
    {
        if (!IsKnown(definition.Type))
        {
            return new(BrokerStatus.Unsupported, $"unknown exchange type '{definition.Type}'");
        }

        string where = $"for exchange '{definition.Name}' in vhost '{virtualHost}'";
        foreach ((string name, object? value) in definition.Arguments.Items)
        {
            string? problem = name switch
            {
                "alternate-exchange" => value is string ? null : "it must be the name of an exchange",
                "x-delayed-type" when definition.Type == Delayed => value is string type && RoutingTypes.Contains(type) ? null : $"it must be one of {string.Join(", ", RoutingTypes)}",
                "hash-header" when InnerType(definition) == ConsistentHash => value is string { Length: > 0 } ? null : "it must be the name of a header",
                "hash-property" when InnerType(definition) == ConsistentHash => ConsistentHashRouter.ParseProperty(value as string) is not null ? null : "it must be message_id, correlation_id, timestamp or app_id",
                "hash-header" or "hash-property" => $"only {ConsistentHash} exchanges have it",
                "x-delayed-type" => $"only {Delayed} exchanges have it",
                _ => "it is not known",
            };
            if (problem is not null)
            {
                return new(BrokerStatus.InvalidArgument, $"invalid arg '{name}' {where}: {problem}");
            }
        }

        if (definition.Type == Delayed && !definition.Arguments.Has("x-delayed-type"))
        {
            return new(BrokerStatus.InvalidArgument, $"missing arg 'x-delayed-type' {where}: it must be one of {string.Join(", ", RoutingTypes)}");
        }

        return definition.Arguments.Has("hash-header") && definition.Arguments.Has("hash-property")
            ? new(BrokerStatus.InvalidArgument, $"invalid arg 'hash-property' {where}: give hash-header or hash-property, not both")
            : BrokerResult.Ok;
    }

    /// <summary>Makes the exchange of a checked definition.</summary>
    public static Exchange Create(ExchangeDefinition definition) => new(definition, InnerType(definition) switch
    {
        Direct => new DirectRouter(),
        Fanout => new FanoutRouter(),
        Topic => new TopicRouter(),
        Headers => new HeadersRouter(),
        ConsistentHash => new ConsistentHashRouter(definition.Arguments),
        _ => throw new ArgumentException($"Exchange '{definition.Name}' has the unknown type '{definition.Type}'; it must be checked before.", nameof(definition)),
    });

    /// <summary>Checks key and arguments of a binding to an exchange.</summary>
    public static BrokerResult CheckBinding(ExchangeDefinition source, string routingKey, Arguments arguments) => InnerType(source) switch
    {
        Headers => CheckHeadersBinding(source, arguments),
        ConsistentHash when !ConsistentHashRouter.TryParseWeight(routingKey, out _) => new(
            BrokerStatus.InvalidArgument,
            $"invalid binding key '{routingKey}' for exchange '{source.Name}' of type {ConsistentHash}: it is the weight, a whole number from 1 to {ConsistentHashRouter.WeightMax}"),
        _ => BrokerResult.Ok,
    };

    private static BrokerResult CheckHeadersBinding(ExchangeDefinition source, Arguments arguments)
    {
        if (arguments.Has("x-match") && arguments["x-match"] is not ("all" or "any" or "all-with-x" or "any-with-x"))
        {
            return new(BrokerStatus.InvalidArgument, $"invalid arg 'x-match' for a binding to exchange '{source.Name}': it is {arguments["x-match"] ?? "void"}; expected all, any, all-with-x or any-with-x");
        }

        foreach ((string name, object? value) in arguments.Items)
        {
            if (value is not null && HeaderMatchValue.From(value) is null)
            {
                return new(
                    BrokerStatus.InvalidArgument,
                    $"invalid arg '{name}' for a binding to exchange '{source.Name}': a headers exchange compares strings, bytes, integers, doubles and booleans, or presence if the value is void");
            }
        }

        return BrokerResult.Ok;
    }

    private static string InnerType(ExchangeDefinition definition) =>
        definition.Type == Delayed ? definition.Arguments["x-delayed-type"] as string ?? "" : definition.Type;

    private static ExchangeDefinition Predeclare(string name, string type, bool isInternal = false) =>
        new(name, type, Durable: true, AutoDelete: false, isInternal, Arguments.Empty);
}
