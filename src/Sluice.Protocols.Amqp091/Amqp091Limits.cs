namespace Sluice.Protocols.Amqp091;

/// <summary>Bounds of the AMQP 0-9-1 server that are not settings.</summary>
public static class Amqp091Limits
{
    /// <summary>Smallest frame-max a client may ask for (4.2.3: frame-min-size).</summary>
    public const int FrameMin = 4096;

    /// <summary>Largest frame before tuning, in bytes: nobody has authenticated yet.</summary>
    public const int HandshakeFrameMax = 8192;

    /// <summary>Octets by which a payload may exceed what was negotiated: clients that count the frame's overhead wrongly are common.</summary>
    public const int FrameSlack = 8;

    /// <summary>Longest time to live, delay or expiry, in ms: what fits 32 bits, as in RabbitMQ.</summary>
    public const long TimeToLiveMsMax = 4_294_967_295;

    /// <summary>Bytes staged by a connection at which its publish turn is handed to the queues, although more frames are there.</summary>
    public const long TurnBytesMax = 1 << 20;

    /// <summary>Pending output, in bytes, above which a connection is not read from: the peer asks for more than it takes.</summary>
    public const long OutputBytesMax = 8 << 20;

    /// <summary>Time for the peer to answer connection.close, in ms.</summary>
    public const long CloseTimeoutMs = 5_000;

    /// <summary>How often heartbeats and close time-outs are looked at, in ms.</summary>
    public const long TickMs = 500;

    /// <summary>How often acknowledgement time-outs are looked at, in ticks.</summary>
    public const int TimeOutTicks = 10;

    /// <summary>Places for unacknowledged deliveries that a channel keeps when it has none.</summary>
    public const int UnacknowledgedKept = 4096;

    /// <summary>Initial buffer for a body that arrives in several frames, in bytes; it grows with what really arrives.</summary>
    public const int BodyBufferInitial = 64 << 10;

    /// <summary>Longest reply text (shortstr).</summary>
    public const int ReplyTextMax = 255;
}
