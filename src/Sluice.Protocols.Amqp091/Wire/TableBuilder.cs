using System.Buffers.Binary;
using System.Text;

namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>Builds the entries of a table, nested ones included, in a buffer that grows and is reused. Not thread-safe.</summary>
public sealed class TableBuilder
{
    private readonly Stack<int> _open = new();
    private byte[] _bytes = new byte[256];
    private int _length;

    /// <summary>The encoded entries, without the outermost length; borrowed until the next change.</summary>
    public ReadOnlySpan<byte> Entries => _open.Count == 0 ? _bytes.AsSpan(0, _length) : throw new InvalidOperationException("a nested table or array is still open");

    public TableBuilder Clear()
    {
        _length = 0;
        _open.Clear();
        return this;
    }

    public TableBuilder Add(ReadOnlySpan<byte> name, bool value) => Name(name).Item(value);

    public TableBuilder Add(ReadOnlySpan<byte> name, long value) => Name(name).Item(value);

    public TableBuilder Add(ReadOnlySpan<byte> name, double value) => Name(name).Item(value);

    public TableBuilder Add(ReadOnlySpan<byte> name, string value) => Name(name).Item(value);

    /// <summary>An entry whose value is copied as it is.</summary>
    public TableBuilder Add(ReadOnlySpan<byte> name, in FieldValue value) => Name(name).Item(value);

    /// <summary>A timestamp in seconds since 1970.</summary>
    public TableBuilder AddTimestamp(ReadOnlySpan<byte> name, ulong seconds) => Name(name).ItemTimestamp(seconds);

    public TableBuilder BeginTable(ReadOnlySpan<byte> name) => Name(name).BeginItem(FieldType.Table);

    public TableBuilder BeginArray(ReadOnlySpan<byte> name) => Name(name).BeginItem(FieldType.Array);

    /// <summary>Begins a table or array as an item of an array.</summary>
    public TableBuilder BeginItem(FieldType type)
    {
        Type(type);
        _open.Push(_length);
        Reserve(4);
        return this;
    }

    /// <summary>Ends the innermost open table or array.</summary>
    public TableBuilder End()
    {
        int start = _open.Pop();
        BinaryPrimitives.WriteInt32BigEndian(_bytes.AsSpan(start), _length - start - 4);
        return this;
    }

    /// <summary>An array's item.</summary>
    public TableBuilder Item(bool value)
    {
        Type(FieldType.Boolean);
        Reserve(1)[0] = value ? (byte)1 : (byte)0;
        return this;
    }

    /// <summary>An array's item.</summary>
    public TableBuilder Item(long value)
    {
        Type(FieldType.Int64);
        BinaryPrimitives.WriteInt64BigEndian(Reserve(8), value);
        return this;
    }

    /// <summary>An array's item.</summary>
    public TableBuilder Item(double value)
    {
        Type(FieldType.Double);
        BinaryPrimitives.WriteDoubleBigEndian(Reserve(8), value);
        return this;
    }

    /// <summary>An array's item.</summary>
    public TableBuilder Item(string value)
    {
        Type(FieldType.LongString);
        int length = Encoding.UTF8.GetByteCount(value);
        BinaryPrimitives.WriteInt32BigEndian(Reserve(4), length);
        Encoding.UTF8.GetBytes(value, Reserve(length));
        return this;
    }

    /// <summary>An array's item: seconds since 1970.</summary>
    public TableBuilder ItemTimestamp(ulong seconds)
    {
        Type(FieldType.Timestamp);
        BinaryPrimitives.WriteUInt64BigEndian(Reserve(8), seconds);
        return this;
    }

    /// <summary>An array's item without a value.</summary>
    public TableBuilder ItemVoid()
    {
        Type(FieldType.Void);
        return this;
    }

    /// <summary>An array's item.</summary>
    public TableBuilder ItemOctets(ReadOnlySpan<byte> octets)
    {
        Type(FieldType.Octets);
        BinaryPrimitives.WriteInt32BigEndian(Reserve(4), octets.Length);
        octets.CopyTo(Reserve(octets.Length));
        return this;
    }

    /// <summary>An array's item that is text in UTF-8 already.</summary>
    public TableBuilder ItemText(ReadOnlySpan<byte> utf8)
    {
        Type(FieldType.LongString);
        BinaryPrimitives.WriteInt32BigEndian(Reserve(4), utf8.Length);
        utf8.CopyTo(Reserve(utf8.Length));
        return this;
    }

    /// <summary>An array's item, copied as it is.</summary>
    public TableBuilder Item(in FieldValue value)
    {
        Type(value.Type);
        if (value.Type is FieldType.LongString or FieldType.Octets or FieldType.Table or FieldType.Array)
        {
            BinaryPrimitives.WriteInt32BigEndian(Reserve(4), value.Bytes.Length);
        }

        value.Bytes.CopyTo(Reserve(value.Bytes.Length));
        return this;
    }

    /// <summary>A table entry's name; its value must follow.</summary>
    public TableBuilder Name(ReadOnlySpan<byte> name)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(name.Length, byte.MaxValue);
        Reserve(1)[0] = (byte)name.Length;
        name.CopyTo(Reserve(name.Length));
        return this;
    }

    private void Type(FieldType type) => Reserve(1)[0] = (byte)type;

    private Span<byte> Reserve(int count)
    {
        if (_bytes.Length - _length < count)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + count));
        }

        Span<byte> reserved = _bytes.AsSpan(_length, count);
        _length += count;
        return reserved;
    }
}
