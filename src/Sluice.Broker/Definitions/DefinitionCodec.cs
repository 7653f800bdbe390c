using System.Buffers;
using System.Text.Json;
using Sluice.Broker.Topics;
using Sluice.Storage;

namespace Sluice.Broker.Definitions;

/// <summary>A binding as it is kept: by names.</summary>
public sealed record BindingDefinition(string Source, DestinationKind Kind, string Destination, string RoutingKey, Arguments Arguments);

/// <summary>
/// Definitions as JSON for the metadata store. Every value is an object that begins with its version, <c>"v": 1</c>. Fields are only ever added;
/// a reader skips fields it does not know and refuses a version above its own. Flags that are false and tables that are empty are left out.
/// </summary>
public static class DefinitionCodec
{
    private const int Version = 1;

    // Bindings may carry nested tables as far as the protocol allows; each level costs two here.
    private static readonly JsonReaderOptions ReaderOptions = new() { MaxDepth = 1000 };
    private static readonly JsonWriterOptions WriterOptions = new() { MaxDepth = 1000, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A queue and the logs that hold its messages, in the order that the queue gives them a meaning.</summary>
    public static byte[] Encode(QueueDefinition definition, IReadOnlyList<LogId> logs) => Write(writer =>
    {
        writer.WriteString("name", definition.Name);
        WriteFlag(writer, "durable", definition.Durable);
        WriteFlag(writer, "exclusive", definition.Exclusive);
        WriteFlag(writer, "autoDelete", definition.AutoDelete);
        WriteTable(writer, "arguments", definition.Arguments);
        WriteLogs(writer, logs);
    });

    /// <summary>A topic and the logs of its partitions, by index.</summary>
    public static byte[] Encode(TopicDefinition definition, IReadOnlyList<LogId> logs) => Write(writer =>
    {
        writer.WriteString("name", definition.Name);
        writer.WriteString("id", definition.Id);
        WriteFlag(writer, "internal", definition.IsInternal);
        WriteFlag(writer, "grown", definition.HasGrown);
        writer.WriteStartObject("config");
        foreach ((string name, string value) in definition.Config.OrderBy(static setting => setting.Key, StringComparer.Ordinal))
        {
            writer.WriteString(name, value);
        }

        writer.WriteEndObject();
        WriteLogs(writer, logs);
    });

    public static byte[] Encode(ExchangeDefinition definition) => Write(writer =>
    {
        writer.WriteString("name", definition.Name);
        writer.WriteString("type", definition.Type);
        WriteFlag(writer, "durable", definition.Durable);
        WriteFlag(writer, "autoDelete", definition.AutoDelete);
        WriteFlag(writer, "internal", definition.Internal);
        WriteTable(writer, "arguments", definition.Arguments);
    });

    public static byte[] Encode(BindingDefinition definition) => Write(writer =>
    {
        writer.WriteString("source", definition.Source);
        writer.WriteString("kind", definition.Kind == DestinationKind.Exchange ? "exchange" : "queue");
        writer.WriteString("destination", definition.Destination);
        writer.WriteString("routingKey", definition.RoutingKey);
        WriteTable(writer, "arguments", definition.Arguments);
    });

    public static byte[] Encode(PolicyDefinition definition) => Write(writer =>
    {
        writer.WriteString("name", definition.Name);
        writer.WriteString("pattern", definition.Pattern);
        writer.WriteString("applyTo", definition.ApplyTo);
        writer.WriteNumber("priority", definition.Priority);
        WriteFlag(writer, "operator", definition.IsOperator);
        WriteTable(writer, "settings", definition.Settings);
    });

    /// <exception cref="StorageFormatException">Not such a definition, or of a newer version; the same for the others.</exception>
    public static (QueueDefinition Definition, IReadOnlyList<LogId> Logs) DecodeQueue(ReadOnlyMemory<byte> value) => Read(value, "queue", root =>
    {
        var definition = new QueueDefinition(Text(root, "name"), Flag(root, "durable"), Flag(root, "exclusive"), Flag(root, "autoDelete"), Table(root, "arguments"));
        return (definition, ReadLogs(root));
    });

    public static (TopicDefinition Definition, IReadOnlyList<LogId> Logs) DecodeTopic(ReadOnlyMemory<byte> value) => Read(value, "topic", root =>
    {
        Dictionary<string, string> config = root.GetProperty("config").EnumerateObject().ToDictionary(setting => setting.Name, setting => Text(root.GetProperty("config"), setting.Name), StringComparer.Ordinal);
        return (new TopicDefinition(Text(root, "name"), root.GetProperty("id").GetGuid(), config, Flag(root, "internal"), HasGrown: Flag(root, "grown")), ReadLogs(root));
    });

    public static ExchangeDefinition DecodeExchange(ReadOnlyMemory<byte> value) => Read(value, "exchange", root => new ExchangeDefinition(
        Text(root, "name"), Text(root, "type"), Flag(root, "durable"), Flag(root, "autoDelete"), Flag(root, "internal"), Table(root, "arguments")));

    public static BindingDefinition DecodeBinding(ReadOnlyMemory<byte> value) => Read(value, "binding", root => new BindingDefinition(
        Text(root, "source"),
        Text(root, "kind") switch { "queue" => DestinationKind.Queue, "exchange" => DestinationKind.Exchange, string other => throw new JsonException($"kind '{other}' is not known") },
        Text(root, "destination"),
        Text(root, "routingKey"),
        Table(root, "arguments")));

    public static PolicyDefinition DecodePolicy(ReadOnlyMemory<byte> value) => Read(value, "policy", root => new PolicyDefinition(
        Text(root, "name"), Text(root, "pattern"), Text(root, "applyTo"), root.GetProperty("priority").GetInt32(), Table(root, "settings"), Flag(root, "operator")));

    /// <summary>The arguments alone with names in ordinal order: equal arguments give equal bytes.</summary>
    internal static byte[] EncodeSorted(Arguments arguments)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, WriterOptions))
        {
            ArgumentsJson.WriteTable(writer, arguments);
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static byte[] Write(Action<Utf8JsonWriter> writeFields)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteNumber("v", Version);
            writeFields(writer);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static T Read<T>(ReadOnlyMemory<byte> value, string what, Func<JsonElement, T> read)
    {
        try
        {
            var reader = new Utf8JsonReader(value.Span, ReaderOptions);
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            int version = document.RootElement.GetProperty("v").GetInt32();
            if (version > Version)
            {
                throw new StorageFormatException($"The definition of a {what} is of version {version}; this program knows versions up to {Version}. Start the program that wrote it, or a newer one.");
            }

            return read(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new StorageFormatException($"The definition of a {what} cannot be read ({e.Message}). Restore the metadata from a backup.", e);
        }
    }

    private static string Text(JsonElement root, string name) => root.GetProperty(name).GetString() ?? throw new JsonException($"{name} is null");

    private static bool Flag(JsonElement root, string name) => root.TryGetProperty(name, out JsonElement flag) && flag.GetBoolean();

    private static Arguments Table(JsonElement root, string name) => root.TryGetProperty(name, out _) ? ArgumentsJson.Read(root, name) : Arguments.Empty;

    private static void WriteLogs(Utf8JsonWriter writer, IReadOnlyList<LogId> logs)
    {
        writer.WriteStartArray("logs");
        foreach (LogId log in logs)
        {
            writer.WriteNumberValue(log.Value);
        }

        writer.WriteEndArray();
    }

    private static IReadOnlyList<LogId> ReadLogs(JsonElement root) => [.. root.GetProperty("logs").EnumerateArray().Select(static log => new LogId(log.GetInt64()))];

    private static void WriteFlag(Utf8JsonWriter writer, string name, bool value)
    {
        if (value)
        {
            writer.WriteBoolean(name, value);
        }
    }

    private static void WriteTable(Utf8JsonWriter writer, string name, Arguments table)
    {
        if (table.Count > 0)
        {
            ArgumentsJson.Write(writer, name, table);
        }
    }
}
