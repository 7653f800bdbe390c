using System.Text;
using System.Text.Unicode;
using Sluice.Broker.Definitions;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091;

/// <summary>Field tables as the broker's <see cref="Arguments"/> and back.</summary>
public static class ArgumentTable
{
    /// <summary>Reads well-formed table entries. Integers of all widths become long, float becomes double, timestamps become <see cref="DateTimeOffset"/>.</summary>
    /// <exception cref="AmqpException">A name is not UTF-8 or a timestamp is out of range.</exception>
    public static Arguments Read(ReadOnlySpan<byte> entries)
    {
        if (entries.IsEmpty)
        {
            return Arguments.Empty;
        }

        var values = new Dictionary<string, object?>(StringComparer.Ordinal);
        var reader = new FieldTableReader(entries);
        while (reader.TryRead(out ReadOnlySpan<byte> name, out FieldValue value))
        {
            if (!Utf8.IsValid(name))
            {
                throw new AmqpException(ReplyCode.SyntaxError, "a field name is not UTF-8");
            }

            values[Encoding.UTF8.GetString(name)] = ReadValue(value);
        }

        return new Arguments(values);
    }

    /// <summary>Appends all entries to the builder.</summary>
    public static void Write(Arguments arguments, TableBuilder to)
    {
        foreach ((string name, object? value) in arguments.Items)
        {
            to.Name(Encoding.UTF8.GetBytes(name));
            WriteValue(value, to);
        }
    }

    private static object? ReadValue(in FieldValue value)
    {
        if (value.TryGetInteger(out long integer))
        {
            return integer;
        }

        return value.Type switch
        {
            FieldType.Boolean => value.AsBoolean,
            FieldType.Float or FieldType.Double => value.AsDouble,
            FieldType.Decimal => ReadDecimal(value),
            FieldType.Timestamp => ReadTimestamp(value.AsTimestamp),
            FieldType.LongString => Utf8.IsValid(value.Bytes) ? Encoding.UTF8.GetString(value.Bytes) : value.Bytes.ToArray(),
            FieldType.Octets => value.Bytes.ToArray(),
            FieldType.Table => Read(value.Bytes),
            FieldType.Array => ReadArray(value.Bytes),
            _ => null,
        };
    }

    private static object?[] ReadArray(ReadOnlySpan<byte> items)
    {
        var list = new List<object?>();
        var reader = new FieldArrayReader(items);
        while (reader.TryRead(out FieldValue item))
        {
            list.Add(ReadValue(item));
        }

        return [.. list];
    }

    private static object ReadDecimal(in FieldValue value) =>
        value.Scale <= 28 ? new decimal((int)value.Unscaled, 0, 0, isNegative: false, value.Scale) : 0m;

    private static object ReadTimestamp(ulong seconds) =>
        seconds <= (ulong)DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? DateTimeOffset.FromUnixTimeSeconds((long)seconds)
            : throw new AmqpException(ReplyCode.SyntaxError, $"timestamp {seconds} is out of range: seconds since 1970 are expected");

    private static void WriteValue(object? value, TableBuilder to)
    {
        switch (value)
        {
            case null:
                to.ItemVoid();
                break;
            case bool flag:
                to.Item(flag);
                break;
            case long number:
                to.Item(number);
                break;
            case double number:
                to.Item(number);
                break;
            case string text:
                to.Item(text);
                break;
            case byte[] octets:
                to.ItemOctets(octets);
                break;
            case decimal number:
                to.Item((double)number);
                break;
            case DateTimeOffset time:
                to.ItemTimestamp((ulong)time.ToUnixTimeSeconds());
                break;
            case Arguments nested:
                to.BeginItem(FieldType.Table);
                Write(nested, to);
                to.End();
                break;
            case IReadOnlyList<object?> list:
                to.BeginItem(FieldType.Array);
                foreach (object? item in list)
                {
                    WriteValue(item, to);
                }

                to.End();
                break;
            default:
                throw new ArgumentException($"a value of type {value.GetType().Name} has no place in a field table", nameof(value));
        }
    }
}
