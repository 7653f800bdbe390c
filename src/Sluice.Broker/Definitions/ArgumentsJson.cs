using System.Globalization;
using System.Text.Json;

namespace Sluice.Broker.Definitions;

/// <summary>
/// Arguments in JSON. Null, booleans, strings, whole numbers (long) and arrays are themselves; every other type is an object of one
/// field that names it: <c>$double</c> (text, round-trip), <c>$bytes</c> (base64), <c>$decimal</c> (text), <c>$time</c> (Unix ms), <c>$table</c> (nested arguments).
/// Names are written in ordinal order.
/// </summary>
internal static class ArgumentsJson
{
    public static void Write(Utf8JsonWriter writer, string name, Arguments arguments)
    {
        writer.WritePropertyName(name);
        WriteTable(writer, arguments);
    }

    public static void WriteTable(Utf8JsonWriter writer, Arguments arguments)
    {
        writer.WriteStartObject();
        foreach ((string name, object? value) in arguments.Items.OrderBy(item => item.Key, StringComparer.Ordinal))
        {
            writer.WritePropertyName(name);
            WriteValue(writer, value);
        }

        writer.WriteEndObject();
    }

    public static Arguments Read(JsonElement parent, string name) => ReadTable(parent.GetProperty(name));

    private static void WriteValue(Utf8JsonWriter writer, object? value)
    {
        switch (value)
        {
            case null:
                writer.WriteNullValue();
                break;
            case bool boolean:
                writer.WriteBooleanValue(boolean);
                break;
            case long integer:
                writer.WriteNumberValue(integer);
                break;
            case string text:
                writer.WriteStringValue(text);
                break;
            case double real:
                WriteTagged(writer, "$double", real.ToString("R", CultureInfo.InvariantCulture));
                break;
            case decimal number:
                WriteTagged(writer, "$decimal", number.ToString(CultureInfo.InvariantCulture));
                break;
            case byte[] bytes:
                WriteTagged(writer, "$bytes", Convert.ToBase64String(bytes));
                break;
            case DateTimeOffset time:
                writer.WriteStartObject();
                writer.WriteNumber("$time", time.ToUnixTimeMilliseconds());
                writer.WriteEndObject();
                break;
            case Arguments table:
                writer.WriteStartObject();
                Write(writer, "$table", table);
                writer.WriteEndObject();
                break;
            case IReadOnlyList<object?> list:
                writer.WriteStartArray();
                foreach (object? item in list)
                {
                    WriteValue(writer, item);
                }

                writer.WriteEndArray();
                break;
            default:
                throw new ArgumentException($"Arguments do not hold values of type {value.GetType()}.", nameof(value));
        }
    }

    private static void WriteTagged(Utf8JsonWriter writer, string tag, string text)
    {
        writer.WriteStartObject();
        writer.WriteString(tag, text);
        writer.WriteEndObject();
    }

    private static Arguments ReadTable(JsonElement element)
    {
        var values = new Dictionary<string, object?>();
        foreach (JsonProperty property in element.EnumerateObject())
        {
            values[property.Name] = ReadValue(property.Value);
        }

        return values.Count == 0 ? Arguments.Empty : new Arguments(values);
    }

    private static object? ReadValue(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number => element.GetInt64(),
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Array => element.EnumerateArray().Select(ReadValue).ToArray(),
        _ => ReadTagged(element.EnumerateObject().First()),
    };

    private static object ReadTagged(JsonProperty tagged) => tagged.Name switch
    {
        "$double" => double.Parse(tagged.Value.GetString()!, CultureInfo.InvariantCulture),
        "$decimal" => decimal.Parse(tagged.Value.GetString()!, CultureInfo.InvariantCulture),
        "$bytes" => tagged.Value.GetBytesFromBase64(),
        "$time" => DateTimeOffset.FromUnixTimeMilliseconds(tagged.Value.GetInt64()),
        "$table" => ReadTable(tagged.Value),
        _ => throw new JsonException($"value type '{tagged.Name}' is not known"),
    };
}
