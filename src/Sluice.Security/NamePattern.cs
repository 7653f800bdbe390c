using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace Sluice.Security;

/// <summary>
/// A regular expression over names, found anywhere in the name unless anchored (RabbitMQ's rule), with a memory of the names already asked for.
/// The expression is compiled when first needed. Thread-safe.
/// </summary>
internal sealed class NamePattern
{
    // A user who asks for ever new names gets a fresh memory now and then, never an endless one.
    private const int RememberedNamesMax = 8192;

    // Generous, since a busy machine must not turn a good pattern into a refusal; short enough that a bad one cannot hold a thread for long.
    private static readonly TimeSpan BacktrackingTimeout = TimeSpan.FromSeconds(1);

    private readonly string _pattern;
    private readonly bool _matchesAll;
    private readonly bool _matchesNothing;
    private Regex? _regex;
    private ConcurrentDictionary<string, bool>? _remembered;
    private int _rememberedCount;

    public NamePattern(string pattern)
    {
        _pattern = pattern;
        _matchesAll = pattern is ".*" or "^.*$" or "^.*";
        _matchesNothing = pattern.Length == 0;
    }

    /// <exception cref="ArgumentException">Not a regular expression; the message shows where.</exception>
    public static void Check(string pattern) => _ = Compile(pattern);

    /// <summary>Matches no name: names are not empty.</summary>
    public bool IsEmpty => _matchesNothing || _pattern == "^$";

    public bool Matches(string name)
    {
        if (_matchesAll)
        {
            return true;
        }

        if (_matchesNothing)
        {
            return false;
        }

        ConcurrentDictionary<string, bool> remembered = _remembered ?? Interlocked.CompareExchange(ref _remembered, NewMemory(), null) ?? _remembered;
        return remembered.TryGetValue(name, out bool matches) ? matches : MatchAndRemember(remembered, name);
    }

    private bool MatchAndRemember(ConcurrentDictionary<string, bool> remembered, string name)
    {
        bool matches;
        try
        {
            matches = (_regex ??= Compile(_pattern)).IsMatch(name);
        }
        catch (RegexMatchTimeoutException)
        {
            // Only an expression that needs backtracking can take so long. What cannot be decided is not allowed.
            matches = false;
        }

        if (Interlocked.Increment(ref _rememberedCount) > RememberedNamesMax)
        {
            Volatile.Write(ref _rememberedCount, 1);
            _remembered = remembered = NewMemory();
        }

        remembered[name] = matches;
        return matches;
    }

    private static ConcurrentDictionary<string, bool> NewMemory() => new(concurrencyLevel: 1, capacity: 7, StringComparer.Ordinal);

    private static Regex Compile(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (NotSupportedException)
        {
            // Look-around and back references need the other engine, whose time must be limited.
            return new Regex(pattern, RegexOptions.CultureInvariant, BacktrackingTimeout);
        }
    }
}
