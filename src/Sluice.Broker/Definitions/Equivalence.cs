namespace Sluice.Broker.Definitions;

/// <summary>Whether a declaration repeats what exists. Differs, in RabbitMQ's words, if not.</summary>
public static class Equivalence
{
    /// <summary>Compares a checked declaration with the queue that exists. Locked if it is exclusive and the declaration is not, or the other way round.</summary>
    public static BrokerResult Check(QueueDefinition current, QueueDefinition received, string virtualHost)
    {
        string what = $"queue '{current.Name}' in vhost '{virtualHost}'";
        if (current.Exclusive != received.Exclusive)
        {
            return new(BrokerStatus.Locked, LockedText(current.Name, virtualHost));
        }

        return Property("durable", what, current.Durable, received.Durable)
            ?? Property("auto_delete", what, current.AutoDelete, received.AutoDelete)
            ?? CheckArguments(WithoutDefaultType(current.Arguments), WithoutDefaultType(received.Arguments), what)
            ?? BrokerResult.Ok;
    }

    /// <summary>Compares a checked declaration with the exchange that exists.</summary>
    public static BrokerResult Check(ExchangeDefinition current, ExchangeDefinition received, string virtualHost)
    {
        string what = $"exchange '{current.Name}' in vhost '{virtualHost}'";
        if (current.Type != received.Type)
        {
            return Differs("type", what, $"received '{received.Type}' but current is '{current.Type}'");
        }

        return Property("durable", what, current.Durable, received.Durable)
            ?? Property("auto_delete", what, current.AutoDelete, received.AutoDelete)
            ?? Property("internal", what, current.Internal, received.Internal)
            ?? CheckArguments(current.Arguments, received.Arguments, what)
            ?? BrokerResult.Ok;
    }

    /// <summary>What is said to a connection that uses another's exclusive queue.</summary>
    public static string LockedText(string queue, string virtualHost) =>
        $"cannot obtain exclusive access to locked queue '{queue}' in vhost '{virtualHost}'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.";

    private static BrokerResult? CheckArguments(Arguments current, Arguments received, string what)
    {
        foreach (string name in current.Items.Concat(received.Items).Select(item => item.Key).Distinct().Order(StringComparer.Ordinal))
        {
            object? old = current[name];
            object? value = received[name];
            if (!current.Has(name))
            {
                return Differs(name, what, $"received the value '{ArgumentNames.Show(value)}' of type '{ArgumentNames.TypeOf(value)}' but current is none");
            }

            if (!received.Has(name))
            {
                return Differs(name, what, $"received none but current is the value '{ArgumentNames.Show(old)}' of type '{ArgumentNames.TypeOf(old)}'");
            }

            if (!Arguments.ValueEquals(old, value))
            {
                return Differs(name, what, $"received '{ArgumentNames.Show(value)}' but current is '{ArgumentNames.Show(old)}'");
            }
        }

        return null;
    }

    private static BrokerResult? Property(string name, string what, bool current, bool received) =>
        current == received ? null : Differs(name, what, $"received '{ArgumentNames.Show(received)}' but current is '{ArgumentNames.Show(current)}'");

    private static BrokerResult Differs(string name, string what, string difference) => new(BrokerStatus.Differs, $"inequivalent arg '{name}' for {what}: {difference}");

    /// <summary>Naming the default type is the same as naming none.</summary>
    private static Arguments WithoutDefaultType(Arguments arguments) => arguments["x-queue-type"] is "classic"
        ? new Arguments(arguments.Items.Where(item => item.Key != "x-queue-type").ToDictionary(item => item.Key, item => item.Value))
        : arguments;
}
