using System.Text.Json;
using System.Text.Json.Serialization;
using Sluice.Broker.Definitions;

namespace Sluice.Admin.Json;

/// <summary>Arguments of declarations as JSON objects. Bytes that are no UTF-8 are shown in base64, timestamps as Unix seconds.</summary>
public sealed class ArgumentsJson : JsonConverter<Arguments>
{
    /// <summary>Takes an object: whole numbers become integers, others doubles.</summary>
    public static Arguments Read(JsonElement element) =>
        element.EnumerateObject().Any() ? new Arguments(element.EnumerateObject().ToDictionary(member => member.Name, member => Value(member.Value), StringComparer.Ordinal)) : Arguments.Empty;

    public static void Write(Utf8JsonWriter writer, Arguments value)
    {
        writer.WriteStartObject();
        foreach ((string name, object? item) in value.Items)
        {
            writer.WritePropertyName(name);
            WriteValue(writer, item);
        }

        writer.WriteEndObject();
    }

    /// <summary>Writes one value of any kind that arguments and headers can have.</summary>
    public static void WriteValue(Utf8JsonWriter writer, object? value)
    {
        switch (value)
        {
            case null:
                writer.WriteNullValue();
                break;
            case bool flag:
                writer.WriteBooleanValue(flag);
                break;
            case long number:
                writer.WriteNumberValue(number);
                break;
            case double number when double.IsFinite(number):
                writer.WriteNumberValue(number);
                break;
            case decimal number:
                writer.WriteNumberValue(number);
                break;
            case string text:
                writer.WriteStringValue(text);
                break;
            case byte[] bytes:
                writer.WriteBase64StringValue(bytes);
                break;
            case DateTimeOffset time:
                writer.WriteNumberValue(time.ToUnixTimeSeconds());
                break;
            case Arguments table:
                Write(writer, table);
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
                writer.WriteStringValue(value.ToString());
                break;
        }
    }

    public override Arguments Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Read(JsonElement.ParseValue(ref reader));

    public override void Write(Utf8JsonWriter writer, Arguments value, JsonSerializerOptions options) => Write(writer, value);

    private static object? Value(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => element.TryGetInt64(out long number) ? (object)number : element.GetDouble(),
        JsonValueKind.Array => element.EnumerateArray().Select(Value).ToArray(),
        _ => Read(element),
    };
}
