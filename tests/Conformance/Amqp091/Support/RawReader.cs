using System.Buffers.Binary;
using System.Text;

namespace Sluice.Conformance.Amqp091;

/// <summary>Reads AMQP 0-9-1 field values (section 4.2.5) from a method frame's payload.</summary>
public sealed class RawReader(byte[] bytes, int position)
{
    private int _position = position;

    public byte Octet() => bytes[_position++];

    public ushort Short() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    public uint Long() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public ulong LongLong() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    public string ShortString() => Encoding.UTF8.GetString(Take(Octet()));

    public string LongString() => Encoding.UTF8.GetString(Take((int)Long()));

    public IReadOnlyDictionary<string, object?> Table()
    {
        int end = (int)Long() + _position;
        var table = new Dictionary<string, object?>();
        while (_position < end)
        {
            string name = ShortString();
            table[name] = Value();
        }

        Assert.Equal(end, _position);
        return table;
    }

    private object? Value()
    {
        char type = (char)Octet();
        return type switch
        {
            't' => Octet() != 0,
            'b' => (sbyte)Octet(),
            's' => (short)Short(),
            'I' => (int)Long(),
            'l' => (long)LongLong(),
            'S' => LongString(),
            'F' => Table(),
            'V' => null,
            _ => throw new InvalidDataException($"field type '{type}' is not expected here"),
        };
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        ReadOnlySpan<byte> span = bytes.AsSpan(_position, count);
        _position += count;
        return span;
    }
}
