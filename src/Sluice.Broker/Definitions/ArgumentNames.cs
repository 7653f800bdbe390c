namespace Sluice.Broker.Definitions;

/// <summary>How argument values are named and shown in messages to clients: with the names of AMQP 0-9-1 field types that RabbitMQ uses.</summary>
internal static class ArgumentNames
{
    /// <summary>RabbitMQ's name of the value's type. Integers are named by the smallest usual width, since their width is not kept.</summary>
    public static string TypeOf(object? value) => value switch
    {
        null => "void",
        bool => "bool",
        long integer => integer is >= int.MinValue and <= int.MaxValue ? "signedint" : "long",
        double => "double",
        string => "longstr",
        byte[] => "binary",
        decimal => "decimal",
        DateTimeOffset => "timestamp",
        Arguments => "table",
        _ => "array",
    };

    /// <summary>The value with its type, for a message that says it is wrong.</summary>
    public static string Describe(object? value) => value switch
    {
        null => "void",
        string text => $"'{text}'",
        bool or long or double or decimal => Show(value),
        _ => TypeOf(value),
    };

    public static string Show(object? value) => value switch
    {
        null => "void",
        bool boolean => boolean ? "true" : "false",
        byte[] bytes => Convert.ToHexString(bytes),
        Arguments or IReadOnlyList<object?> => "…",
        IFormattable other => other.ToString(null, System.Globalization.CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}
