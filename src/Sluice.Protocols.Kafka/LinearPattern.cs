using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Sluice.Protocols.Kafka;

/// <summary>
/// Regular expressions of clients, matched against whole names: of topics to subscribe to (KIP-848), of what subscriptions to metrics are for (KIP-714). As with Kafka's RE2 the
/// time is linear in the name: there are no look-arounds and no back-references.
/// </summary>
internal static class LinearPattern
{
    private const int LengthMax = 4096;
    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;
    private static readonly TimeSpan s_timeMax = TimeSpan.FromSeconds(1);

    /// <summary>Says what is wrong with the expression; null: nothing.</summary>
    public static string? Problem(string pattern) => TryParse(pattern, out _, out string? problem) ? null : problem;

    /// <summary>Those of the names that match. The expression has been checked.</summary>
    public static HashSet<string> Match(string pattern, IEnumerable<string> names)
    {
        if (!TryParse(pattern, out Regex? regex, out _))
        {
            return [];
        }

        try
        {
            return names.Where(name => regex.IsMatch(name)).ToHashSet(StringComparer.Ordinal);
        }
        catch (RegexMatchTimeoutException)
        {
            return [];
        }
    }

    /// <summary>Whether the expression can be used; it throws <see cref="RegexMatchTimeoutException"/> where it takes too long.</summary>
    public static bool TryParse(string pattern, [NotNullWhen(true)] out Regex? regex, [NotNullWhen(false)] out string? problem)
    {
        regex = null;
        if (pattern.Length > LengthMax)
        {
            problem = $"it is longer than {LengthMax} characters";
            return false;
        }

        try
        {
            // By itself first: what closes the group too early would match more than it says.
            _ = new Regex(pattern, Options, s_timeMax);
            regex = new Regex($@"\A(?:{pattern})\z", Options, s_timeMax);
            problem = null;
            return true;
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            problem = error.Message;
            return false;
        }
    }
}
