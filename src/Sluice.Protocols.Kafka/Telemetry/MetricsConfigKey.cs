using System.Collections.Frozen;
using System.Globalization;
using Sluice.Broker.Topics;

namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>The configuration of subscriptions to clients' metrics under Kafka's names and with its limits (KIP-714).</summary>
internal static class MetricsConfigKey
{
    public const string Metrics = "metrics", IntervalMs = "interval.ms", Match = "match";

    public const int IntervalDefaultMs = 300_000, IntervalMinMs = 100, IntervalMaxMs = 3_600_000;

    /// <summary>Of <see cref="Metrics"/>: all.</summary>
    public const string Everything = "*";

    private const int ListCharsMax = 64 << 10;

    /// <summary>Every key, by name. Whether a value is in its range is looked at apart: Kafka refuses it by another code.</summary>
    public static FrozenDictionary<string, TopicConfigKey> All { get; } = new TopicConfigKey[]
    {
        new(IntervalMs, TopicConfigType.Int, IntervalDefaultMs.ToString(CultureInfo.InvariantCulture), static value => int.TryParse(value.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _) ? null : "Not a number of type INT"),
        new(Match, TopicConfigType.List, "", static value => ListProblem(value) ?? List(value).FirstOrDefault(static pattern => !ClientMatch.TryParse(pattern, out _)) switch
        {
            null => null,
            var pattern => $"Illegal client matching pattern: {pattern}",
        }),
        new(Metrics, TopicConfigType.List, "", ListProblem),
    }.ToFrozenDictionary(static key => key.Name, StringComparer.Ordinal);

    /// <summary>The items of a list, each once.</summary>
    public static IEnumerable<string> List(string value) => value.Trim().Length == 0 ? [] : value.Split(',', StringSplitOptions.TrimEntries).Distinct(StringComparer.Ordinal);

    private static string? ListProblem(string value) =>
        value.Length > ListCharsMax ? $"longer than {ListCharsMax} characters"
        : value.Any(char.IsControl) ? "it has control characters"
        : List(value).Contains("", StringComparer.Ordinal) ? "values must not be empty"
        : null;
}
