using System.Buffers.Binary;

namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>Walks property bytes that <see cref="BasicProperties.Read"/> has accepted before.</summary>
public static class PropertyList
{
    /// <summary>Finds a property's value: short strings without their length, others as encoded. Borrowed.</summary>
    public static bool TryFind(ReadOnlySpan<byte> properties, BasicPropertyFlags wanted, out ReadOnlySpan<byte> value)
    {
        value = default;
        var flags = (BasicPropertyFlags)BinaryPrimitives.ReadUInt16BigEndian(properties);
        if ((flags & wanted) == 0)
        {
            return false;
        }

        int index = 2;
        for (int bit = 15; bit >= 2; bit--)
        {
            var property = (BasicPropertyFlags)(1 << bit);
            if ((flags & property) == 0)
            {
                continue;
            }

            ReadOnlySpan<byte> encoded = ReadEncoded(property, properties, ref index);
            if (property == wanted)
            {
                value = IsShortString(property) ? encoded[1..] : encoded;
                return true;
            }
        }

        return false;
    }

    /// <summary>The property's bytes at the index, which moves over them.</summary>
    internal static ReadOnlySpan<byte> ReadEncoded(BasicPropertyFlags property, ReadOnlySpan<byte> properties, scoped ref int index)
    {
        int size = property switch
        {
            BasicPropertyFlags.Headers => 4 + BinaryPrimitives.ReadInt32BigEndian(properties[index..]),
            BasicPropertyFlags.DeliveryMode or BasicPropertyFlags.Priority => 1,
            BasicPropertyFlags.Timestamp => 8,
            _ => 1 + properties[index],
        };
        ReadOnlySpan<byte> value = properties.Slice(index, size);
        index += size;
        return value;
    }

    private static bool IsShortString(BasicPropertyFlags property) =>
        property is not (BasicPropertyFlags.Headers or BasicPropertyFlags.DeliveryMode or BasicPropertyFlags.Priority or BasicPropertyFlags.Timestamp);
}
