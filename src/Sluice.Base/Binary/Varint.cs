using System.Numerics;

namespace Sluice.Base.Binary;

/// <summary>Zigzag variable-length integers as in Kafka's record format (7 bits a byte, least significant first).</summary>
public static class Varint
{
    public const int BytesMax = 10;

    public static int Size(long value)
    {
        ulong zigzag = ((ulong)value << 1) ^ (ulong)(value >> 63);
        return zigzag == 0 ? 1 : (BitOperations.Log2(zigzag) / 7) + 1;
    }

    /// <summary>Writes the value and returns its size.</summary>
    public static int Write(Span<byte> destination, long value)
    {
        ulong zigzag = ((ulong)value << 1) ^ (ulong)(value >> 63);
        int i = 0;
        while (zigzag >= 0x80)
        {
            destination[i++] = (byte)(zigzag | 0x80);
            zigzag >>= 7;
        }
        destination[i++] = (byte)zigzag;
        return i;
    }

    /// <summary>Reads a value at <paramref name="position"/> and moves past it; false if the bytes end or the number is over-long.</summary>
    public static bool TryRead(ReadOnlySpan<byte> source, ref int position, out long value)
    {
        int p = position;
        if ((uint)p < (uint)source.Length)
        {
            byte first = source[p];
            if (first < 0x80)
            {
                position = p + 1;
                value = (first >> 1) ^ -(first & 1);
                return true;
            }
        }
        return TryReadLong(source, ref position, out value);
    }

    private static bool TryReadLong(ReadOnlySpan<byte> source, ref int position, out long value)
    {
        ulong zigzag = 0;
        int p = position;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if ((uint)p >= (uint)source.Length)
            {
                break;
            }
            byte b = source[p++];
            zigzag |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
            {
                position = p;
                value = (long)(zigzag >> 1) ^ -(long)(zigzag & 1);
                return true;
            }
        }
        value = 0;
        return false;
    }
}
