using System.Buffers.Binary;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Transport;

namespace Sluice.Protocols.Amqp091.Messages;

/// <summary>
/// Writes a method with content into a connection's output: the common small message in one reservation, a large one frame by frame.
/// Called between Enter and Exit of the output.
/// </summary>
internal static class DeliveryWriter
{
    /// <summary>Up to here a message is written in one contiguous piece.</summary>
    private const int ContiguousMax = 8 << 10;

    /// <summary>Class basic: the only one with content.</summary>
    private const ushort BasicClass = 60;

    public static void Write<T>(ConnectionWriter output, ushort channel, in T method, ReadOnlySpan<byte> properties, ReadOnlySpan<byte> body, int frameMax)
        where T : IMethod, allows ref struct
    {
        int methodSize = FrameWriter.MethodFrameSize(method);
        int headerSize = Frame.Overhead + FrameWriter.ContentHeaderFixedSize + properties.Length;
        int bodyFrames = FrameWriter.BodyFrames(body.Length, frameMax);
        if (bodyFrames <= 1 && methodSize + headerSize + body.Length + Frame.Overhead <= ContiguousMax)
        {
            int size = methodSize + headerSize + (bodyFrames * Frame.Overhead) + body.Length;
            Span<byte> target = output.Reserve(size);
            FrameWriter.WriteMethod(target, channel, method);
            FrameWriter.WriteContent(target[methodSize..], channel, BasicClass, properties, body, frameMax);
            output.Commit(size);
            return;
        }

        WriteLarge(output, channel, method, methodSize, properties, body, frameMax);
    }

    private static void WriteLarge<T>(ConnectionWriter output, ushort channel, in T method, int methodSize, ReadOnlySpan<byte> properties, ReadOnlySpan<byte> body, int frameMax)
        where T : IMethod, allows ref struct
    {
        FrameWriter.WriteMethod(output.Reserve(methodSize), channel, method);
        output.Commit(methodSize);

        const int headerHead = Frame.HeaderSize + FrameWriter.ContentHeaderFixedSize;
        Span<byte> head = output.Reserve(headerHead);
        FrameWriter.WriteHead(head, FrameType.Header, channel, FrameWriter.ContentHeaderFixedSize + properties.Length);
        BinaryPrimitives.WriteUInt32BigEndian(head[Frame.HeaderSize..], (uint)BasicClass << 16);
        BinaryPrimitives.WriteUInt64BigEndian(head[(Frame.HeaderSize + 4)..], (ulong)body.Length);
        output.Commit(headerHead);
        output.Append(properties);
        output.Append([Frame.End]);

        int payloadMax = frameMax - Frame.Overhead;
        while (!body.IsEmpty)
        {
            ReadOnlySpan<byte> part = body[..Math.Min(body.Length, payloadMax)];
            FrameWriter.WriteHead(output.Reserve(Frame.HeaderSize), FrameType.Body, channel, part.Length);
            output.Commit(Frame.HeaderSize);
            output.Append(part);
            output.Append([Frame.End]);
            body = body[part.Length..];
        }
    }
}
