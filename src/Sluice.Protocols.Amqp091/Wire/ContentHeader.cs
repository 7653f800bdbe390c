using System.Buffers.Binary;

namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>
/// The payload of a content header frame (4.2.6.1):
/// <code>
/// 0       2        4                  12               14
/// +-------+--------+------------------+----------------+---------------+
/// | class | weight | body size (8)    | property flags | property list |
/// +-------+--------+------------------+----------------+---------------+
/// </code>
/// </summary>
public readonly ref struct ContentHeader
{
    private ContentHeader(ushort classId, ulong bodySize, ReadOnlySpan<byte> properties)
    {
        ClassId = classId;
        BodySize = bodySize;
        Properties = properties;
    }

    public ushort ClassId { get; }

    public ulong BodySize { get; }

    /// <summary>Property flags and list, not yet checked.</summary>
    public ReadOnlySpan<byte> Properties { get; }

    public static ContentHeader Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < FrameWriter.ContentHeaderFixedSize + 2)
        {
            AmqpException.ThrowFrame($"content header of {payload.Length} octets where at least 14 are needed");
        }

        return new ContentHeader(
            BinaryPrimitives.ReadUInt16BigEndian(payload),
            BinaryPrimitives.ReadUInt64BigEndian(payload[4..]),
            payload[FrameWriter.ContentHeaderFixedSize..]);
    }
}
