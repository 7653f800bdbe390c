using System.Buffers.Binary;

namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>A method's arguments, which know their size and write themselves.</summary>
public interface IMethod
{
    /// <summary>Octets of the frame payload: class id, method id, arguments.</summary>
    int Size { get; }

    /// <summary>Writes ids and arguments.</summary>
    void Write(ref FieldWriter writer);
}

/// <summary>Puts payloads into frames.</summary>
public static class FrameWriter
{
    /// <summary>Octets of a content header's payload before the property flags: class, weight, body size.</summary>
    public const int ContentHeaderFixedSize = 12;

    /// <summary>An empty heartbeat frame (4.2.7).</summary>
    public static ReadOnlySpan<byte> Heartbeat => [(byte)FrameType.Heartbeat, 0, 0, 0, 0, 0, 0, Frame.End];

    /// <summary>Size of the whole frame of a method.</summary>
    public static int MethodFrameSize<T>(in T method)
        where T : IMethod, allows ref struct => Frame.Overhead + method.Size;

    /// <summary>Writes a whole method frame; returns its size.</summary>
    public static int WriteMethod<T>(Span<byte> target, ushort channel, in T method)
        where T : IMethod, allows ref struct
    {
        int size = method.Size;
        WriteHead(target, FrameType.Method, channel, size);
        var writer = new FieldWriter(target.Slice(Frame.HeaderSize, size));
        method.Write(ref writer);
        target[Frame.HeaderSize + size] = Frame.End;
        return Frame.Overhead + size;
    }

    /// <summary>Size of the content header and body frames of a message.</summary>
    /// <param name="propertiesLength">Octets of property flags and list.</param>
    /// <param name="bodyLength">Octets of the body.</param>
    /// <param name="frameMax">Largest whole frame; see <see cref="BodyFrames"/>.</param>
    public static int ContentSize(int propertiesLength, int bodyLength, int frameMax) =>
        Frame.Overhead + ContentHeaderFixedSize + propertiesLength + bodyLength + (BodyFrames(bodyLength, frameMax) * Frame.Overhead);

    /// <summary>How many body frames a body takes; none when it is empty.</summary>
    public static int BodyFrames(int bodyLength, int frameMax)
    {
        int payloadMax = frameMax - Frame.Overhead;
        return bodyLength <= payloadMax ? (bodyLength == 0 ? 0 : 1) : (int)(((long)bodyLength + payloadMax - 1) / payloadMax);
    }

    /// <summary>Writes content header and body frames; returns their size.</summary>
    public static int WriteContent(Span<byte> target, ushort channel, ushort classId, ReadOnlySpan<byte> properties, ReadOnlySpan<byte> body, int frameMax)
    {
        int headerSize = ContentHeaderFixedSize + properties.Length;
        WriteHead(target, FrameType.Header, channel, headerSize);
        BinaryPrimitives.WriteUInt32BigEndian(target[Frame.HeaderSize..], (uint)classId << 16);
        BinaryPrimitives.WriteUInt64BigEndian(target[(Frame.HeaderSize + 4)..], (ulong)body.Length);
        properties.CopyTo(target[(Frame.HeaderSize + ContentHeaderFixedSize)..]);
        target[Frame.HeaderSize + headerSize] = Frame.End;
        int index = Frame.Overhead + headerSize;
        int payloadMax = frameMax - Frame.Overhead;
        while (!body.IsEmpty)
        {
            ReadOnlySpan<byte> part = body[..Math.Min(body.Length, payloadMax)];
            WriteHead(target[index..], FrameType.Body, channel, part.Length);
            part.CopyTo(target[(index + Frame.HeaderSize)..]);
            target[index + Frame.HeaderSize + part.Length] = Frame.End;
            index += Frame.Overhead + part.Length;
            body = body[part.Length..];
        }

        return index;
    }

    /// <summary>Writes type, channel and size: a frame's first seven octets.</summary>
    public static void WriteHead(Span<byte> target, FrameType type, ushort channel, int payloadSize)
    {
        target[0] = (byte)type;
        BinaryPrimitives.WriteUInt16BigEndian(target[1..], channel);
        BinaryPrimitives.WriteUInt32BigEndian(target[3..], (uint)payloadSize);
    }
}
