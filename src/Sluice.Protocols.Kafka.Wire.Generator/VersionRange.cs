using System.Globalization;

namespace Sluice.Protocols.Kafka.Wire.Generator;

/// <summary>Versions from and to, both included.</summary>
internal readonly record struct VersionRange(short Min, short Max)
{
    /// <summary>A range without versions.</summary>
    public static VersionRange None => new(1, 0);

    public bool IsEmpty => Min > Max;

    public bool Contains(short version) => version >= Min && version <= Max;

    public bool Contains(VersionRange other) => other.IsEmpty || (Min <= other.Min && Max >= other.Max);

    public VersionRange Intersect(VersionRange other)
    {
        var common = new VersionRange(Math.Max(Min, other.Min), Math.Min(Max, other.Max));
        return common.IsEmpty ? None : common;
    }

    public IEnumerable<short> All()
    {
        for (int version = Min; version <= Max; version++)
        {
            yield return (short)version;
        }
    }

    /// <summary>"3", "3-5", "3+" (to the last one) or "none".</summary>
    public static VersionRange Parse(string text, short last)
    {
        if (text == "none")
        {
            return None;
        }

        string[] ends = text.TrimEnd('+').Split('-');
        short min = short.Parse(ends[0], CultureInfo.InvariantCulture);
        return new VersionRange(min, text.EndsWith('+') ? last : ends.Length == 1 ? min : short.Parse(ends[1], CultureInfo.InvariantCulture));
    }

    public override string ToString() => IsEmpty ? "none" : Min == Max ? $"{Min}" : $"{Min}-{Max}";

    /// <summary>A C# condition for being in this range when being in the outer one is known; "true" and "false" included.</summary>
    public string Condition(VersionRange outer)
    {
        VersionRange inner = Intersect(outer);
        if (inner.IsEmpty)
        {
            return "false";
        }

        string[] parts = [.. new[] { inner.Min > outer.Min ? $"version >= {inner.Min}" : "", inner.Max < outer.Max ? $"version <= {inner.Max}" : "" }.Where(part => part.Length > 0)];
        return parts.Length == 0 ? "true" : string.Join(" && ", parts);
    }
}
