using System.Text;

namespace Sluice.Broker;

/// <summary>
/// Compares names kept as strings and looks them up by UTF-8 bytes as they lie in a receive buffer, without allocating.
/// Ordinal. Invalid UTF-8 never equals a name.
/// </summary>
internal sealed class Utf8NameComparer : IEqualityComparer<string>, IAlternateEqualityComparer<ReadOnlySpan<byte>, string>
{
    public static Utf8NameComparer Instance { get; } = new();

    public bool Equals(string? x, string? y) => string.Equals(x, y, StringComparison.Ordinal);

    public int GetHashCode(string name)
    {
        if (Ascii.IsValid(name))
        {
            HashState hash = default;
            foreach (char c in name)
            {
                hash.Add((byte)c);
            }

            return hash.Value;
        }

        return GetHashCode(Encoding.UTF8.GetBytes(name));
    }

    public bool Equals(ReadOnlySpan<byte> alternate, string other)
    {
        if (alternate.Length == other.Length)
        {
            return Ascii.Equals(alternate, other) || (!Ascii.IsValid(alternate) && EqualsEncoded(alternate, other));
        }

        return alternate.Length > other.Length && EqualsEncoded(alternate, other);
    }

    public int GetHashCode(ReadOnlySpan<byte> alternate)
    {
        HashState hash = default;
        foreach (byte b in alternate)
        {
            hash.Add(b);
        }

        return hash.Value;
    }

    public string Create(ReadOnlySpan<byte> alternate) => Encoding.UTF8.GetString(alternate);

    private static bool EqualsEncoded(ReadOnlySpan<byte> bytes, string name)
    {
        if (Encoding.UTF8.GetByteCount(name) != bytes.Length || bytes.Length > 1024)
        {
            return false;
        }

        Span<byte> encoded = stackalloc byte[bytes.Length];
        Encoding.UTF8.GetBytes(name, encoded);
        return encoded.SequenceEqual(bytes);
    }

    /// <summary>FNV-1a with a final mix: names are short, and both forms must hash alike.</summary>
    private struct HashState
    {
        private uint _state;

        public readonly int Value => (int)((_state ^ (_state >> 15)) * 0x9E3779B1u);

        public void Add(byte b) => _state = ((_state == 0 ? 2166136261u : _state) ^ b) * 16777619u;
    }
}
