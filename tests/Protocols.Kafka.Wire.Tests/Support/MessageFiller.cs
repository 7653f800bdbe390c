using System.Reflection;
using Sluice.Protocols.Kafka.Wire.Generator;

namespace Sluice.Protocols.Kafka.Wire.Tests.Support;

/// <summary>Makes messages with random values in exactly those fields that a version has.</summary>
internal sealed class MessageFiller(Random random)
{
    private static readonly string[] Texts = ["", "a", "orders", "größe", "日本", new('x', 130)];

    public IKafkaMessage Fill(StructSchema message, short version) => (IKafkaMessage)Fill(message, message, New(message.Name), version);

    /// <summary>An empty message of the table.</summary>
    public static IKafkaMessage New(StructSchema message) => (IKafkaMessage)New(message.Name);

    private static object New(string name) => Activator.CreateInstance(TypeOf(name))!;

    private static Type TypeOf(string name) => typeof(KafkaReader).Assembly.GetType("Sluice.Protocols.Kafka.Wire.Messages." + name, throwOnError: true)!;

    private object Fill(StructSchema message, StructSchema part, object target, short version)
    {
        foreach (FieldSchema field in part.Fields)
        {
            if (field.Versions.Contains(version) && (field.Tag is null || random.Next(3) > 0))
            {
                PropertyInfo property = target.GetType().GetProperty(field.Name)!;
                bool isNull = field.Nullable.Contains(version) && random.Next(4) == 0;
                property.SetValue(target, isNull ? Null(property) : field.IsArray ? Array(message, field, version) : Value(message, field, version));
            }
        }

        return target;
    }

    private static object? Null(PropertyInfo property) => property.PropertyType == typeof(RecordsPayload) ? (object)default(RecordsPayload) : null;

    private Array Array(StructSchema message, FieldSchema field, short version)
    {
        Type element = field.IsStruct ? TypeOf($"{message.Name}+{field.Type}") : Value(message, field, version).GetType();
        var array = System.Array.CreateInstance(element, random.Next(4));
        for (int i = 0; i < array.Length; i++)
        {
            array.SetValue(Value(message, field, version), i);
        }

        return array;
    }

    private object Value(StructSchema message, FieldSchema field, short version) => field.Type switch
    {
        "bool" => random.Next(2) == 1,
        "int8" => (sbyte)random.Next(sbyte.MinValue, sbyte.MaxValue + 1),
        "int16" => (short)random.Next(short.MinValue, short.MaxValue + 1),
        "uint16" => (ushort)random.Next(ushort.MaxValue + 1),
        "error" => (KafkaErrorCode)random.Next(-1, 134),
        "int32" => random.Next(int.MinValue, int.MaxValue),
        "int64" => random.NextInt64(long.MinValue, long.MaxValue),
        "float64" => random.NextDouble() * 1e9,
        "uuid" => new Guid(Bytes(16)),
        "string" => Texts[random.Next(Texts.Length)],
        "bytes" => new ReadOnlyMemory<byte>(Bytes(random.Next(20))),
        "records" => RecordsPayload.FromMemory(Bytes(random.Next(40))),
        _ => Fill(message, message.Structs[field.Type], New($"{message.Name}+{field.Type}"), version),
    };

    private byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }
}
