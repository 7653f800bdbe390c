using System.Buffers.Binary;
using System.Text;

namespace Sluice.LoadGenerator.Client;

/// <summary>Encodes AMQP 0-9-1 frames into a buffer that grows as needed. Not thread-safe.</summary>
public sealed class FrameWriter
{
    private byte[] _buffer = new byte[1024];
    private int _count;
    private int _frameStart;

    /// <summary>Octets written since the last <see cref="Clear"/>.</summary>
    public int Count => _count;

    /// <summary>What was written; valid until the next write.</summary>
    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, _count);

    public void Clear() => _count = 0;

    public FrameWriter BeginMethod(ushort channel, uint method)
    {
        BeginFrame(AmqpFrames.Method, channel);
        return Long(method);
    }

    public FrameWriter BeginFrame(byte type, ushort channel)
    {
        _frameStart = _count;
        Octet(type);
        Short(channel);
        return Long(0);
    }

    /// <summary>Fills in the frame's size and closes it.</summary>
    public void EndFrame()
    {
        BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(_frameStart + 3), _count - _frameStart - AmqpFrames.HeadBytes);
        Octet(AmqpFrames.End);
    }

    public FrameWriter Octet(byte value)
    {
        Room(1)[0] = value;
        return this;
    }

    public FrameWriter Short(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(Room(2), value);
        return this;
    }

    public FrameWriter Long(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(Room(4), value);
        return this;
    }

    public FrameWriter LongLong(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(Room(8), value);
        return this;
    }

    public FrameWriter ShortString(string value)
    {
        int bytes = Encoding.UTF8.GetByteCount(value);
        if (bytes > byte.MaxValue)
        {
            throw new ArgumentException($"'{value[..32]}…' is {bytes} bytes long; AMQP allows at most 255 for a name or key.");
        }

        Octet((byte)bytes);
        Encoding.UTF8.GetBytes(value, Room(bytes));
        return this;
    }

    public FrameWriter LongString(string value)
    {
        int bytes = Encoding.UTF8.GetByteCount(value);
        Long((uint)bytes);
        Encoding.UTF8.GetBytes(value, Room(bytes));
        return this;
    }

    public FrameWriter Raw(ReadOnlySpan<byte> value)
    {
        value.CopyTo(Room(value.Length));
        return this;
    }

    /// <summary>A field table of bool, int, long, double, string, lists and nested tables.</summary>
    public FrameWriter Table(IReadOnlyDictionary<string, object?>? fields)
    {
        int start = _count;
        Long(0);
        if (fields is not null)
        {
            foreach ((string name, object? value) in fields)
            {
                ShortString(name);
                Value(value);
            }
        }

        BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(start), _count - start - 4);
        return this;
    }

    private void Value(object? value)
    {
        switch (value)
        {
            case null:
                Octet((byte)'V');
                break;
            case bool flag:
                Octet((byte)'t').Octet(flag ? (byte)1 : (byte)0);
                break;
            case int number:
                Octet((byte)'I').Long((uint)number);
                break;
            case long number:
                Octet((byte)'l').LongLong((ulong)number);
                break;
            case double number:
                Octet((byte)'d').LongLong((ulong)BitConverter.DoubleToInt64Bits(number));
                break;
            case string text:
                Octet((byte)'S').LongString(text);
                break;
            case IReadOnlyDictionary<string, object?> table:
                Octet((byte)'F').Table(table);
                break;
            case IReadOnlyList<object?> list:
                Octet((byte)'A');
                int start = _count;
                Long(0);
                foreach (object? item in list)
                {
                    Value(item);
                }

                BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(start), _count - start - 4);
                break;
            default:
                throw new ArgumentException($"An AMQP table cannot hold a {value.GetType().Name}.");
        }
    }

    private Span<byte> Room(int bytes)
    {
        if (_count + bytes > _buffer.Length)
        {
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, _count + bytes));
        }

        Span<byte> room = _buffer.AsSpan(_count, bytes);
        _count += bytes;
        return room;
    }
}
