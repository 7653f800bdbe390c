using System.Buffers.Binary;

namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>Wire types of Protocol Buffers.</summary>
internal enum ProtobufType
{
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// <summary>The fields of one message in Protocol Buffers' encoding, one after the other. Copies nothing.</summary>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message)
{
    private const int VarintBytesMax = 10, TypeBits = 3;

    private ReadOnlySpan<byte> _rest = message;

    /// <summary>The number of the field read last.</summary>
    public int Field { get; private set; }

    public ProtobufType Type { get; private set; }

    /// <summary>Its value, if it is a number of any kind.</summary>
    public ulong Number { get; private set; }

    /// <summary>Its value, if it is a text, bytes or a message.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>Reads the next field; false at the end.</summary>
    /// <exception cref="InvalidDataException">The message is cut short or is none.</exception>
    public bool Read()
    {
        if (_rest.IsEmpty)
        {
            return false;
        }

        ulong tag = ReadVarint();
        if (tag >> TypeBits is 0 or > int.MaxValue)
        {
            throw Invalid();
        }

        (Field, Type, Number) = ((int)(tag >> TypeBits), (ProtobufType)(tag & 7), 0);
        Bytes = default;
        switch (Type)
        {
            case ProtobufType.Varint:
                Number = ReadVarint();
                break;
            case ProtobufType.Fixed64:
                Number = BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));
                break;
            case ProtobufType.Fixed32:
                Number = BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));
                break;
            case ProtobufType.Bytes:
                Bytes = Take(ReadVarint());
                break;
            default:
                throw Invalid();
        }

        return true;
    }

    /// <summary>Whether the field read last is this one.</summary>
    public readonly bool Is(int field, ProtobufType type) => Field == field && Type == type;

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int i = 0; i < VarintBytesMax; i++)
        {
            byte octet = Take(1)[0];
            value |= (ulong)(octet & 0x7F) << (7 * i);
            if (octet < 0x80)
            {
                return value;
            }
        }

        throw Invalid();
    }

    private ReadOnlySpan<byte> Take(ulong count)
    {
        if (count > (ulong)_rest.Length)
        {
            throw Invalid();
        }

        ReadOnlySpan<byte> taken = _rest[..(int)count];
        _rest = _rest[(int)count..];
        return taken;
    }

    private static InvalidDataException Invalid() => new("no message in Protocol Buffers' encoding");
}
