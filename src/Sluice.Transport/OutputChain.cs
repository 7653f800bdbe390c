namespace Sluice.Transport;

/// <summary>
/// What a connection has to send, in order: blocks that frames are copied into, and ranges of files. Lies within the writer, is never copied, and
/// changed under the writer's lock only.
/// </summary>
/// <param name="pool">Where blocks come from.</param>
internal struct OutputChain(BlockPool pool)
{
    private OutputPiece? _first;
    private OutputPiece? _last;

    public readonly bool IsEmpty => _first is null;

    /// <summary>Contiguous room for 1 to <see cref="BlockPool.BlockBytes"/> bytes in the last block.</summary>
    public Span<byte> Reserve(int size)
    {
        if (_last is not Block last || BlockPool.BlockBytes - last.Length < size)
        {
            last = AddBlock();
        }

        return last.SpanFrom(last.Length, size);
    }

    /// <summary>Makes the first bytes of the last reservation part of the output.</summary>
    public readonly void Commit(int size)
    {
        var last = (Block)_last!;
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)size, (uint)(BlockPool.BlockBytes - last.Length), nameof(size));
        last.Length += size;
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_last is not Block last || last.Length == BlockPool.BlockBytes)
            {
                last = AddBlock();
            }

            int count = Math.Min(bytes.Length, BlockPool.BlockBytes - last.Length);
            bytes[..count].CopyTo(last.SpanFrom(last.Length, count));
            last.Length += count;
            bytes = bytes[count..];
        }
    }

    public void Add(OutputPiece piece)
    {
        if (_last is null)
        {
            _first = piece;
        }
        else
        {
            _last.Next = piece;
        }

        _last = piece;
    }

    /// <summary>The oldest piece, which is the caller's from now on; null when there is none.</summary>
    public OutputPiece? TakeFirst()
    {
        OutputPiece? piece = _first;
        if (piece is not null)
        {
            _first = piece.Next;
            if (_first is null)
            {
                _last = null;
            }

            piece.Next = null;
        }

        return piece;
    }

    /// <summary>The first of all pieces, each of which leads to the next; they are the caller's from now on.</summary>
    public OutputPiece? TakeAll()
    {
        OutputPiece? first = _first;
        _first = null;
        _last = null;
        return first;
    }

    /// <summary>Lets go of pieces that are not sent. Off the lock.</summary>
    /// <param name="first">From <see cref="TakeAll"/>.</param>
    public static void Drop(OutputPiece? first)
    {
        while (first is not null)
        {
            OutputPiece? next = first.Next;
            first.Dispose();
            first = next;
        }
    }

    private Block AddBlock()
    {
        Block block = pool.RentBlock();
        Add(block);
        return block;
    }
}
