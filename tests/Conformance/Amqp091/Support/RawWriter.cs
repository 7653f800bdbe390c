using System.Buffers.Binary;
using System.Text;

namespace Sluice.Conformance.Amqp091;

/// <summary>Writes AMQP 0-9-1 field values (section 4.2.5).</summary>
public sealed class RawWriter
{
    private readonly MemoryStream _bytes = new();

    public RawWriter Octet(byte value)
    {
        _bytes.WriteByte(value);
        return this;
    }

    public RawWriter Short(ushort value)
    {
        Span<byte> buffer = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(buffer, value);
        return Raw(buffer);
    }

    public RawWriter Long(uint value)
    {
        Span<byte> buffer = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(buffer, value);
        return Raw(buffer);
    }

    public RawWriter LongLong(ulong value)
    {
        Span<byte> buffer = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(buffer, value);
        return Raw(buffer);
    }

    public RawWriter ShortString(string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        return Octet((byte)bytes.Length).Raw(bytes);
    }

    public RawWriter LongString(string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        return Long((uint)bytes.Length).Raw(bytes);
    }

    /// <summary>A field table: its length, then the entries that <paramref name="entries"/> writes.</summary>
    public RawWriter Table(Action<RawWriter>? entries = null)
    {
        var inner = new RawWriter();
        entries?.Invoke(inner);
        byte[] bytes = inner.ToArray();
        return Long((uint)bytes.Length).Raw(bytes);
    }

    /// <summary>A table entry of type long string.</summary>
    public RawWriter Entry(string name, string value) => ShortString(name).Octet((byte)'S').LongString(value);

    /// <summary>A table entry of type boolean.</summary>
    public RawWriter Entry(string name, bool value) => ShortString(name).Octet((byte)'t').Octet(value ? (byte)1 : (byte)0);

    /// <summary>A table entry that is itself a table.</summary>
    public RawWriter Entry(string name, Action<RawWriter> table) => ShortString(name).Octet((byte)'F').Table(table);

    public RawWriter Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.Write(bytes);
        return this;
    }

    public byte[] ToArray() => _bytes.ToArray();
}
