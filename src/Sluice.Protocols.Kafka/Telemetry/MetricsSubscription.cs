using System.Globalization;

namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>What the configuration of a subscription comes to; it has been checked.</summary>
internal sealed class MetricsSubscription
{
    private readonly ClientMatch[] _matches;

    public MetricsSubscription(IReadOnlyDictionary<string, string> config)
    {
        Metrics = [.. MetricsConfigKey.List(Text(MetricsConfigKey.Metrics))];
        IntervalMs = int.Parse(Text(MetricsConfigKey.IntervalMs), CultureInfo.InvariantCulture);

        // Of two for the same attribute the last counts, as with Kafka.
        var matches = new Dictionary<string, ClientMatch>(StringComparer.Ordinal);
        foreach (string pattern in MetricsConfigKey.List(Text(MetricsConfigKey.Match)))
        {
            if (ClientMatch.TryParse(pattern, out ClientMatch? match))
            {
                matches[match.Name] = match;
            }
        }

        _matches = [.. matches.Values];

        string Text(string name) => config.GetValueOrDefault(name, MetricsConfigKey.All[name].Default);
    }

    /// <summary>Prefixes of names; "*": all.</summary>
    public IReadOnlyList<string> Metrics { get; }

    public int IntervalMs { get; }

    public bool IsFor(TelemetryClient client) => Array.TrueForAll(_matches, match => match.Matches(client));
}
