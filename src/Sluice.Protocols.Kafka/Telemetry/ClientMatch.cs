using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>What an attribute of a client must be for a subscription to be for it: NAME=EXPRESSION.</summary>
internal sealed class ClientMatch
{
    private readonly Regex _regex;

    private ClientMatch(string name, Regex regex) => (Name, _regex) = (name, regex);

    public string Name { get; }

    public static bool TryParse(string text, [NotNullWhen(true)] out ClientMatch? match)
    {
        // As Java splits: what is empty at the end does not count.
        string[] parts = text.TrimEnd('=').Split('=', StringSplitOptions.TrimEntries);
        match = parts.Length == 2 && TelemetryClient.AttributeNames.Contains(parts[0], StringComparer.Ordinal) && LinearPattern.TryParse(parts[1], out Regex? regex, out _) ? new ClientMatch(parts[0], regex) : null;
        return match is not null;
    }

    public bool Matches(TelemetryClient client)
    {
        try
        {
            return client.Attribute(Name) is { } value && _regex.IsMatch(value);
        }
        catch (RegexMatchTimeoutException)
        {
            return false;
        }
    }
}
