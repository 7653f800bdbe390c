using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Sluice.Commands.Client;

/// <summary>Options of the form key=value that may be given several times: arguments of declarations, settings of policies, headers.</summary>
internal static class KeyValues
{
    public static Option<string[]> Option(string name, string description) => new(name) { Description = description, HelpName = "key=value", DefaultValueFactory = _ => [] };

    /// <summary>As a JSON object: true and false are flags, whole numbers numbers, all else text.</summary>
    public static JsonObject ToJson(IEnumerable<string> pairs)
    {
        JsonObject json = [];
        foreach ((string key, object value) in Read(pairs))
        {
            json[key] = value switch
            {
                bool flag => flag,
                long number => number,
                _ => (string)value,
            };
        }

        return json;
    }

    /// <summary>As an AMQP table.</summary>
    public static Dictionary<string, object?> ToTable(IEnumerable<string> pairs) => Read(pairs).ToDictionary(pair => pair.Key, pair => (object?)pair.Value, StringComparer.Ordinal);

    private static IEnumerable<(string Key, object Value)> Read(IEnumerable<string> pairs)
    {
        foreach (string pair in pairs)
        {
            int equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
            {
                throw new CommandException($"'{pair}' is not of the form key=value.");
            }

            string value = pair[(equals + 1)..];
            object read = bool.TryParse(value, out bool flag) ? flag
                : long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) ? number
                : value;
            yield return (pair[..equals], read);
        }
    }
}
