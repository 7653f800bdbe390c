using System.Buffers;

namespace Sluice.Transport;

/// <summary>
/// Pinned blocks of <see cref="BlockBytes"/> for receiving and sending. Blocks are rented while bytes wait in them and never
/// by an idle connection. Free blocks are kept up to a maximum (reused last in, first out, so that they are warm in the
/// cache); what exceeds it goes back to the collector. Thread-safe.
/// </summary>
public sealed class BlockPool : MemoryPool<byte>
{
    /// <summary>Size of every block, in bytes. One send of this size costs a hundredth per byte of a send of one small frame.</summary>
    public const int BlockBytes = 64 << 10;

    private readonly Lock _lock = new();
    private readonly Block[] _free;
    private int _freeCount;
    private int _rentedCount;

    /// <param name="freeBlocksMax">Free blocks kept at most.</param>
    public BlockPool(int freeBlocksMax = 512)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(freeBlocksMax);
        _free = new Block[freeBlocksMax];
    }

    /// <summary>Blocks rented and not returned. Zero once every connection is gone and no bytes wait anywhere.</summary>
    public int RentedBlocks => Volatile.Read(ref _rentedCount);

    /// <summary>Bytes in rented blocks: what connections hold in receive and send buffers.</summary>
    public long RentedBytes => (long)RentedBlocks * BlockBytes;

    /// <summary>Bytes in rented and in kept free blocks.</summary>
    public long TotalBytes => (long)(Volatile.Read(ref _rentedCount) + Volatile.Read(ref _freeCount)) * BlockBytes;

    public override int MaxBufferSize => BlockBytes;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
        return RentBlock();
    }

    internal Block RentBlock()
    {
        lock (_lock)
        {
            _rentedCount++;
            if (_freeCount > 0)
            {
                Block block = _free[--_freeCount];
                _free[_freeCount] = null!;
                block.MarkRented();
                return block;
            }
        }

        return new Block(this);
    }

    internal void Return(Block block)
    {
        lock (_lock)
        {
            _rentedCount--;
            if (_freeCount < _free.Length)
            {
                _free[_freeCount++] = block;
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        lock (_lock)
        {
            Array.Clear(_free, 0, _freeCount);
            _freeCount = 0;
        }
    }
}

/// <summary>One pinned block. Owned by whoever rented it; Dispose gives it back.</summary>
internal sealed class Block(BlockPool pool) : OutputPiece, IMemoryOwner<byte>
{
    private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(BlockPool.BlockBytes, pinned: true);
    private int _rented = 1;

    /// <summary>Bytes filled from the start; kept by the writer that fills the block.</summary>
    public int Length;

    public Memory<byte> Memory => _bytes;

    public Span<byte> SpanFrom(int start, int length) => _bytes.AsSpan(start, length);

    public void MarkRented() => _rented = 1;

    public override void Dispose()
    {
        if (Interlocked.Exchange(ref _rented, 0) == 0)
        {
            throw new InvalidOperationException("A pooled block was returned twice.");
        }

        Length = 0;
        Next = null;
        pool.Return(this);
    }
}
