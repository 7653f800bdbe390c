using System.Globalization;

namespace Sluice.Client.Connections;

/// <summary>Where a broker listens.</summary>
internal readonly record struct BrokerAddress(string Host, int Port)
{
    /// <summary>Reads <c>host:port</c>, also with an IPv6 address in brackets, separated by commas.</summary>
    /// <exception cref="ArgumentException">Something else.</exception>
    public static BrokerAddress[] ParseList(string text)
    {
        string[] parts = text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (parts.Length == 0)
        {
            throw new ArgumentException("No broker is named; for example localhost:9092.");
        }

        return Array.ConvertAll(parts, Parse);
    }

    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";

    private static BrokerAddress Parse(string text)
    {
        int colon = text.LastIndexOf(':');
        if (colon < 1 || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port) || port is < 1 or > 65535)
        {
            throw new ArgumentException($"'{text}' is not of the form host:port; for example localhost:9092.");
        }

        return new BrokerAddress(text[..colon].Trim('[', ']'), port);
    }
}
