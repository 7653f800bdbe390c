using System.Buffers.Binary;
using System.Text;

namespace Sluice.LoadGenerator.Client;

/// <summary>Reads the fields of a method or content header in order. Throws <see cref="AmqpProtocolException"/> when they run out.</summary>
public ref struct FieldReader(ReadOnlySpan<byte> fields)
{
    private ReadOnlySpan<byte> _rest = fields;

    public byte Octet() => Take(1)[0];

    public ushort Short() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    public uint Long() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public ulong LongLong() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    public string ShortString() => Encoding.UTF8.GetString(Take(Octet()));

    public ReadOnlySpan<byte> LongString() => Take(checked((int)Long()));

    public Dictionary<string, object?> Table()
    {
        FieldReader inner = new(LongString());
        Dictionary<string, object?> table = [];
        while (!inner._rest.IsEmpty)
        {
            table[inner.ShortString()] = inner.Value();
        }

        return table;
    }

    private object? Value()
    {
        byte kind = Octet();
        switch ((char)kind)
        {
            case 'V':
                return null;
            case 't':
                return Octet() != 0;
            case 'b':
                return (long)(sbyte)Octet();
            case 'B':
                return (long)Octet();
            case 's':
                return (long)(short)Short();
            case 'u':
                return (long)Short();
            case 'I':
                return (long)(int)Long();
            case 'i':
                return (long)Long();
            case 'l':
                return (long)LongLong();
            case 'f':
                return (double)BitConverter.UInt32BitsToSingle(Long());
            case 'd':
                return BitConverter.UInt64BitsToDouble(LongLong());
            case 'D':
                byte scale = Octet();
                return (double)(int)Long() / Math.Pow(10, scale);
            case 'S':
                return Encoding.UTF8.GetString(LongString());
            case 'x':
                return LongString().ToArray();
            case 'T':
                return DateTimeOffset.FromUnixTimeSeconds((long)LongLong());
            case 'F':
                return Table();
            case 'A':
                FieldReader inner = new(LongString());
                List<object?> list = [];
                while (!inner._rest.IsEmpty)
                {
                    list.Add(inner.Value());
                }

                return list;
            default:
                throw new AmqpProtocolException($"The server sent a table value of unknown type '{(char)kind}'.");
        }
    }

    private ReadOnlySpan<byte> Take(int bytes)
    {
        if (bytes > _rest.Length)
        {
            throw new AmqpProtocolException("The server sent a method or header that ends in the middle of a field.");
        }

        ReadOnlySpan<byte> taken = _rest[..bytes];
        _rest = _rest[bytes..];
        return taken;
    }
}
