using System.Numerics;

namespace Sluice.Storage.Cursors;

/// <summary>Which offsets above a floor are settled: a bitmap in blocks of 4,096. A wholly settled or wholly unsettled block costs one reference. Not thread-safe.</summary>
internal sealed class SettledMap(BitBlockPool pool)
{
    public const int BlockBits = 4096;

    private BitBlock?[] _blocks = new BitBlock?[4];
    private long _firstBlock = -1;
    private int _count;

    /// <summary>Settled offsets in the map.</summary>
    public long Count { get; private set; }

    public bool Contains(long offset)
    {
        long index = (offset / BlockBits) - _firstBlock;
        if ((ulong)index >= (ulong)_count || _blocks[index] is not { } block)
        {
            return false;
        }
        int bit = (int)(offset % BlockBits);
        return ReferenceEquals(block, BitBlock.Full) || (block.Words[bit >> 6] & (1UL << (bit & 63))) != 0;
    }

    /// <summary>Adds an offset at or above the floor; false if it was there.</summary>
    public bool Add(long offset, long floor)
    {
        ref BitBlock? slot = ref SlotOf(offset / BlockBits, floor);
        if (ReferenceEquals(slot, BitBlock.Full))
        {
            return false;
        }
        BitBlock block = slot ??= pool.Take();
        int bit = (int)(offset % BlockBits);
        ref ulong word = ref block.Words[bit >> 6];
        ulong mask = 1UL << (bit & 63);
        if ((word & mask) != 0)
        {
            return false;
        }
        word |= mask;
        Count++;
        if (++block.Count == BlockBits)
        {
            pool.Return(block);
            slot = BitBlock.Full;
        }
        return true;
    }

    /// <summary>Adds [from, to), returns how many were new.</summary>
    public long AddRange(long from, long to, long floor)
    {
        long added = 0;
        while (from < to)
        {
            long number = from / BlockBits;
            long blockEnd = Math.Min(to, (number + 1) * BlockBits);
            if (blockEnd - from == BlockBits)
            {
                ref BitBlock? slot = ref SlotOf(number, floor);
                if (!ReferenceEquals(slot, BitBlock.Full))
                {
                    int before = slot?.Count ?? 0;
                    if (slot is not null)
                    {
                        pool.Return(slot);
                    }
                    slot = BitBlock.Full;
                    added += BlockBits - before;
                    Count += BlockBits - before;
                }
                from = blockEnd;
                continue;
            }
            for (; from < blockEnd; from++)
            {
                added += Add(from, floor) ? 1 : 0;
            }
        }
        return added;
    }

    /// <summary>First offset at or after the given that is not in the map.</summary>
    public long NextMissing(long offset)
    {
        while (true)
        {
            long index = (offset / BlockBits) - _firstBlock;
            if ((ulong)index >= (ulong)_count || _blocks[index] is not { } block)
            {
                return offset;
            }
            long blockStart = offset - (offset % BlockBits);
            int bit = (int)(offset % BlockBits);
            if (!ReferenceEquals(block, BitBlock.Full))
            {
                for (int word = bit >> 6; word < BlockBits / 64; word++)
                {
                    ulong missing = ~block.Words[word];
                    if (word == bit >> 6)
                    {
                        missing &= ~0UL << (bit & 63);
                    }
                    if (missing != 0)
                    {
                        return blockStart + (word << 6) + BitOperations.TrailingZeroCount(missing);
                    }
                }
            }
            offset = blockStart + BlockBits;
        }
    }

    /// <summary>First offset at or after the given that is in the map; <see cref="long.MaxValue"/> if none.</summary>
    public long NextPresent(long offset)
    {
        if (_count == 0)
        {
            return long.MaxValue;
        }
        offset = Math.Max(offset, _firstBlock * BlockBits);
        for (long number = offset / BlockBits; number < _firstBlock + _count; number++)
        {
            long blockStart = number * BlockBits;
            int bit = (int)Math.Max(0, offset - blockStart);
            switch (_blocks[number - _firstBlock])
            {
                case null:
                    continue;
                case { } block when ReferenceEquals(block, BitBlock.Full):
                    return blockStart + bit;
                case { } block:
                    for (int word = bit >> 6; word < BlockBits / 64; word++)
                    {
                        ulong present = block.Words[word];
                        if (word == bit >> 6)
                        {
                            present &= ~0UL << (bit & 63);
                        }
                        if (present != 0)
                        {
                            return blockStart + (word << 6) + BitOperations.TrailingZeroCount(present);
                        }
                    }
                    continue;
            }
        }
        return long.MaxValue;
    }

    /// <summary>How many of [from, to) are in the map.</summary>
    public long CountIn(long from, long to)
    {
        if (_count == 0)
        {
            return 0;
        }
        long count = 0;
        from = Math.Max(from, _firstBlock * BlockBits);
        to = Math.Min(to, (_firstBlock + _count) * BlockBits);
        while (from < to)
        {
            long number = from / BlockBits;
            long end = Math.Min(to, (number + 1) * BlockBits);
            if (_blocks[number - _firstBlock] is { } block)
            {
                count += ReferenceEquals(block, BitBlock.Full) ? end - from : block.CountIn((int)(from % BlockBits), (int)(end - (number * BlockBits)));
            }
            from = end;
        }
        return count;
    }

    /// <summary>Forgets all below the floor; call after the floor moved over settled offsets. Returns how many were forgotten.</summary>
    public long Trim(long floor, long oldFloor)
    {
        long removed = CountIn(oldFloor, floor);
        Count -= removed;
        int drop = (int)Math.Clamp((floor / BlockBits) - _firstBlock, 0, _count);
        if (drop > 0)
        {
            for (int i = 0; i < drop; i++)
            {
                if (_blocks[i] is { } block && !ReferenceEquals(block, BitBlock.Full))
                {
                    pool.Return(block);
                }
            }
            Array.Copy(_blocks, drop, _blocks, 0, _count - drop);
            Array.Clear(_blocks, _count - drop, drop);
            _count -= drop;
            _firstBlock += drop;
        }
        if (Count == 0)
        {
            Clear();
        }
        return removed;
    }

    public void Clear()
    {
        for (int i = 0; i < _count; i++)
        {
            if (_blocks[i] is { } block && !ReferenceEquals(block, BitBlock.Full))
            {
                pool.Return(block);
            }
            _blocks[i] = null;
        }
        _count = 0;
        _firstBlock = -1;
        Count = 0;
        if (_blocks.Length > 64)
        {
            _blocks = new BitBlock?[4];
        }
    }

    private ref BitBlock? SlotOf(long number, long floor)
    {
        if (_count == 0)
        {
            _firstBlock = floor / BlockBits;
        }
        long index = number - _firstBlock;
        if (index >= _blocks.Length)
        {
            Array.Resize(ref _blocks, (int)Math.Max(index + 1, _blocks.Length * 2L));
        }
        _count = Math.Max(_count, (int)index + 1);
        return ref _blocks[index];
    }
}

/// <summary>4,096 bits and how many are set.</summary>
internal sealed class BitBlock
{
    /// <summary>Stands for every wholly settled block.</summary>
    public static readonly BitBlock Full = new(0);

    private BitBlock(int words) => Words = new ulong[words];

    public BitBlock()
        : this(SettledMap.BlockBits / 64)
    {
    }

    public ulong[] Words { get; }

    public int Count { get; set; }

    /// <summary>Bits set in [from, to).</summary>
    public int CountIn(int from, int to)
    {
        int count = 0;
        while (from < to)
        {
            int end = Math.Min(to, (from | 63) + 1);
            ulong word = Words[from >> 6] >> (from & 63);
            int width = end - from;
            count += BitOperations.PopCount(width == 64 ? word : word & ((1UL << width) - 1));
            from = end;
        }
        return count;
    }
}

/// <summary>Bit blocks of all cursors, for reuse. Thread-safe.</summary>
internal sealed class BitBlockPool
{
    private const int KeptMax = 1024;

    private readonly Lock _sync = new();
    private readonly Stack<BitBlock> _free = new();

    public BitBlock Take()
    {
        lock (_sync)
        {
            return _free.TryPop(out BitBlock? block) ? block : new BitBlock();
        }
    }

    public void Return(BitBlock block)
    {
        Array.Clear(block.Words);
        block.Count = 0;
        lock (_sync)
        {
            if (_free.Count < KeptMax)
            {
                _free.Push(block);
            }
        }
    }
}
