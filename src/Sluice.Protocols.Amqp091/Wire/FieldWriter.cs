using System.Buffers.Binary;

namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>Writes fields into a span that the caller has measured (<see cref="IMethod.Size"/>).</summary>
public ref struct FieldWriter
{
    private readonly Span<byte> _target;
    private int _index;

    public FieldWriter(Span<byte> target) => _target = target;

    public readonly int Written => _index;

    public void WriteOctet(byte value) => _target[_index++] = value;

    public void WriteShort(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_target[_index..], value);
        _index += 2;
    }

    public void WriteLong(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_target[_index..], value);
        _index += 4;
    }

    public void WriteLongLong(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_target[_index..], value);
        _index += 8;
    }

    /// <exception cref="ArgumentOutOfRangeException">Longer than 255 octets.</exception>
    public void WriteShortString(ReadOnlySpan<byte> text)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(text.Length, byte.MaxValue);
        _target[_index] = (byte)text.Length;
        text.CopyTo(_target[(_index + 1)..]);
        _index += 1 + text.Length;
    }

    public void WriteLongString(ReadOnlySpan<byte> bytes)
    {
        WriteLong((uint)bytes.Length);
        WriteBytes(bytes);
    }

    /// <summary>A table from its encoded entries.</summary>
    public void WriteTable(ReadOnlySpan<byte> entries) => WriteLongString(entries);

    public void WriteBytes(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_target[_index..]);
        _index += bytes.Length;
    }
}
