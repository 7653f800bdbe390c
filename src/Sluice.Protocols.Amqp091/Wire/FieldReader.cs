using System.Buffers.Binary;
using System.Text.Unicode;

namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>Reads the fields of one method's arguments (4.2.5). Everything it hands out is borrowed from the span.</summary>
public ref struct FieldReader
{
    private ReadOnlySpan<byte> _rest;

    public FieldReader(ReadOnlySpan<byte> arguments) => _rest = arguments;

    public byte ReadOctet() => Take(1)[0];

    public ushort ReadShort() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    public uint ReadLong() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public ulong ReadLongLong() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    /// <summary>Up to 255 octets of UTF-8; checked.</summary>
    public ReadOnlySpan<byte> ReadShortString()
    {
        ReadOnlySpan<byte> text = Take(Take(1)[0]);
        if (!Utf8.IsValid(text))
        {
            AmqpException.ThrowFrame("Malformed UTF-8 in shortstr");
        }

        return text;
    }

    /// <summary>Any octets.</summary>
    public ReadOnlySpan<byte> ReadLongString()
    {
        uint length = ReadLong();
        if (length > (uint)_rest.Length)
        {
            AmqpException.ThrowFrame("method arguments end within a long string or table");
        }

        return Take((int)length);
    }

    /// <summary>A table's entries without its length; checked to be well-formed.</summary>
    public ReadOnlySpan<byte> ReadTable()
    {
        ReadOnlySpan<byte> table = ReadLongString();
        FieldTable.Check(table);
        return table;
    }

    /// <summary>Nothing may follow the last field.</summary>
    public readonly void End()
    {
        if (!_rest.IsEmpty)
        {
            AmqpException.ThrowFrame($"{_rest.Length} octets follow the method's last argument");
        }
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (_rest.Length < count)
        {
            AmqpException.ThrowFrame("method arguments end too early");
        }

        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
