using System.Globalization;

namespace Sluice.Hosting.Configuration;

/// <summary>Numbers of bytes as people write them: 512, 64KB, 1.5 GB. Units are powers of 1024.</summary>
internal static class ByteSize
{
    private static readonly string[] Units = ["", "KB", "MB", "GB", "TB"];

    public static bool TryParse(string text, out long bytes)
    {
        bytes = 0;
        string number = text.Trim().ToUpperInvariant().Replace("IB", "B", StringComparison.Ordinal);
        double factor = 1;
        for (int unit = Units.Length - 1; unit > 0; unit--)
        {
            if (number.EndsWith(Units[unit], StringComparison.Ordinal))
            {
                factor = Math.Pow(1024, unit);
                number = number[..^2].TrimEnd();
                break;
            }
        }

        if (!double.TryParse(number, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out double value))
        {
            return false;
        }

        value *= factor;
        bytes = (long)value;
        return value is >= long.MinValue and < long.MaxValue && bytes == value;
    }

    /// <summary>In the largest unit that divides it.</summary>
    public static string Format(long bytes)
    {
        int unit = 0;
        while (bytes != 0 && bytes % 1024 == 0 && unit < Units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{bytes}{(unit == 0 ? "" : " ")}{Units[unit]}");
    }
}
