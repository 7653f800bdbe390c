namespace Sluice.Base.Buffers;

/// <summary>
/// Pinned blocks in size classes 1 KB, 4 KB, 16 KB, 64 KB, 256 KB and 1 MB, kept for reuse: fresh memory costs a page fault
/// per 4 KB. Larger requests are served exactly and not kept. Counts what is out, so that a test can ask whether all came back.
/// Thread-safe.
/// </summary>
public sealed class BufferPool
{
    public const int BlockBytesMin = 1 << 10;
    public const int BlockBytesMax = 1 << 20;
    private const int ClassCount = 6;

    private readonly Shelf[] _shelves = new Shelf[ClassCount];
    private long _blocksOut;
    private long _bytesOut;

    /// <param name="keptBytesMax">Free bytes the 256 KB class keeps, which carries most of the load; every other class keeps a quarter of it. More go to the collector.</param>
    public BufferPool(long keptBytesMax = 64 << 20)
    {
        for (int i = 0; i < ClassCount; i++)
        {
            int size = BlockBytesMin << (2 * i);
            long kept = size == 256 << 10 ? keptBytesMax : keptBytesMax / 4;
            _shelves[i] = new Shelf(size, (int)Math.Max(4, kept / size));
        }
    }

    /// <summary>Blocks taken and not given back.</summary>
    public long BlocksOut => Interlocked.Read(ref _blocksOut);

    /// <summary>Bytes of the blocks taken and not given back.</summary>
    public long BytesOut => Interlocked.Read(ref _bytesOut);

    /// <summary>The size of the block that <see cref="Take"/> would give.</summary>
    public static int SizeFor(int bytesMin)
    {
        for (int size = BlockBytesMin; size <= BlockBytesMax; size <<= 2)
        {
            if (bytesMin <= size)
            {
                return size;
            }
        }
        return bytesMin;
    }

    /// <summary>Takes a block of at least the given size. Its content is arbitrary. The caller owns it until <see cref="Return"/>.</summary>
    public byte[] Take(int bytesMin)
    {
        int index = ClassOf(SizeFor(bytesMin));
        byte[] block = index < 0
            ? GC.AllocateUninitializedArray<byte>(bytesMin)
            : _shelves[index].TryTake() ?? GC.AllocateUninitializedArray<byte>(_shelves[index].Size, pinned: true);
        Interlocked.Increment(ref _blocksOut);
        Interlocked.Add(ref _bytesOut, block.Length);
        return block;
    }

    /// <summary>Gives a block back; the caller must not touch it again.</summary>
    public void Return(byte[] block)
    {
        ArgumentNullException.ThrowIfNull(block);
        Interlocked.Decrement(ref _blocksOut);
        Interlocked.Add(ref _bytesOut, -block.Length);
        int index = ClassOf(block.Length);
        if (index >= 0)
        {
            _shelves[index].Put(block);
        }
    }

    private static int ClassOf(int size) => size switch
    {
        1 << 10 => 0,
        1 << 12 => 1,
        1 << 14 => 2,
        1 << 16 => 3,
        1 << 18 => 4,
        1 << 20 => 5,
        _ => -1,
    };

    private sealed class Shelf(int size, int keptMax)
    {
        private readonly Lock _sync = new();
        private byte[]?[] _kept = new byte[16][];
        private int _count;

        public int Size => size;

        public byte[]? TryTake()
        {
            lock (_sync)
            {
                if (_count == 0)
                {
                    return null;
                }
                byte[]? block = _kept[--_count];
                _kept[_count] = null;
                return block;
            }
        }

        public void Put(byte[] block)
        {
            lock (_sync)
            {
                if (_count == keptMax)
                {
                    return;
                }
                if (_count == _kept.Length)
                {
                    Array.Resize(ref _kept, Math.Min(keptMax, _count * 2));
                }
                _kept[_count++] = block;
            }
        }
    }
}
