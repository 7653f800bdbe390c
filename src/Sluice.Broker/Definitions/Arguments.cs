namespace Sluice.Broker.Definitions;

/// <summary>
/// Arguments of a declaration or binding, protocol-neutral and immutable. Values: null, bool, long (all integers), double, string (UTF-8), byte[] (not UTF-8), decimal,
/// DateTimeOffset, IReadOnlyList&lt;object?&gt;, Arguments (nested). Equality is by content.
/// </summary>
public sealed class Arguments : IEquatable<Arguments>
{
    private readonly IReadOnlyDictionary<string, object?> _values;

    public Arguments(IReadOnlyDictionary<string, object?> values) => _values = values;

    public static Arguments Empty { get; } = new(new Dictionary<string, object?>());

    public int Count => _values.Count;

    public IEnumerable<KeyValuePair<string, object?>> Items => _values;

    public object? this[string name] => _values.TryGetValue(name, out object? value) ? value : null;

    public bool Has(string name) => _values.ContainsKey(name);

    public bool Equals(Arguments? other)
    {
        if (other is null || other.Count != Count)
        {
            return false;
        }

        foreach ((string name, object? value) in _values)
        {
            if (!other._values.TryGetValue(name, out object? otherValue) || !ValueEquals(value, otherValue))
            {
                return false;
            }
        }

        return true;
    }

    public override bool Equals(object? obj) => Equals(obj as Arguments);

    public override int GetHashCode()
    {
        int hash = Count;
        foreach (string name in _values.Keys)
        {
            hash ^= string.GetHashCode(name, StringComparison.Ordinal);
        }

        return hash;
    }

    internal static bool ValueEquals(object? a, object? b) => (a, b) switch
    {
        (byte[] x, byte[] y) => x.AsSpan().SequenceEqual(y),
        (IReadOnlyList<object?> x, IReadOnlyList<object?> y) => x.Count == y.Count && x.Zip(y).All(pair => ValueEquals(pair.First, pair.Second)),
        _ => Equals(a, b),
    };
}
