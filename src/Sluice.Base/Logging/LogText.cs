using System.Buffers;

namespace Sluice.Base.Logging;

/// <summary>Texts that clients choose, as far as the log takes them.</summary>
public static class LogText
{
    /// <summary>Of a name. Longer ones are nobody's: they are told of by their beginning.</summary>
    public const int NameCharsMax = 255;

    /// <summary>Of a reason, which may have a client's words in it.</summary>
    public const int ReasonCharsMax = 1_000;

    /// <summary>Of a line with all that is in it.</summary>
    public const int LineCharsMax = 32_000;

    private const char Unprintable = '\uFFFD';

    private static readonly SearchValues<char> s_unwanted = SearchValues.Create([.. Enumerable.Range(0, 0x10000).Select(static value => (char)value).Where(IsUnwanted)]);

    /// <summary>The beginning of a text that is too long. Allocates nothing for what is no longer than the limit.</summary>
    public static string Cut(string text, int charsMax = NameCharsMax)
    {
        if (text.Length <= charsMax)
        {
            return text;
        }

        // A letter of two characters is left out whole.
        int length = char.IsHighSurrogate(text[charsMax - 1]) ? charsMax - 1 : charsMax;
        return string.Concat(text.AsSpan(0, length), "…");
    }

    /// <summary>The text without what would end a line, or do things to the terminal that shows it: white space becomes a space, the rest a replacement character. Allocates nothing for a text that has nothing of the kind.</summary>
    public static string Clean(string text)
    {
        int first = text.AsSpan().IndexOfAny(s_unwanted);
        return first < 0 ? text : string.Create(text.Length, text, static (span, from) =>
        {
            from.CopyTo(span);
            foreach (ref char value in span)
            {
                value = !IsUnwanted(value) ? value : char.IsWhiteSpace(value) ? ' ' : Unprintable;
            }
        });
    }

    /// <summary>Control characters, other ends of lines, and what turns the direction of writing around.</summary>
    private static bool IsUnwanted(char value) => char.IsControl(value) || value is (>= '\u2028' and <= '\u202E') or (>= '\u2066' and <= '\u2069');
}
