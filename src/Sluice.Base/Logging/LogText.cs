namespace Sluice.Base.Logging;

/// <summary>Texts that clients choose, as far as the log takes them.</summary>
public static class LogText
{
    /// <summary>Of a name. Longer ones are nobody's: they are told of by their beginning.</summary>
    public const int NameCharsMax = 255;

    /// <summary>Of a reason, which may have a client's words in it.</summary>
    public const int ReasonCharsMax = 1_000;

    /// <summary>Allocates nothing for what is no longer than the limit.</summary>
    public static string Cut(string text, int charsMax = NameCharsMax) => text.Length <= charsMax ? text : string.Concat(text.AsSpan(0, charsMax), "…");
}
