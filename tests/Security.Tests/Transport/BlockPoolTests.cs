using System.Buffers;

namespace Sluice.Transport.Tests;

public sealed class BlockPoolTests
{
    [Fact]
    public void Blocks_are_counted_and_reused()
    {
        using var pool = new BlockPool(freeBlocksMax: 1);
        IMemoryOwner<byte> first = pool.Rent();
        IMemoryOwner<byte> second = pool.Rent(100);
        Assert.Equal(BlockPool.BlockBytes, first.Memory.Length);
        Assert.Equal(2, pool.RentedBlocks);
        Assert.Equal(2 * BlockPool.BlockBytes, pool.RentedBytes);
        first.Dispose();
        second.Dispose();
        Assert.Equal(0, pool.RentedBlocks);
        Assert.Equal(BlockPool.BlockBytes, pool.TotalBytes);
        Assert.Same(first, pool.Rent());
        Assert.NotSame(second, pool.Rent());
    }

    [Fact]
    public void A_block_returned_twice_is_a_defect_that_shows()
    {
        using var pool = new BlockPool();
        IMemoryOwner<byte> block = pool.Rent();
        block.Dispose();
        Assert.Throws<InvalidOperationException>(block.Dispose);
        Assert.Equal(0, pool.RentedBlocks);
    }

    [Fact]
    public void No_block_is_larger_than_a_block()
    {
        using var pool = new BlockPool();
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.Rent(BlockPool.BlockBytes + 1));
        Assert.Equal(0, pool.RentedBlocks);
    }
}
