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

    /// <summary>Of all remarks together, as they are sent: proxies and clients take a few KB of headers, with all others.</summary>
    public const int CharsMax = 2_000;

    // Of one: others have room too, and one that has to be encoded throughout still says something.
    private const int RemarkCharsMax = 600;

    private const string More = "There is more to say: the broker's log has it.";
    private const string Cut = "...";

    public static void Add(IHeaderDictionary headers, string sentence)
    {
        StringValues remarks = headers[Name];
        if (remarks.Count > 0 && remarks[^1] == More)
        {
            return;
        }

        string remark = Encode(sentence);
        bool hasRoom = remarks.Count < CountMax - 1 && remarks.Sum(static other => other!.Length) + remark.Length + More.Length <= CharsMax;
        headers[Name] = StringValues.Concat(remarks, hasRoom ? remark : More);
    }

    private static string Encode(string sentence)
    {
        StringBuilder text = new();
        foreach (Rune rune in sentence.EnumerateRunes())
        {
            string encoded = rune.Value is >= ' ' and <= '~' and not '%' ? rune.ToString() : Uri.EscapeDataString(rune.ToString());
            if (text.Length + encoded.Length + Cut.Length > RemarkCharsMax)
            {
                return text.Append(Cut).ToString();
            }

            text.Append(encoded);
        }

        return text.ToString();
    }
}
