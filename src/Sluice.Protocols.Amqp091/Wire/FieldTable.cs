using System.Buffers.Binary;

namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>
/// Field tables and arrays (4.2.5.5) with RabbitMQ's value types:
/// t bool, b/B 8 bit, s/u 16 bit, I/i 32 bit, l and L both signed 64 bit, f/d float and double, D decimal, S long string,
/// x octets, A array, T timestamp, F table, V void.
/// </summary>
public static class FieldTable
{
    /// <summary>Deepest nesting of tables and arrays that is read.</summary>
    public const int NestingMax = 32;

    /// <summary>Checks that entries, names and nested values lie exactly within the bytes.</summary>
    /// <exception cref="AmqpException">They do not, or nest deeper than <see cref="NestingMax"/>.</exception>
    public static void Check(ReadOnlySpan<byte> table) => CheckTable(table, 1);

    private static void CheckTable(ReadOnlySpan<byte> table, int depth)
    {
        var reader = new FieldTableReader(table);
        while (reader.TryRead(out _, out FieldValue value))
        {
            CheckNested(value, depth);
        }
    }

    private static void CheckNested(in FieldValue value, int depth)
    {
        if (value.Type is not (FieldType.Table or FieldType.Array))
        {
            return;
        }

        if (depth == NestingMax)
        {
            AmqpException.ThrowSyntax($"tables and arrays nest deeper than {NestingMax}");
        }

        if (value.Type == FieldType.Table)
        {
            CheckTable(value.Bytes, depth + 1);
            return;
        }

        var array = new FieldArrayReader(value.Bytes);
        while (array.TryRead(out FieldValue item))
        {
            CheckNested(item, depth + 1);
        }
    }

    /// <summary>Reads one value that begins with its type octet.</summary>
    internal static FieldValue ReadValue(scoped ref ReadOnlySpan<byte> rest)
    {
        if (rest.IsEmpty)
        {
            AmqpException.ThrowSyntax("a table ends where a value's type must be");
        }

        var type = (FieldType)rest[0];
        rest = rest[1..];
        int size = type switch
        {
            FieldType.Boolean or FieldType.Int8 or FieldType.UInt8 => 1,
            FieldType.Int16 or FieldType.UInt16 => 2,
            FieldType.Int32 or FieldType.UInt32 or FieldType.Float => 4,
            FieldType.Int64 or FieldType.Long or FieldType.Double or FieldType.Timestamp => 8,
            FieldType.Decimal => 5,
            FieldType.Void => 0,
            FieldType.LongString or FieldType.Octets or FieldType.Table or FieldType.Array => ReadLength(ref rest),
            _ => -1,
        };
        if (size < 0)
        {
            AmqpException.ThrowSyntax($"unknown table value type {(byte)type}");
        }

        if (size > rest.Length)
        {
            AmqpException.ThrowSyntax("a table value is longer than its table");
        }

        var value = new FieldValue(type, rest[..size]);
        rest = rest[size..];
        return value;
    }

    private static int ReadLength(scoped ref ReadOnlySpan<byte> rest)
    {
        if (rest.Length < 4 || BinaryPrimitives.ReadUInt32BigEndian(rest) > (uint)(rest.Length - 4))
        {
            AmqpException.ThrowSyntax("a table value is longer than its table");
        }

        int length = (int)BinaryPrimitives.ReadUInt32BigEndian(rest);
        rest = rest[4..];
        return length;
    }
}

/// <summary>Type octets of table values.</summary>
public enum FieldType : byte
{
    Boolean = (byte)'t',
    Int8 = (byte)'b',
    UInt8 = (byte)'B',
    Int16 = (byte)'s',
    UInt16 = (byte)'u',
    Int32 = (byte)'I',
    UInt32 = (byte)'i',
    Int64 = (byte)'l',

    /// <summary>'L', signed as RabbitMQ has it (the specification's grammar and errata disagree).</summary>
    Long = (byte)'L',
    Float = (byte)'f',
    Double = (byte)'d',
    Decimal = (byte)'D',
    LongString = (byte)'S',
    Octets = (byte)'x',
    Array = (byte)'A',
    Timestamp = (byte)'T',
    Table = (byte)'F',
    Void = (byte)'V',
}

/// <summary>One value: type and payload without length.</summary>
public readonly ref struct FieldValue
{
    internal FieldValue(FieldType type, ReadOnlySpan<byte> bytes)
    {
        Type = type;
        Bytes = bytes;
    }

    public FieldType Type { get; }

    public ReadOnlySpan<byte> Bytes { get; }

    public bool AsBoolean => Bytes[0] != 0;

    public double AsDouble => Type == FieldType.Float ? BinaryPrimitives.ReadSingleBigEndian(Bytes) : BinaryPrimitives.ReadDoubleBigEndian(Bytes);

    /// <summary>Seconds since 1970 as sent.</summary>
    public ulong AsTimestamp => BinaryPrimitives.ReadUInt64BigEndian(Bytes);

    /// <summary>Decimal: number of decimal places.</summary>
    public byte Scale => Bytes[0];

    /// <summary>Decimal: the digits.</summary>
    public uint Unscaled => BinaryPrimitives.ReadUInt32BigEndian(Bytes[1..]);

    /// <summary>Any of the integer types; false for others.</summary>
    public bool TryGetInteger(out long value)
    {
        switch (Type)
        {
            case FieldType.Int8:
                value = (sbyte)Bytes[0];
                return true;
            case FieldType.UInt8:
                value = Bytes[0];
                return true;
            case FieldType.Int16:
                value = BinaryPrimitives.ReadInt16BigEndian(Bytes);
                return true;
            case FieldType.UInt16:
                value = BinaryPrimitives.ReadUInt16BigEndian(Bytes);
                return true;
            case FieldType.Int32:
                value = BinaryPrimitives.ReadInt32BigEndian(Bytes);
                return true;
            case FieldType.UInt32:
                value = BinaryPrimitives.ReadUInt32BigEndian(Bytes);
                return true;
            case FieldType.Int64 or FieldType.Long:
                value = BinaryPrimitives.ReadInt64BigEndian(Bytes);
                return true;
            default:
                value = 0;
                return false;
        }
    }
}

/// <summary>Walks the entries of a table.</summary>
public ref struct FieldTableReader
{
    private ReadOnlySpan<byte> _rest;

    public FieldTableReader(ReadOnlySpan<byte> table) => _rest = table;

    /// <summary>The next entry; false at the end.</summary>
    public bool TryRead(out ReadOnlySpan<byte> name, out FieldValue value)
    {
        if (_rest.IsEmpty)
        {
            name = default;
            value = default;
            return false;
        }

        int length = _rest[0];
        if (_rest.Length < 1 + length)
        {
            AmqpException.ThrowSyntax("a table ends within a field name");
        }

        name = _rest.Slice(1, length);
        _rest = _rest[(1 + length)..];
        value = FieldTable.ReadValue(ref _rest);
        return true;
    }
}

/// <summary>Walks the items of an array.</summary>
public ref struct FieldArrayReader
{
    private ReadOnlySpan<byte> _rest;

    public FieldArrayReader(ReadOnlySpan<byte> array) => _rest = array;

    /// <summary>The next item; false at the end.</summary>
    public bool TryRead(out FieldValue value)
    {
        if (_rest.IsEmpty)
        {
            value = default;
            return false;
        }

        value = FieldTable.ReadValue(ref _rest);
        return true;
    }
}
