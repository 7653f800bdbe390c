using System.Text;
using Sluice.Broker.Messages;

namespace Sluice.Broker.Exchanges;

/// <summary>A value that a headers binding asks for. Kinds never equal each other; all integer widths are one kind, compared by value.</summary>
internal sealed class HeaderMatchValue
{
    private HeaderMatchValue(HeaderKind kind, long integer, double real, byte[] bytes)
    {
        Kind = kind;
        Integer = integer;
        Double = real;
        Bytes = bytes;
    }

    public HeaderKind Kind { get; }

    public long Integer { get; }

    public double Double { get; }

    public byte[] Bytes { get; }

    /// <summary>Null for kinds that cannot be compared across protocols (table, array, decimal, timestamp).</summary>
    public static HeaderMatchValue? From(object? value) => value switch
    {
        bool boolean => new(HeaderKind.Boolean, boolean ? 1 : 0, 0, []),
        long integer => new(HeaderKind.Integer, integer, 0, []),
        double real => new(HeaderKind.Double, 0, real, []),
        string text => new(HeaderKind.Bytes, 0, 0, Encoding.UTF8.GetBytes(text)),
        byte[] bytes => new(HeaderKind.Bytes, 0, 0, bytes),
        _ => null,
    };

    public HeaderValue AsValue() => new() { Kind = Kind, Integer = Integer, Double = Double, Bytes = Bytes };

    public bool Matches(in HeaderValue value) => Kind == value.Kind && Kind switch
    {
        HeaderKind.Boolean => (Integer != 0) == (value.Integer != 0),
        HeaderKind.Integer => Integer == value.Integer,
        HeaderKind.Double => Double.Equals(value.Double),
        HeaderKind.Bytes => value.Bytes.SequenceEqual(Bytes),
        _ => false,
    };

    /// <summary>Content comparison, also against a borrowed header.</summary>
    public sealed class Comparer : IEqualityComparer<HeaderMatchValue>, IAlternateEqualityComparer<HeaderValue, HeaderMatchValue>
    {
        public static Comparer Instance { get; } = new();

        public bool Equals(HeaderMatchValue? x, HeaderMatchValue? y) => ReferenceEquals(x, y) || (x is not null && y is not null && x.Matches(y.AsValue()));

        public bool Equals(HeaderValue alternate, HeaderMatchValue other) => other.Matches(alternate);

        public int GetHashCode(HeaderMatchValue obj) => GetHashCode(obj.AsValue());

        public int GetHashCode(HeaderValue alternate) => alternate.Kind switch
        {
            HeaderKind.Boolean => alternate.Integer != 0 ? 1 : 2,
            HeaderKind.Integer => HashCode.Combine(alternate.Integer),
            HeaderKind.Double => HashCode.Combine(alternate.Double),
            HeaderKind.Bytes => ByteKeyComparer.Hash(alternate.Bytes),
            _ => 0,
        };

        public HeaderMatchValue Create(HeaderValue alternate) => throw new NotSupportedException("Borrowed headers are only looked up, never kept.");
    }
}
