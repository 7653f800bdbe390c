using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Sluice.Hosting.Configuration;

/// <summary>An amount of memory: a fraction of what the machine (or container) has, or bytes.</summary>
public readonly record struct MemoryLimit
{
    private const long BytesMin = 32L << 20;

    private readonly double _fraction;
    private readonly long _bytes;

    private MemoryLimit(double fraction, long bytes)
    {
        _fraction = fraction;
        _bytes = bytes;
    }

    public static MemoryLimit OfFraction(double fraction) => new(fraction, 0);

    public static MemoryLimit OfBytes(long bytes) => new(0, bytes);

    /// <summary>A fraction above 0 up to 1, such as 0.4, or bytes, such as 2GB, from 32 MB.</summary>
    public static bool TryParse(string text, out MemoryLimit limit, [NotNullWhen(false)] out string? error)
    {
        limit = default;
        error = null;
        if (double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out double fraction) && fraction <= 1)
        {
            limit = OfFraction(fraction);
            error = fraction > 0 ? null : "must be above 0";
            return error is null;
        }

        if (ByteSize.TryParse(text, out long bytes))
        {
            limit = OfBytes(bytes);
            error = bytes >= BytesMin ? null : $"is below the minimum: the nearest allowed is {ByteSize.Format(BytesMin)}";
            return error is null;
        }

        error = "is neither a fraction such as 0.4 nor bytes such as 2GB";
        return false;
    }

    /// <summary>In bytes, on a machine with this much memory.</summary>
    public long ToBytes(long machineBytes) => _bytes > 0 ? _bytes : (long)(_fraction * machineBytes);

    public override string ToString() => _bytes > 0 ? ByteSize.Format(_bytes) : _fraction.ToString(CultureInfo.InvariantCulture);
}
