namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>What a client's first eight octets ask for.</summary>
public enum ProtocolHeaderKind
{
    /// <summary>Fewer than eight octets, all as they should be so far.</summary>
    NeedMore,

    /// <summary>AMQP 0-9-1.</summary>
    Supported,

    /// <summary>AMQP of another version: answered with our header, then closed.</summary>
    OtherVersion,

    /// <summary>Not AMQP at all; answered in the same way.</summary>
    Unknown,
}

/// <summary>The protocol header (4.2.2): "AMQP" 0 0 9 1.</summary>
public static class ProtocolHeader
{
    public const int Size = 8;

    public static ReadOnlySpan<byte> Bytes => [(byte)'A', (byte)'M', (byte)'Q', (byte)'P', 0, 0, 9, 1];

    /// <summary>AMQP 0-9 wrote its header in another way; it is spoken to as 0-9-1, as RabbitMQ does.</summary>
    private static ReadOnlySpan<byte> Bytes09 => [(byte)'A', (byte)'M', (byte)'Q', (byte)'P', 1, 1, 0, 9];

    public static ProtocolHeaderKind Read(ReadOnlySpan<byte> received)
    {
        int known = Math.Min(received.Length, 4);
        if (!received[..known].SequenceEqual(Bytes[..known]))
        {
            return ProtocolHeaderKind.Unknown;
        }

        if (received.Length < Size)
        {
            return ProtocolHeaderKind.NeedMore;
        }

        return received[..Size].SequenceEqual(Bytes) || received[..Size].SequenceEqual(Bytes09) ? ProtocolHeaderKind.Supported : ProtocolHeaderKind.OtherVersion;
    }
}
