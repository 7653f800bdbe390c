using System.Buffers.Binary;
using System.Text;

namespace Sluice.TestKit.Telemetry;

/// <summary>OpenTelemetry's MetricsData as clients push it, and any other message in Protocol Buffers' encoding.</summary>
public static class Otlp
{
    /// <summary>A message of fields in this order: a text, bytes, a whole number as varint, a <see cref="double"/> or <see cref="ulong"/> in eight octets.</summary>
    public static byte[] Message(params (int Field, object Value)[] fields)
    {
        var bytes = new List<byte>();
        foreach ((int field, object value) in fields)
        {
            switch (value)
            {
                case string text:
                    AddBytes(field, Encoding.UTF8.GetBytes(text));
                    break;
                case byte[] inner:
                    AddBytes(field, inner);
                    break;
                case double number:
                    AddFixed(field, BitConverter.DoubleToUInt64Bits(number));
                    break;
                case ulong number:
                    AddFixed(field, number);
                    break;
                default:
                    AddVarint((ulong)field << 3);
                    AddVarint((ulong)Convert.ToInt64(value));
                    break;
            }
        }

        return [.. bytes];

        void AddBytes(int field, byte[] value)
        {
            AddVarint(((ulong)field << 3) | 2);
            AddVarint((ulong)value.Length);
            bytes.AddRange(value);
        }

        void AddFixed(int field, ulong value)
        {
            AddVarint(((ulong)field << 3) | 1);
            byte[] octets = new byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64LittleEndian(octets, value);
            bytes.AddRange(octets);
        }

        void AddVarint(ulong value)
        {
            for (; value >= 0x80; value >>= 7)
            {
                bytes.Add((byte)(value | 0x80));
            }

            bytes.Add((byte)value);
        }
    }

    /// <summary>MetricsData of one client, which says this of itself.</summary>
    public static byte[] Data((string Key, string Value)[] client, params byte[][] metrics) => Message(
        (1, Message(
            (1, Message([.. client.Select(static attribute => (1, (object)Attribute(attribute.Key, attribute.Value)))])),
            (2, Message([(1, Message((1, "scope"))), .. metrics.Select(static metric => (2, (object)metric))])))));

    /// <summary>A metric of the moment.</summary>
    public static byte[] Gauge(string name, double value, params (string Key, string Value)[] attributes) =>
        Message((1, name), (2, "description"), (3, "1"), (5, Message((1, Point(value, attributes)))));

    /// <summary>A metric that is summed up.</summary>
    public static byte[] Sum(string name, double value, bool isDelta = false, params (string Key, string Value)[] attributes) =>
        Message((1, name), (7, Message((1, Point(value, attributes)), (2, isDelta ? 1 : 2), (3, true))));

    /// <summary>A NumberDataPoint.</summary>
    public static byte[] Point(double value, params (string Key, string Value)[] attributes) =>
        Message([(2, 1ul), (3, 2ul), (4, value), .. attributes.Select(static attribute => (7, (object)Attribute(attribute.Key, attribute.Value)))]);

    /// <summary>A KeyValue.</summary>
    public static byte[] Attribute(string key, string value) => Message((1, key), (2, Message((1, value))));
}
