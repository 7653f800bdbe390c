using System.Globalization;
using System.Text.Json;
using Sluice.Admin.Json;
using Sluice.Broker.Definitions;

namespace Sluice.Admin.Http;

/// <summary>
/// A JSON object that a client sent. Flags and numbers are taken as text too, since RabbitMQ's tools send them so. A member that the request does not know is refused
/// (<see cref="AllowOnly"/>), never ignored.
/// </summary>
internal readonly struct JsonBody
{
    private readonly JsonElement _object;

    public JsonBody(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw AdminException.BadRequest($"an object is expected where {element.ValueKind.ToString().ToLowerInvariant()} was sent");
        }

        _object = element;
    }

    public JsonElement Element => _object;

    public bool Has(string name) => Find(name) is not null;

    /// <summary>Throws on members that are not in the list.</summary>
    public JsonBody AllowOnly(params ReadOnlySpan<string> names)
    {
        foreach (JsonProperty member in _object.EnumerateObject())
        {
            if (!names.Contains(member.Name))
            {
                throw AdminException.BadRequest($"'{member.Name}' is not known here; known are {string.Join(", ", names.ToArray())}");
            }
        }

        return this;
    }

    public JsonElement? Find(string name) => _object.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public string Text(string name) => OptionalText(name) ?? throw AdminException.BadRequest($"'{name}' is missing");

    public string? OptionalText(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } value => value.GetString(),
        _ => throw AdminException.BadRequest($"'{name}' must be a string"),
    };

    public bool Flag(string name, bool otherwise = false) => Find(name) switch
    {
        null => otherwise,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { ValueKind: JsonValueKind.String } value when bool.TryParse(value.GetString(), out bool flag) => flag,
        _ => throw AdminException.BadRequest($"'{name}' must be true or false"),
    };

    public int Number(string name, int? otherwise = null) => Find(name) switch
    {
        null => otherwise ?? throw AdminException.BadRequest($"'{name}' is missing"),
        { ValueKind: JsonValueKind.Number } value when value.TryGetInt32(out int number) => number,
        { ValueKind: JsonValueKind.String } value when int.TryParse(value.GetString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) => number,
        _ => throw AdminException.BadRequest($"'{name}' must be a whole number"),
    };

    public Arguments Arguments(string name) => Find(name) switch
    {
        null => Broker.Definitions.Arguments.Empty,
        { ValueKind: JsonValueKind.Object } value => ArgumentsJson.Read(value),
        _ => throw AdminException.BadRequest($"'{name}' must be an object"),
    };

    /// <summary>The objects of an array; none if the member is missing.</summary>
    public IEnumerable<JsonBody> Objects(string name) => Find(name) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } value => value.EnumerateArray().Select(item => new JsonBody(item)),
        _ => throw AdminException.BadRequest($"'{name}' must be an array"),
    };
}
