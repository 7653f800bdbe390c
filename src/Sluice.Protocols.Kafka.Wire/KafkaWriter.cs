using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Sluice.Base.Buffers;

namespace Sluice.Protocols.Kafka.Wire;

/// <summary>
/// Writes the primitive types of the Kafka protocol into one pooled block that grows. Records are not copied: the writer notes where they
/// belong and <see cref="Pieces"/> gives its own bytes and the records in the order in which they are sent.
/// </summary>
/// <remarks>Owns its block until <see cref="Dispose"/>. Not thread-safe. After a <see cref="KafkaWriteException"/> only Reset and Dispose make sense.</remarks>
public sealed class KafkaWriter : IDisposable
{
    /// <summary>Most bytes a writer holds, records not counted.</summary>
    public const int BytesMax = 1 << 30;

    private readonly BufferPool _pool;
    private byte[] _block;
    private int _length;
    private Splice[] _splices = [];
    private int _spliceCount;
    private long _splicedBytes;
    private int _frameStart = -1;
    private long _frameStartTotal;

    /// <param name="pool">Where the block comes from.</param>
    /// <param name="bytes">Room to begin with.</param>
    public KafkaWriter(BufferPool pool, int bytes = BufferPool.BlockBytesMin)
    {
        ArgumentNullException.ThrowIfNull(pool);
        _pool = pool;
        _block = pool.Take(bytes);
    }

    /// <summary>Told of every error code that is written and says of an error; null: nobody is.</summary>
    public Action<KafkaErrorCode>? ErrorWritten { get; init; }

    /// <summary>Bytes written, records included.</summary>
    public long TotalBytes => _length + _splicedBytes;

    /// <summary>The writer's own bytes in the order of writing, without the records. Borrowed until the next call.</summary>
    public ReadOnlySpan<byte> OwnBytes => _block.AsSpan(0, _length);

    /// <summary>What to send, in order. Borrowed until the next write, <see cref="Reset"/> or <see cref="Dispose"/>.</summary>
    public KafkaPieces Pieces => new(this);

    /// <summary>Forgets what was written; keeps the block.</summary>
    public void Reset()
    {
        _length = 0;
        _splices.AsSpan(0, _spliceCount).Clear();
        _spliceCount = 0;
        _splicedBytes = 0;
        _frameStart = -1;
    }

    /// <summary>Gives the block back.</summary>
    public void Dispose()
    {
        Reset();
        byte[] block = _block;
        _block = [];
        if (block.Length > 0)
        {
            _pool.Return(block);
        }
    }

    /// <summary>Leaves room for a frame's size, which <see cref="EndFrame"/> fills in.</summary>
    public void BeginFrame()
    {
        if (_frameStart >= 0)
        {
            throw new InvalidOperationException("a frame is open already");
        }

        _frameStart = _length;
        WriteInt32(0);
        _frameStartTotal = TotalBytes;
    }

    /// <summary>Writes the size of the frame that <see cref="BeginFrame"/> began: all bytes since, records included.</summary>
    public void EndFrame()
    {
        if (_frameStart < 0)
        {
            throw new InvalidOperationException("no frame is open");
        }

        long size = TotalBytes - _frameStartTotal;
        if (size > int.MaxValue)
        {
            KafkaWriteException.ThrowLength("a frame", size);
        }

        BinaryPrimitives.WriteInt32BigEndian(_block.AsSpan(_frameStart), (int)size);
        _frameStart = -1;
    }

    /// <summary>A copy of everything.</summary>
    /// <exception cref="InvalidOperationException">Some records are not in memory.</exception>
    public byte[] ToArray()
    {
        byte[] all = new byte[checked((int)TotalBytes)];
        int at = 0;
        foreach (KafkaPiece piece in Pieces)
        {
            if (piece.Records.Source is not null)
            {
                throw new InvalidOperationException("some records are not in memory");
            }

            ReadOnlyMemory<byte> bytes = piece.Records.IsNull ? piece.Bytes : piece.Records.Memory;
            bytes.Span.CopyTo(all.AsSpan(at));
            at += bytes.Length;
        }

        return all;
    }

    public void WriteInt8(sbyte value) => Reserve(1)[0] = (byte)value;

    public void WriteBool(bool value) => Reserve(1)[0] = value ? (byte)1 : (byte)0;

    public void WriteInt16(short value) => BinaryPrimitives.WriteInt16BigEndian(Reserve(2), value);

    public void WriteUInt16(ushort value) => BinaryPrimitives.WriteUInt16BigEndian(Reserve(2), value);

    public void WriteErrorCode(KafkaErrorCode value)
    {
        if (value != KafkaErrorCode.None)
        {
            ErrorWritten?.Invoke(value);
        }

        WriteInt16((short)value);
    }

    public void WriteInt32(int value) => BinaryPrimitives.WriteInt32BigEndian(Reserve(4), value);

    public void WriteInt64(long value) => BinaryPrimitives.WriteInt64BigEndian(Reserve(8), value);

    public void WriteFloat64(double value) => BinaryPrimitives.WriteDoubleBigEndian(Reserve(8), value);

    public void WriteUuid(Guid value) => value.TryWriteBytes(Reserve(16), bigEndian: true, out _);

    /// <summary>Seven bits an octet, the lowest first.</summary>
    public void WriteUnsignedVarint(uint value)
    {
        Span<byte> room = Reserve(VarintBytes(value));
        for (int i = 0; i < room.Length - 1; i++)
        {
            room[i] = (byte)(value | 0x80);
            value >>= 7;
        }

        room[^1] = (byte)value;
    }

    /// <summary>Zigzag: small numbers of either sign are short.</summary>
    public void WriteVarint(int value) => WriteUnsignedVarint((uint)((value << 1) ^ (value >> 31)));

    /// <summary>Zigzag of 64 bits.</summary>
    public void WriteVarlong(long value)
    {
        ulong rest = (ulong)((value << 1) ^ (value >> 63));
        for (; rest >= 0x80; rest >>= 7)
        {
            Reserve(1)[0] = (byte)(rest | 0x80);
        }

        Reserve(1)[0] = (byte)rest;
    }

    public void WriteString(string value, bool flexible)
    {
        int bytes = Encoding.UTF8.GetByteCount(value);
        if (bytes > short.MaxValue)
        {
            KafkaWriteException.ThrowLength("a string", bytes);
        }

        if (flexible)
        {
            WriteUnsignedVarint((uint)bytes + 1);
        }
        else
        {
            WriteInt16((short)bytes);
        }

        Encoding.UTF8.GetBytes(value, Reserve(bytes));
    }

    public void WriteNullableString(string? value, bool flexible)
    {
        if (value is not null)
        {
            WriteString(value, flexible);
        }
        else if (flexible)
        {
            WriteUnsignedVarint(0);
        }
        else
        {
            WriteInt16(-1);
        }
    }

    /// <summary>Copies the bytes.</summary>
    public void WriteBytes(ReadOnlyMemory<byte> value, bool flexible)
    {
        WriteArrayLength(value.Length, flexible);
        value.Span.CopyTo(Reserve(value.Length));
    }

    public void WriteNullableBytes(ReadOnlyMemory<byte>? value, bool flexible)
    {
        if (value is { } bytes)
        {
            WriteBytes(bytes, flexible);
        }
        else
        {
            WriteNullArray(flexible);
        }
    }

    /// <summary>Writes the length and notes that the records follow here.</summary>
    public void WriteRecords(RecordsPayload value, bool flexible)
    {
        if (value.IsNull)
        {
            KafkaWriteException.ThrowNull("records");
        }

        WriteArrayLength(value.Length, flexible);
        if (value.Length > 0)
        {
            AddSplice(value);
        }
    }

    public void WriteNullableRecords(RecordsPayload value, bool flexible)
    {
        if (value.IsNull)
        {
            WriteNullArray(flexible);
        }
        else
        {
            WriteRecords(value, flexible);
        }
    }

    /// <summary>Whether a nullable structure follows (KIP-893).</summary>
    public void WritePresence(bool present) => WriteInt8(present ? (sbyte)1 : (sbyte)-1);

    public void WriteArrayLength(int length, bool flexible)
    {
        if (flexible)
        {
            WriteUnsignedVarint(unchecked((uint)(length + 1)));
        }
        else
        {
            WriteInt32(length);
        }
    }

    /// <summary>The length that stands for null, of arrays, bytes and records.</summary>
    public void WriteNullArray(bool flexible) => WriteArrayLength(-1, flexible);

    public void WriteInt8s(sbyte[] values, bool flexible)
    {
        WriteArrayLength(values.Length, flexible);
        MemoryMarshal.AsBytes(values.AsSpan()).CopyTo(Reserve(values.Length));
    }

    public void WriteInt16s(short[] values, bool flexible)
    {
        WriteArrayLength(values.Length, flexible);
        BinaryPrimitives.ReverseEndianness(values, MemoryMarshal.Cast<byte, short>(Reserve(checked(values.Length * sizeof(short)))));
    }

    public void WriteInt32s(int[] values, bool flexible)
    {
        WriteArrayLength(values.Length, flexible);
        BinaryPrimitives.ReverseEndianness(values, MemoryMarshal.Cast<byte, int>(Reserve(checked(values.Length * sizeof(int)))));
    }

    public void WriteInt64s(long[] values, bool flexible)
    {
        WriteArrayLength(values.Length, flexible);
        BinaryPrimitives.ReverseEndianness(values, MemoryMarshal.Cast<byte, long>(Reserve(checked(values.Length * sizeof(long)))));
    }

    public void WriteUuids(Guid[] values, bool flexible)
    {
        WriteArrayLength(values.Length, flexible);
        foreach (Guid value in values)
        {
            WriteUuid(value);
        }
    }

    public void WriteStrings(string[] values, bool flexible)
    {
        WriteArrayLength(values.Length, flexible);
        foreach (string value in values)
        {
            WriteString(value, flexible);
        }
    }

    /// <summary>Writes a tagged field's number and leaves an octet for its size. Returns what <see cref="EndTag"/> wants to know. No records may be within.</summary>
    public int BeginTag(uint tag)
    {
        WriteUnsignedVarint(tag);
        WriteInt8(0);
        return _length;
    }

    /// <summary>Writes the size of a tagged field; moves its content when the size takes more than one octet.</summary>
    public void EndTag(int start)
    {
        int size = _length - start;
        int extra = VarintBytes((uint)size) - 1;
        if (extra > 0)
        {
            Reserve(extra);
            _block.AsSpan(start, size).CopyTo(_block.AsSpan(start + extra));
        }

        int end = _length;
        _length = start - 1;
        WriteUnsignedVarint((uint)size);
        _length = end;
    }

    /// <summary>The piece at a place: before splice number so many, own bytes from the position on. Moves both on.</summary>
    internal bool TryGetPiece(ref int splice, ref int position, out KafkaPiece piece)
    {
        int end = splice < _spliceCount ? _splices[splice].Position : _length;
        if (position < end)
        {
            piece = new KafkaPiece(_block.AsMemory(position, end - position));
            position = end;
            return true;
        }

        bool isRecords = splice < _spliceCount;
        piece = isRecords ? new KafkaPiece(_splices[splice++].Records) : default;
        return isRecords;
    }

    private static int VarintBytes(uint value) => (38 - System.Numerics.BitOperations.LeadingZeroCount(value | 1)) / 7;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Span<byte> Reserve(int count)
    {
        int start = _length;
        if (count > _block.Length - start)
        {
            Grow(count);
        }

        _length = start + count;
        return _block.AsSpan(start, count);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Grow(int count)
    {
        ObjectDisposedException.ThrowIf(_block.Length == 0, this);
        long wanted = (long)_length + count;
        if (wanted > BytesMax)
        {
            KafkaWriteException.ThrowLength("a writer", wanted);
        }

        byte[] larger = _pool.Take((int)Math.Min(BytesMax, Math.Max(wanted, _block.Length * 2L)));
        _block.AsSpan(0, _length).CopyTo(larger);
        _pool.Return(_block);
        _block = larger;
    }

    private void AddSplice(RecordsPayload records)
    {
        if (_spliceCount == _splices.Length)
        {
            Array.Resize(ref _splices, Math.Max(4, _spliceCount * 2));
        }

        _splices[_spliceCount++] = new Splice(_length, records);
        _splicedBytes += records.Length;
    }

    private readonly record struct Splice(int Position, RecordsPayload Records);
}
