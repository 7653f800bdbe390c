using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;

namespace Sluice.Protocols.Kafka.Wire;

/// <summary>
/// Reads the primitive types of the Kafka protocol from one complete frame (without its size field). Never reads past the frame, and allocates
/// nothing whose size the remaining bytes do not bear out. Byte fields are slices of the frame, not copies: they live as long as it does.
/// </summary>
/// <remarks>"Flexible" versions of a message write lengths as variable-length integers (KIP-482); the others as fixed ones, where -1 means null.</remarks>
public ref struct KafkaReader
{
    /// <summary>How many structures the arrays of one message may have in all, if nothing else is said: they cost more memory than bytes on the wire.</summary>
    public const int StructsMaxDefault = 1 << 20;

    private readonly ReadOnlyMemory<byte> _memory;
    private readonly ReadOnlySpan<byte> _span;
    private readonly int _structsMax;
    private int _position;
    private int _structs;

    /// <param name="frame">The whole frame after its size field.</param>
    /// <param name="structsMax">How many structures the arrays in it may have in all.</param>
    public KafkaReader(ReadOnlyMemory<byte> frame, int structsMax = StructsMaxDefault)
    {
        _memory = frame;
        _span = frame.Span;
        _structsMax = structsMax;
    }

    /// <summary>Bytes read so far.</summary>
    public readonly int Position => _position;

    /// <summary>Bytes not read yet.</summary>
    public readonly int Remaining => _span.Length - _position;

    /// <summary>Nothing may follow what was read.</summary>
    public readonly void End()
    {
        if (Remaining != 0)
        {
            KafkaParseException.ThrowRest(Remaining);
        }
    }

    public sbyte ReadInt8() => (sbyte)Take(1)[0];

    /// <summary>Any octet but 0 is true.</summary>
    public bool ReadBool() => Take(1)[0] != 0;

    public short ReadInt16() => BinaryPrimitives.ReadInt16BigEndian(Take(2));

    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    public KafkaErrorCode ReadErrorCode() => (KafkaErrorCode)ReadInt16();

    public int ReadInt32() => BinaryPrimitives.ReadInt32BigEndian(Take(4));

    public long ReadInt64() => BinaryPrimitives.ReadInt64BigEndian(Take(8));

    public double ReadFloat64() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    public Guid ReadUuid() => new(Take(16), bigEndian: true);

    /// <summary>Seven bits an octet, the lowest first; five octets at most.</summary>
    public uint ReadUnsignedVarint()
    {
        uint octet = Take(1)[0];
        if (octet < 0x80)
        {
            return octet;
        }

        uint value = octet & 0x7F;
        for (int shift = 7; shift < 28; shift += 7)
        {
            octet = Take(1)[0];
            value |= (octet & 0x7F) << shift;
            if (octet < 0x80)
            {
                return value;
            }
        }

        octet = Take(1)[0];
        if (octet > 0x0F)
        {
            KafkaParseException.ThrowVarint();
        }

        return value | (octet << 28);
    }

    /// <summary>Zigzag: small numbers of either sign are short.</summary>
    public int ReadVarint()
    {
        uint value = ReadUnsignedVarint();
        return (int)(value >> 1) ^ -(int)(value & 1);
    }

    /// <summary>Zigzag of 64 bits; ten octets at most.</summary>
    public long ReadVarlong()
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            ulong octet = Take(1)[0];
            if (shift == 63 && octet > 1)
            {
                KafkaParseException.ThrowVarint();
            }

            value |= (octet & 0x7F) << shift;
            if (octet < 0x80)
            {
                return (long)(value >> 1) ^ -(long)(value & 1);
            }
        }
    }

    public string ReadString(bool flexible)
    {
        string? value = ReadNullableString(flexible);
        if (value is null)
        {
            KafkaParseException.ThrowNull("a string");
        }

        return value;
    }

    public string? ReadNullableString(bool flexible)
    {
        long length = flexible ? (long)ReadUnsignedVarint() - 1 : ReadInt16();
        if (length is > short.MaxValue or < -1)
        {
            KafkaParseException.ThrowLength("a string", length);
        }

        if (length <= 0)
        {
            return length == 0 ? "" : null;
        }

        ReadOnlySpan<byte> text = Take((int)length);
        if (!Utf8.IsValid(text))
        {
            KafkaParseException.ThrowUtf8();
        }

        return Encoding.UTF8.GetString(text);
    }

    public ReadOnlyMemory<byte> ReadBytes(bool flexible)
    {
        int length = ReadLength(flexible);
        if (length < 0)
        {
            KafkaParseException.ThrowNull("bytes");
        }

        return TakeMemory(length);
    }

    public ReadOnlyMemory<byte>? ReadNullableBytes(bool flexible)
    {
        int length = ReadLength(flexible);

        // A bare null would become empty memory: there is a conversion from byte[].
        return length < 0 ? default(ReadOnlyMemory<byte>?) : TakeMemory(length);
    }

    public RecordsPayload ReadRecords(bool flexible)
    {
        RecordsPayload records = ReadNullableRecords(flexible);
        if (records.IsNull)
        {
            KafkaParseException.ThrowNull("records");
        }

        return records;
    }

    public RecordsPayload ReadNullableRecords(bool flexible)
    {
        int length = ReadLength(flexible);
        return length < 0 ? default : RecordsPayload.FromMemory(TakeMemory(length));
    }

    /// <summary>Whether a nullable structure follows (KIP-893: an octet below 0 stands for null).</summary>
    public bool ReadPresence() => ReadInt8() >= 0;

    /// <summary>How many elements an array has. So many are possible with the bytes left.</summary>
    /// <param name="flexible">See the remarks of this type.</param>
    /// <param name="elementBytesMin">The fewest bytes that an element takes.</param>
    public int ReadArrayLength(bool flexible, int elementBytesMin)
    {
        int length = ReadNullableArrayLength(flexible, elementBytesMin);
        if (length < 0)
        {
            KafkaParseException.ThrowNull("an array");
        }

        return length;
    }

    /// <summary>Like <see cref="ReadArrayLength"/>; -1 for null.</summary>
    public int ReadNullableArrayLength(bool flexible, int elementBytesMin)
    {
        long length = flexible ? (long)ReadUnsignedVarint() - 1 : ReadInt32();
        if (length < -1)
        {
            KafkaParseException.ThrowLength("an array", length);
        }

        if (length * elementBytesMin > Remaining)
        {
            KafkaParseException.ThrowEnd(length * elementBytesMin, Remaining);
        }

        return (int)length;
    }

    /// <summary>Counts structures against the most that a message may have; called before they are allocated.</summary>
    public void CountStructs(int count)
    {
        if (count > _structsMax - _structs)
        {
            KafkaParseException.ThrowStructs(_structsMax);
        }

        _structs += count;
    }

    public sbyte[] ReadInt8s(int length) => length == 0 ? [] : MemoryMarshal.Cast<byte, sbyte>(Take(length)).ToArray();

    public short[] ReadInt16s(int length)
    {
        short[] values = length == 0 ? [] : new short[length];
        BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<byte, short>(Take(checked(length * sizeof(short)))), values);
        return values;
    }

    public int[] ReadInt32s(int length)
    {
        int[] values = length == 0 ? [] : new int[length];
        BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<byte, int>(Take(checked(length * sizeof(int)))), values);
        return values;
    }

    public long[] ReadInt64s(int length)
    {
        long[] values = length == 0 ? [] : new long[length];
        BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<byte, long>(Take(checked(length * sizeof(long)))), values);
        return values;
    }

    public Guid[] ReadUuids(int length)
    {
        Guid[] values = length == 0 ? [] : new Guid[length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = ReadUuid();
        }

        return values;
    }

    public string[] ReadStrings(int length, bool flexible)
    {
        CountStructs(length);
        string[] values = length == 0 ? [] : new string[length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = ReadString(flexible);
        }

        return values;
    }

    /// <summary>How many tagged fields follow.</summary>
    public uint ReadTagCount()
    {
        uint count = ReadUnsignedVarint();
        if (count * 2L > Remaining)
        {
            KafkaParseException.ThrowEnd(count * 2L, Remaining);
        }

        return count;
    }

    /// <summary>A tagged field's number; its content ends at the position given.</summary>
    public uint ReadTag(out int end)
    {
        uint tag = ReadUnsignedVarint();
        uint size = ReadUnsignedVarint();
        if (size > (uint)Remaining)
        {
            KafkaParseException.ThrowEnd(size, Remaining);
        }

        end = _position + (int)size;
        return tag;
    }

    /// <summary>A tagged field that was read must end where it said.</summary>
    public readonly void EndTag(int end)
    {
        if (_position != end)
        {
            KafkaParseException.ThrowTagSize();
        }
    }

    /// <summary>Goes to the end of a tagged field that is not known.</summary>
    public void SkipTag(int end) => _position = end;

    /// <summary>Skips the tagged fields of a structure that knows none.</summary>
    public void SkipTags()
    {
        for (uint left = ReadTagCount(); left > 0; left--)
        {
            ReadTag(out int end);
            SkipTag(end);
        }
    }

    private int ReadLength(bool flexible)
    {
        long length = flexible ? (long)ReadUnsignedVarint() - 1 : ReadInt32();
        if (length is > int.MaxValue or < -1)
        {
            KafkaParseException.ThrowLength("bytes", length);
        }

        return (int)length;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ReadOnlySpan<byte> Take(int count)
    {
        int position = _position;
        if ((uint)count > (uint)(_span.Length - position))
        {
            KafkaParseException.ThrowEnd(count, Remaining);
        }

        _position = position + count;
        return _span.Slice(position, count);
    }

    private ReadOnlyMemory<byte> TakeMemory(int count)
    {
        int position = _position;
        Take(count);
        return _memory.Slice(position, count);
    }
}
