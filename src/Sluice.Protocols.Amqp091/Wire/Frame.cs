namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>Frame types (4.2.3).</summary>
public enum FrameType : byte
{
    Method = 1,
    Header = 2,
    Body = 3,
    Heartbeat = 8,
}

/// <summary>
/// One whole frame, borrowed from the receive buffer:
/// <code>
/// 0      1         3             7                 7+size     8+size
/// +------+---------+-------------+ +-------------+ +-----------+
/// | type | channel | size (long) | | payload     | | 0xCE      |
/// +------+---------+-------------+ +-------------+ +-----------+
/// </code>
/// </summary>
public readonly ref struct Frame
{
    /// <summary>Octets before the payload.</summary>
    public const int HeaderSize = 7;

    /// <summary>Octets of a frame besides its payload.</summary>
    public const int Overhead = 8;

    public const byte End = 0xCE;

    internal Frame(FrameType type, ushort channel, ReadOnlyMemory<byte> memory, ReadOnlySpan<byte> payload)
    {
        Type = type;
        Channel = channel;
        Memory = memory;
        Payload = payload;
    }

    public FrameType Type { get; }

    public ushort Channel { get; }

    /// <summary>The payload; borrowed like <see cref="Memory"/>.</summary>
    public ReadOnlySpan<byte> Payload { get; }

    /// <summary>The payload as memory; valid until the receive buffer is advanced or the next frame is read.</summary>
    public ReadOnlyMemory<byte> Memory { get; }
}
