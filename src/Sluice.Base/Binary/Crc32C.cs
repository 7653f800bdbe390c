using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sluice.Base.Binary;

/// <summary>CRC-32C (Castagnoli, reflected, initial and final value all ones), as in RFC 3720 appendix B.4.</summary>
public static class Crc32C
{
    public static uint Compute(ReadOnlySpan<byte> data) => ~Update(~0u, data);

    /// <summary>Continues over more data; begin with all ones (or those mixed with a seed) and invert at the end.</summary>
    public static uint Update(uint state, ReadOnlySpan<byte> data)
    {
        ref byte start = ref MemoryMarshal.GetReference(data);
        int i = 0;
        for (; i + 8 <= data.Length; i += 8)
        {
            state = BitOperations.Crc32C(state, Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, i)));
        }
        for (; i < data.Length; i++)
        {
            state = BitOperations.Crc32C(state, Unsafe.Add(ref start, i));
        }
        return state;
    }
}
