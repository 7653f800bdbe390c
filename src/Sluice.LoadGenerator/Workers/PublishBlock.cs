using System.Runtime.InteropServices;
using Sluice.LoadGenerator.Client;

namespace Sluice.LoadGenerator.Workers;

/// <summary>The same message encoded many times over, ready to be sent in one write. Only the time stamps in the bodies change.</summary>
internal sealed class PublishBlock
{
    private readonly byte[] _frames;
    private readonly int _stampOffset;

    public PublishBlock(AmqpLoadOptions options, string routingKey, int frameBytesMax)
    {
        FrameWriter writer = new();
        writer.BeginMethod(AmqpClient.Channel, AmqpMethods.BasicPublish).Short(0).ShortString(options.Exchange).ShortString(routingKey).Octet(0).EndFrame();
        writer.BeginFrame(AmqpFrames.Header, AmqpClient.Channel).Short(60).Short(0).LongLong((ulong)options.BodyBytes);
        if (options.Persistent)
        {
            writer.Short(1 << 12).Octet(2).EndFrame();
        }
        else
        {
            writer.Short(0).EndFrame();
        }

        _stampOffset = options.BodyBytes >= sizeof(long) ? writer.Count + AmqpFrames.HeadBytes : -1;
        byte[] zeros = new byte[Math.Min(options.BodyBytes, frameBytesMax - AmqpFrames.OverheadBytes)];
        for (int left = options.BodyBytes; left > 0; left -= zeros.Length)
        {
            writer.BeginFrame(AmqpFrames.Body, AmqpClient.Channel).Raw(zeros.AsSpan(0, Math.Min(left, zeros.Length))).EndFrame();
        }

        MessageBytes = writer.Count;
        Capacity = Math.Max(1, options.SendBytes / MessageBytes);
        _frames = new byte[Capacity * MessageBytes];
        for (int i = 0; i < Capacity; i++)
        {
            writer.Written.CopyTo(_frames.AsSpan(i * MessageBytes));
        }
    }

    /// <summary>Octets of one message with all its frames.</summary>
    public int MessageBytes { get; }

    /// <summary>Most messages one <see cref="Take"/> gives.</summary>
    public int Capacity { get; }

    /// <summary>The frames of <paramref name="count"/> messages stamped with <paramref name="sentAt"/>; valid until the next call.</summary>
    public ReadOnlySpan<byte> Take(int count, long sentAt)
    {
        Span<byte> frames = _frames.AsSpan(0, count * MessageBytes);
        if (_stampOffset >= 0)
        {
            for (int at = _stampOffset; at < frames.Length; at += MessageBytes)
            {
                MemoryMarshal.Write(frames[at..], sentAt);
            }
        }

        return frames;
    }
}
