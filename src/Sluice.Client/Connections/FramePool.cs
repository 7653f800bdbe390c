using System.Buffers;
using Sluice.Base.Buffers;

namespace Sluice.Client.Connections;

/// <summary>Blocks for answers of any size: small ones from a pool of the client's own, those beyond its largest from the pool that the process shares.</summary>
internal static class FramePool
{
    /// <summary>A block of at least so many bytes; the caller owns it until <see cref="Return"/>.</summary>
    public static byte[] Take(BufferPool pool, int bytes) => bytes > BufferPool.BlockBytesMax ? ArrayPool<byte>.Shared.Rent(bytes) : pool.Take(bytes);

    public static void Return(BufferPool pool, byte[] block)
    {
        if (block.Length > BufferPool.BlockBytesMax)
        {
            ArrayPool<byte>.Shared.Return(block);
        }
        else
        {
            pool.Return(block);
        }
    }
}
