using System.Globalization;

namespace Sluice.Broker.Definitions;

/// <summary>A stream's x-max-age: a whole number above 0 and one of Y (365 days), M (30 days), D, h, m, s.</summary>
internal static class MaxAge
{
    public static bool TryParse(string text, out long ms)
    {
        ms = 0;
        long unit = text.Length < 2 ? 0 : text[^1] switch
        {
            's' => 1000L,
            'm' => 60_000L,
            'h' => 3_600_000L,
            'D' => 86_400_000L,
            'M' => 30 * 86_400_000L,
            'Y' => 365 * 86_400_000L,
            _ => 0,
        };
        if (unit == 0 || !long.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out long count) || count < 1)
        {
            return false;
        }

        ms = count > long.MaxValue / unit ? long.MaxValue : count * unit;
        return true;
    }
}
