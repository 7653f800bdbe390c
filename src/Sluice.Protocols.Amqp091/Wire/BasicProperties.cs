using System.Buffers.Binary;

namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>Property flags of class basic (4.2.6.1), in the order in which the properties follow.</summary>
[Flags]
public enum BasicPropertyFlags : ushort
{
    None = 0,
    ContentType = 1 << 15,
    ContentEncoding = 1 << 14,
    Headers = 1 << 13,
    DeliveryMode = 1 << 12,
    Priority = 1 << 11,
    CorrelationId = 1 << 10,
    ReplyTo = 1 << 9,
    Expiration = 1 << 8,
    MessageId = 1 << 7,
    Timestamp = 1 << 6,
    Type = 1 << 5,
    UserId = 1 << 4,
    AppId = 1 << 3,
    ClusterId = 1 << 2,
}

/// <summary>
/// What the broker acts on of a message's properties, found in one pass over flags and list, which is checked on the way.
/// Borrowed from the bytes.
/// </summary>
public readonly ref struct BasicProperties
{
    /// <summary>The two octets of a message without properties.</summary>
    public static ReadOnlySpan<byte> Empty => [0, 0];

    private const BasicPropertyFlags BeforeHeaders = BasicPropertyFlags.ContentType | BasicPropertyFlags.ContentEncoding;

    private BasicProperties(BasicPropertyFlags flags, byte deliveryMode, byte priority, ReadOnlySpan<byte> headers, int headersOffset, ReadOnlySpan<byte> replyTo, ReadOnlySpan<byte> expiration, ReadOnlySpan<byte> userId)
    {
        Flags = flags;
        DeliveryMode = deliveryMode;
        Priority = priority;
        Headers = headers;
        HeadersOffset = headersOffset;
        ReplyTo = replyTo;
        Expiration = expiration;
        UserId = userId;
    }

    public BasicPropertyFlags Flags { get; }

    /// <summary>2: persistent. 0 when absent.</summary>
    public byte DeliveryMode { get; }

    /// <summary>0 when absent.</summary>
    public byte Priority { get; }

    /// <summary>Entries of the headers table; empty when absent. Checked to be well-formed.</summary>
    public ReadOnlySpan<byte> Headers { get; }

    /// <summary>Where <see cref="Headers"/> begins in the property bytes.</summary>
    public int HeadersOffset { get; }

    public ReadOnlySpan<byte> ReplyTo { get; }

    /// <summary>Time to live in ms as text; see <see cref="Flags"/> for whether it is there.</summary>
    public ReadOnlySpan<byte> Expiration { get; }

    public ReadOnlySpan<byte> UserId { get; }

    /// <summary>Reads flags and list.</summary>
    /// <exception cref="AmqpException">The list does not fit its flags, or the headers table is malformed.</exception>
    public static BasicProperties Read(ReadOnlySpan<byte> properties)
    {
        if (properties.Length < 2)
        {
            AmqpException.ThrowSyntax("property flags are missing");
        }

        var flags = (BasicPropertyFlags)BinaryPrimitives.ReadUInt16BigEndian(properties);
        if (((ushort)flags & 3) != 0)
        {
            AmqpException.ThrowSyntax("property flags that class basic does not have are set");
        }

        int index = 2;
        byte deliveryMode = 0;
        byte priority = 0;
        ReadOnlySpan<byte> headers = default;
        int headersOffset = 0;
        ReadOnlySpan<byte> replyTo = default;
        ReadOnlySpan<byte> expiration = default;
        ReadOnlySpan<byte> userId = default;
        if ((flags & BeforeHeaders) != 0)
        {
            SkipShortString(flags, BasicPropertyFlags.ContentType, properties, ref index);
            SkipShortString(flags, BasicPropertyFlags.ContentEncoding, properties, ref index);
        }

        if ((flags & BasicPropertyFlags.Headers) != 0)
        {
            headers = Table(properties, ref index);
            headersOffset = index - headers.Length;
        }

        if ((flags & BasicPropertyFlags.DeliveryMode) != 0)
        {
            deliveryMode = Octet(properties, ref index);
        }

        if (((ushort)flags & 0x0FFF) != 0)
        {
            if ((flags & BasicPropertyFlags.Priority) != 0)
            {
                priority = Octet(properties, ref index);
            }

            SkipShortString(flags, BasicPropertyFlags.CorrelationId, properties, ref index);
            if ((flags & BasicPropertyFlags.ReplyTo) != 0)
            {
                replyTo = ShortString(properties, ref index);
            }

            if ((flags & BasicPropertyFlags.Expiration) != 0)
            {
                expiration = ShortString(properties, ref index);
            }

            SkipShortString(flags, BasicPropertyFlags.MessageId, properties, ref index);
            if ((flags & BasicPropertyFlags.Timestamp) != 0)
            {
                Take(properties, ref index, 8);
            }

            SkipShortString(flags, BasicPropertyFlags.Type, properties, ref index);
            if ((flags & BasicPropertyFlags.UserId) != 0)
            {
                userId = ShortString(properties, ref index);
            }

            SkipShortString(flags, BasicPropertyFlags.AppId, properties, ref index);
            SkipShortString(flags, BasicPropertyFlags.ClusterId, properties, ref index);
        }

        if (index != properties.Length)
        {
            AmqpException.ThrowSyntax($"{properties.Length - index} octets follow the last property");
        }

        return new BasicProperties(flags, deliveryMode, priority, headers, headersOffset, replyTo, expiration, userId);
    }

    private static void SkipShortString(BasicPropertyFlags flags, BasicPropertyFlags flag, ReadOnlySpan<byte> properties, scoped ref int index)
    {
        if ((flags & flag) != 0)
        {
            ShortString(properties, ref index);
        }
    }

    private static byte Octet(ReadOnlySpan<byte> properties, scoped ref int index) => Take(properties, ref index, 1)[0];

    private static ReadOnlySpan<byte> ShortString(ReadOnlySpan<byte> properties, scoped ref int index) => Take(properties, ref index, Octet(properties, ref index));

    private static ReadOnlySpan<byte> Table(ReadOnlySpan<byte> properties, scoped ref int index)
    {
        uint length = BinaryPrimitives.ReadUInt32BigEndian(Take(properties, ref index, 4));
        ReadOnlySpan<byte> table = Take(properties, ref index, length > int.MaxValue ? int.MaxValue : (int)length);
        FieldTable.Check(table);
        return table;
    }

    private static ReadOnlySpan<byte> Take(ReadOnlySpan<byte> properties, scoped ref int index, int count)
    {
        if (count > properties.Length - index)
        {
            AmqpException.ThrowSyntax("the properties end too early");
        }

        ReadOnlySpan<byte> taken = properties.Slice(index, count);
        index += count;
        return taken;
    }
}
