using System.Buffers.Binary;

namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>Makes changed copies of property bytes in a buffer that is reused. Not thread-safe.</summary>
public sealed class PropertiesEditor
{
    private byte[] _bytes = [];

    /// <summary>Copies <paramref name="properties"/> with other headers; empty ones leave the property out. Borrowed until the next call.</summary>
    /// <param name="properties">Property flags and list, well-formed.</param>
    /// <param name="headers">Encoded table entries.</param>
    /// <param name="removeExpiration">Whether expiration is left out.</param>
    public ReadOnlySpan<byte> WithHeaders(ReadOnlySpan<byte> properties, ReadOnlySpan<byte> headers, bool removeExpiration) =>
        Copy(properties, replaceHeaders: true, headers, removeExpiration, default);

    /// <summary>Copies <paramref name="properties"/> with another reply-to. Borrowed until the next call.</summary>
    public ReadOnlySpan<byte> WithReplyTo(ReadOnlySpan<byte> properties, ReadOnlySpan<byte> replyTo) =>
        Copy(properties, replaceHeaders: false, default, removeExpiration: false, replyTo);

    /// <summary>Copies <paramref name="properties"/> with other headers and another reply-to. Borrowed until the next call.</summary>
    public ReadOnlySpan<byte> WithHeadersAndReplyTo(ReadOnlySpan<byte> properties, ReadOnlySpan<byte> headers, ReadOnlySpan<byte> replyTo) =>
        Copy(properties, replaceHeaders: true, headers, removeExpiration: false, replyTo);

    private ReadOnlySpan<byte> Copy(ReadOnlySpan<byte> properties, bool replaceHeaders, ReadOnlySpan<byte> headers, bool removeExpiration, ReadOnlySpan<byte> replyTo)
    {
        int sizeMax = properties.Length + headers.Length + 4 + replyTo.Length + 1;
        if (_bytes.Length < sizeMax)
        {
            _bytes = new byte[Math.Max(256, sizeMax * 2)];
        }

        var flags = (BasicPropertyFlags)BinaryPrimitives.ReadUInt16BigEndian(properties);
        BasicPropertyFlags result = flags;
        int index = 2;
        var writer = new FieldWriter(_bytes);
        writer.WriteShort(0);
        for (int bit = 15; bit >= 2; bit--)
        {
            var property = (BasicPropertyFlags)(1 << bit);
            ReadOnlySpan<byte> value = (flags & property) == 0 ? default : PropertyList.ReadEncoded(property, properties, ref index);
            if (property == BasicPropertyFlags.Headers && replaceHeaders)
            {
                result = headers.IsEmpty ? result & ~property : result | property;
                if (!headers.IsEmpty)
                {
                    writer.WriteTable(headers);
                }
            }
            else if (property == BasicPropertyFlags.Expiration && removeExpiration)
            {
                result &= ~property;
            }
            else if (property == BasicPropertyFlags.ReplyTo && !replyTo.IsEmpty)
            {
                result |= property;
                writer.WriteShortString(replyTo);
            }
            else
            {
                writer.WriteBytes(value);
            }
        }

        BinaryPrimitives.WriteUInt16BigEndian(_bytes, (ushort)result);
        return _bytes.AsSpan(0, writer.Written);
    }
}
