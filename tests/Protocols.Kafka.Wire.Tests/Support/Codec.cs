using System.Collections;
using System.Reflection;
using System.Text;
using Sluice.Base.Buffers;

namespace Sluice.Protocols.Kafka.Wire.Tests.Support;

/// <summary>Messages to bytes and back, and to text for comparison.</summary>
internal static class Codec
{
    public static BufferPool Pool { get; } = new();

    public static byte[] Write(IKafkaMessage message, short version) => Write(writer => message.Write(writer, version));

    public static byte[] Write(Action<KafkaWriter> write)
    {
        using var writer = new KafkaWriter(Pool);
        write(writer);
        Assert.Equal(writer.TotalBytes, writer.ToArray().Length);
        return writer.ToArray();
    }

    /// <summary>Reads all of the bytes.</summary>
    public static T Read<T>(T message, ReadOnlyMemory<byte> bytes, short version)
        where T : IKafkaMessage
    {
        var reader = new KafkaReader(bytes);
        message.Read(ref reader, version);
        reader.End();
        return message;
    }

    /// <summary>All properties, deep.</summary>
    public static string Dump(object? value)
    {
        var text = new StringBuilder();
        Dump(value, text);
        return text.ToString();
    }

    private static void Dump(object? value, StringBuilder to)
    {
        switch (value)
        {
            case null:
                to.Append("null");
                break;
            case string or ValueType and not ReadOnlyMemory<byte> and not RecordsPayload:
                to.Append('\'').Append(value).Append('\'');
                break;
            case ReadOnlyMemory<byte> bytes:
                to.Append(Convert.ToHexString(bytes.Span));
                break;
            case RecordsPayload records:
                to.Append(records.IsNull ? "null" : "records " + Convert.ToHexString(records.Memory.Span));
                break;
            case IEnumerable items:
                to.Append('[');
                foreach (object? item in items)
                {
                    Dump(item, to);
                    to.Append(' ');
                }

                to.Append(']');
                break;
            default:
                to.Append('{');
                foreach (PropertyInfo property in value.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
                {
                    to.Append(property.Name).Append('=');
                    Dump(property.GetValue(value), to);
                    to.Append(' ');
                }

                to.Append('}');
                break;
        }
    }
}
