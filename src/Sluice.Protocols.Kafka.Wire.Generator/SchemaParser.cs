using System.Globalization;

namespace Sluice.Protocols.Kafka.Wire.Generator;

/// <summary>Reads the tables in Schemas; the README there says how they are written.</summary>
internal sealed class SchemaParser
{
    private readonly string _file;
    private readonly VersionRange _versions;
    private readonly string[] _lines;
    private readonly List<StructSchema> _messages = [];
    private int _at;

    private SchemaParser(string file, string[] lines, VersionRange versions)
    {
        _file = file;
        _lines = lines;
        _versions = versions;
    }

    public static Schema Parse(string file, string text)
    {
        string[] lines = [.. text.Split('\n').Select(line => line.TrimEnd()).Where(line => line.Length > 0 && line[0] != '#')];
        string[] head = lines[0].Split(' ');
        (SchemaKind kind, string name, short number) = head switch
        {
            ["api", var key, var api] => (SchemaKind.Api, api, short.Parse(key, CultureInfo.InvariantCulture)),
            ["key", var record, var type] => (SchemaKind.Key, record, short.Parse(type, CultureInfo.InvariantCulture)),
            ["value", var record] => (SchemaKind.Value, record, (short)0),
            ["embedded", var record] => (SchemaKind.Embedded, record, (short)0),
            _ => throw new FormatException($"{file}: '{lines[0]}'"),
        };
        string[] served = Value(file, lines[1], "versions").Split(" advertised ");
        VersionRange versions = VersionRange.Parse(served[0], 0);
        short advertisedMin = served.Length > 1 ? short.Parse(served[1], CultureInfo.InvariantCulture) : versions.Min;
        VersionRange flexible = VersionRange.Parse(Value(file, lines[2], "flexible"), versions.Max).Intersect(versions);
        var parser = new SchemaParser(file, lines, versions) { _at = 3 };
        while (parser._at < lines.Length)
        {
            string section = lines[parser._at++];
            parser._messages.Add(parser.ParseMessage(section switch
            {
                "request" => name + "Request",
                "response" => name + "Response",
                "fields" => name,
                _ => throw parser.Bad(section),
            }));
        }

        return new Schema(kind, name, number, versions, advertisedMin, flexible, parser._messages);
    }

    private static string Value(string file, string line, string key) =>
        line.StartsWith(key + " ", StringComparison.Ordinal) ? line[(key.Length + 1)..] : throw new FormatException($"{file}: '{line}' instead of '{key}'");

    private static int Indent(string line) => (line.Length - line.TrimStart().Length) / 2;

    private StructSchema ParseMessage(string name)
    {
        var message = new StructSchema(name, _versions);
        ParseFields(message, message, 1);
        foreach (FieldSchema field in message.Structs.Values.Append(message).SelectMany(part => part.Fields))
        {
            if (field.IsStruct && !message.Structs.ContainsKey(field.Type))
            {
                throw Bad($"{name}: no type {field.Type}");
            }
        }

        return message;
    }

    private void ParseFields(StructSchema message, StructSchema to, int indent)
    {
        while (_at < _lines.Length && Indent(_lines[_at]) == indent)
        {
            string[] words = _lines[_at++].Trim().Split(' ');
            if (words[0] == "struct")
            {
                ParseStruct(message, words[1], _versions, indent);
                continue;
            }

            FieldSchema field = ParseField(words, to.Versions);
            to.Fields.Add(field);
            if (_at < _lines.Length && Indent(_lines[_at]) > indent)
            {
                ParseStruct(message, field.Type, field.Versions, indent);
            }
        }
    }

    private void ParseStruct(StructSchema message, string name, VersionRange versions, int indent)
    {
        var part = new StructSchema(name, versions);
        if (!message.Structs.TryAdd(name, part))
        {
            throw Bad($"{name} is there twice");
        }

        ParseFields(message, part, indent + 1);
    }

    private FieldSchema ParseField(string[] words, VersionRange outer)
    {
        bool isArray = words[1].StartsWith("[]", StringComparison.Ordinal);
        VersionRange versions = outer;
        VersionRange nullable = VersionRange.None;
        int? tag = null;
        string? byDefault = null;
        bool ignorable = false;
        for (int i = 2; i < words.Length; i++)
        {
            switch (words[i])
            {
                case "null":
                    nullable = i + 1 < words.Length && char.IsAsciiDigit(words[i + 1][0]) ? VersionRange.Parse(words[++i], _versions.Max).Intersect(versions) : versions;
                    break;
                case "tag":
                    tag = int.Parse(words[++i], CultureInfo.InvariantCulture);
                    break;
                case "default":
                    byDefault = words[++i];
                    break;
                case "ignorable":
                    ignorable = true;
                    break;
                case var range when i == 2:
                    versions = VersionRange.Parse(range, _versions.Max);
                    break;
                default:
                    throw Bad(string.Join(' ', words));
            }
        }

        return new FieldSchema(words[0], isArray ? words[1][2..] : words[1], isArray, versions, nullable, tag, byDefault, ignorable);
    }

    private FormatException Bad(string what) => new($"{_file}: '{what}'");
}
