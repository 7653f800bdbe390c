using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>
/// Cuts a receive buffer into whole frames, in place. A frame that lies across two buffer segments is copied into
/// <see cref="FrameScratch"/>, which the connection owns; all others are lent straight from the buffer.
/// </summary>
public ref struct FrameReader
{
    private readonly ReadOnlySequence<byte> _buffer;
    private readonly FrameScratch _scratch;
    private readonly uint _payloadMax;
    private ReadOnlyMemory<byte> _segment;
    private ReadOnlySpan<byte> _span;
    private int _index;
    private long _segmentStart;

    /// <param name="buffer">What was received and not yet consumed.</param>
    /// <param name="payloadMax">Largest payload the peer may send, in bytes.</param>
    /// <param name="scratch">Where a frame across segments is put together.</param>
    public FrameReader(ReadOnlySequence<byte> buffer, int payloadMax, FrameScratch scratch)
    {
        _buffer = buffer;
        _scratch = scratch;
        _payloadMax = (uint)payloadMax;
        _segment = buffer.First;
        _span = _segment.Span;
    }

    /// <summary>Bytes of whole frames read so far.</summary>
    public readonly long Consumed => _segmentStart + _index;

    /// <summary>Reads the next whole frame; false when more bytes must be received first.</summary>
    /// <exception cref="AmqpException">Too large, or its end octet is wrong: the stream cannot be followed any further.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryRead(out Frame frame)
    {
        ReadOnlySpan<byte> rest = _span[_index..];
        if (rest.Length >= Frame.HeaderSize)
        {
            uint size = BinaryPrimitives.ReadUInt32BigEndian(rest[3..]);
            if (size > _payloadMax)
            {
                ThrowTooLarge(rest, size);
            }

            int end = Frame.HeaderSize + (int)size;
            if (end < rest.Length)
            {
                if (rest[end] != Frame.End)
                {
                    ThrowBadEnd(rest[0], rest[end]);
                }

                frame = new Frame(
                    (FrameType)rest[0],
                    BinaryPrimitives.ReadUInt16BigEndian(rest[1..]),
                    _segment.Slice(_index + Frame.HeaderSize, (int)size),
                    rest.Slice(Frame.HeaderSize, (int)size));
                _index += end + 1;
                return true;
            }
        }

        return TryReadAcross(out frame);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryReadAcross(out Frame frame)
    {
        frame = default;
        if (_buffer.IsSingleSegment)
        {
            return false;
        }

        ReadOnlySequence<byte> rest = _buffer.Slice(Consumed);
        if (rest.Length < Frame.Overhead)
        {
            return false;
        }

        Span<byte> header = stackalloc byte[Frame.HeaderSize];
        rest.Slice(0, Frame.HeaderSize).CopyTo(header);
        uint size = BinaryPrimitives.ReadUInt32BigEndian(header[3..]);
        if (size > _payloadMax)
        {
            ThrowTooLarge(header, size);
        }

        if (rest.Length < Frame.Overhead + (long)size)
        {
            return false;
        }

        Memory<byte> whole = _scratch.Take((int)size + 1);
        rest.Slice(Frame.HeaderSize, size + 1).CopyTo(whole.Span);
        if (whole.Span[(int)size] != Frame.End)
        {
            ThrowBadEnd(header[0], whole.Span[(int)size]);
        }

        Seek(Consumed + Frame.Overhead + size);
        Memory<byte> payload = whole[..(int)size];
        frame = new Frame((FrameType)header[0], BinaryPrimitives.ReadUInt16BigEndian(header[1..]), payload, payload.Span);
        return true;
    }

    private void Seek(long position)
    {
        ReadOnlySequence<byte> rest = _buffer.Slice(position);
        _segment = rest.First;
        _span = _segment.Span;
        _segmentStart = position;
        _index = 0;
    }

    private readonly void ThrowTooLarge(ReadOnlySpan<byte> header, uint size) =>
        AmqpException.ThrowLostFraming($"type {header[0]}, first 16 octets = <<>>: frame_too_large: {size} octets of payload where at most {_payloadMax} are allowed");

    private static void ThrowBadEnd(byte type, byte end) =>
        AmqpException.ThrowLostFraming($"type {type}: invalid_frame_end_marker: {end} where {Frame.End} must be");
}

/// <summary>
/// A connection's buffers for frames that lie across two segments of the receive buffer. Three are used in turn, since a publish is handled
/// with its method, header and body frames in hand at once. Each grows to the largest such frame.
/// </summary>
public sealed class FrameScratch : IDisposable
{
    private readonly byte[][] _buffers = [[], [], []];
    private int _next;

    internal Memory<byte> Take(int size)
    {
        _next = (_next + 1) % _buffers.Length;
        if (_buffers[_next].Length < size)
        {
            Return(_next);
            _buffers[_next] = ArrayPool<byte>.Shared.Rent(size);
        }

        return _buffers[_next].AsMemory(0, size);
    }

    public void Dispose()
    {
        for (int i = 0; i < _buffers.Length; i++)
        {
            Return(i);
        }
    }

    private void Return(int index)
    {
        if (_buffers[index].Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffers[index]);
            _buffers[index] = [];
        }
    }
}
