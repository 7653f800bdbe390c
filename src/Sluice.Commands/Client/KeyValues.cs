using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Sluice.Commands.Client;

/// <summary>Options of the form key=value that may be given several times: arguments of declarations, settings of policies, headers.</summary>
internal static class KeyValues
{
    /// <param name="name">Of the option.</param>
    /// <param name="example">A pair that it takes.</param>
    /// <param name="description">What it is for, as a sentence without its full stop; the example and that it may be repeated are added.</param>
    public static Option<string[]> Option(string name, string example, string description)
    {
        Option<string[]> option = new(name) { Description = $"{description} such as {example}; repeatable.", HelpName = "key=value", DefaultValueFactory = _ => [] };
        option.Validators.Add(result =>
        {
            if (result.Tokens.FirstOrDefault(token => token.Value.IndexOf('=', StringComparison.Ordinal) < 1) is { } wrong)
            {
                result.AddError($"'{wrong.Value}' is not of the form key=value; for example {name} {example}");
            }
        });
        return option;
    }

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

    /// <summary>As text, whatever it is.</summary>
    /// <exception cref="CommandException">A key is there twice.</exception>
    public static Dictionary<string, string> ToText(IEnumerable<string> pairs)
    {
        Dictionary<string, string> read = new(StringComparer.Ordinal);
        foreach (string pair in pairs)
        {
            int equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (!read.TryAdd(pair[..equals], pair[(equals + 1)..]))
            {
                throw new CommandException($"'{pair[..equals]}' is given twice.");
            }
        }

        return read;
    }

    private static IEnumerable<(string Key, object Value)> Read(IEnumerable<string> pairs)
    {
        foreach (string pair in pairs)
        {
            int equals = pair.IndexOf('=', StringComparison.Ordinal);
            string value = pair[(equals + 1)..];
            object read = bool.TryParse(value, out bool flag) ? flag
                : long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) ? number
                : value;
            yield return (pair[..equals], read);
        }
    }
}
