using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Sluice.Admin.Http;

/// <summary>
/// What a request that succeeds has to say beside its answer: a header for each remark, so that status and body stay those that RabbitMQ's clients know. Percent signs and what a header
/// cannot have are percent-encoded UTF-8.
/// </summary>
internal static class RemarkHeader
{
    public const string Name = "Sluice-Remark";

    /// <summary>Remarks of one answer; the last says that there are more.</summary>
    public const int CountMax = 10;

    // All remarks together stay below what clients take of headers, 64 KB, even if all has to be encoded.
    private const int CharsMax = 500;

    public static void Add(IHeaderDictionary headers, string sentence)
    {
        int count = headers[Name].Count;
        if (count < CountMax)
        {
            headers[Name] = StringValues.Concat(headers[Name], count == CountMax - 1 ? "There is more to say: the broker's log has it." : Encode(sentence));
        }
    }

    private static string Encode(string sentence)
    {
        StringBuilder text = new();
        foreach (Rune rune in (sentence.Length <= CharsMax ? sentence : sentence[..CharsMax] + "...").EnumerateRunes())
        {
            text.Append(rune.Value is >= ' ' and <= '~' and not '%' ? rune.ToString() : Uri.EscapeDataString(rune.ToString()));
        }

        return text.ToString();
    }
}
