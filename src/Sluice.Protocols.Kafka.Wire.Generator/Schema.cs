namespace Sluice.Protocols.Kafka.Wire.Generator;

internal enum SchemaKind
{
    Api,
    Key,
    Value,
    Embedded,
}

/// <summary>One table: an API with its request and response, or a record.</summary>
/// <param name="Kind">What it describes.</param>
/// <param name="Name">Of the API or the record.</param>
/// <param name="Number">API key, or the number that a record's key begins with.</param>
/// <param name="Versions">All of them.</param>
/// <param name="AdvertisedMin">The first version that brokers claim to serve; the first there is, as a rule.</param>
/// <param name="Flexible">Those with compact lengths and tagged fields.</param>
/// <param name="Messages">Request and response, or the record.</param>
internal sealed record Schema(SchemaKind Kind, string Name, short Number, VersionRange Versions, short AdvertisedMin, VersionRange Flexible, IReadOnlyList<StructSchema> Messages);

/// <summary>A message, or a structure within one.</summary>
internal sealed class StructSchema(string name, VersionRange versions)
{
    public string Name { get; } = name;

    public VersionRange Versions { get; } = versions;

    public List<FieldSchema> Fields { get; } = [];

    /// <summary>Of a message: all structures in it, by name.</summary>
    public Dictionary<string, StructSchema> Structs { get; } = [];
}

/// <summary>A field.</summary>
/// <param name="Name">Of the property.</param>
/// <param name="Type">A primitive's or structure's name.</param>
/// <param name="IsArray">An array of that type.</param>
/// <param name="Versions">Those that have it.</param>
/// <param name="Nullable">Those in which it may be null.</param>
/// <param name="Tag">Its number as a tagged field; null if it is none.</param>
/// <param name="Default">As written in the table; null if it is the type's own.</param>
/// <param name="Ignorable">May be set although the version lacks it.</param>
internal sealed record FieldSchema(string Name, string Type, bool IsArray, VersionRange Versions, VersionRange Nullable, int? Tag, string? Default, bool Ignorable)
{
    public bool IsStruct => !Primitive.All.ContainsKey(Type);

    public bool IsNullable => !Nullable.IsEmpty;

    /// <summary>Absent is null: saves an object per element in the common case.</summary>
    public bool IsAbsentableStruct => IsStruct && !IsArray && Tag is not null;
}

/// <summary>A primitive type of the protocol.</summary>
/// <param name="ClrType">Its C# type.</param>
/// <param name="Method">What follows Read and Write in the name of its methods.</param>
/// <param name="BytesMin">The fewest bytes it takes in versions that are not flexible.</param>
/// <param name="FlexibleBytesMin">The fewest bytes it takes in flexible versions.</param>
/// <param name="TakesFlexible">Its encoding depends on that.</param>
internal sealed record Primitive(string ClrType, string Method, int BytesMin, int FlexibleBytesMin, bool TakesFlexible = false)
{
    public static IReadOnlyDictionary<string, Primitive> All { get; } = new Dictionary<string, Primitive>
    {
        ["bool"] = new("bool", "Bool", 1, 1),
        ["int8"] = new("sbyte", "Int8", 1, 1),
        ["int16"] = new("short", "Int16", 2, 2),
        ["uint16"] = new("ushort", "UInt16", 2, 2),
        ["error"] = new("KafkaErrorCode", "ErrorCode", 2, 2),
        ["int32"] = new("int", "Int32", 4, 4),
        ["int64"] = new("long", "Int64", 8, 8),
        ["float64"] = new("double", "Float64", 8, 8),
        ["uuid"] = new("Guid", "Uuid", 16, 16),
        ["string"] = new("string", "String", 2, 1, TakesFlexible: true),
        ["bytes"] = new("ReadOnlyMemory<byte>", "Bytes", 4, 1, TakesFlexible: true),
        ["records"] = new("RecordsPayload", "Records", 4, 1, TakesFlexible: true),
    };
}
