using Sluice.Base.Buffers;

namespace Sluice.Storage.Journaling;

/// <summary>Bytes queued for the journal, in pooled pieces that are each written by one call. Guarded by the journal's lock, then by its I/O lock.</summary>
internal sealed class JournalBuffer(BufferPool pool)
{
    /// <summary>Larger writes are slower: they make the kernel take fresh large pages.</summary>
    private const int PieceBytes = 256 << 10;

    private readonly List<Piece> _pieces = [];

    public int Count => _pieces.Count;

    public ReadOnlySpan<Piece> Pieces => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_pieces);

    /// <summary>Begins a piece that opens the epoch's file.</summary>
    public void BeginFile(long position, long epoch) => _pieces.Add(new Piece(pool.Take(PieceBytes), position, epoch, beginsFile: true));

    /// <summary>A place for bytes that must lie together; at most a piece long.</summary>
    public Span<byte> Reserve(long position, int bytes)
    {
        if (_pieces.Count == 0 || _pieces[^1].Room < bytes)
        {
            _pieces.Add(new Piece(pool.Take(PieceBytes), position, 0, beginsFile: false));
        }
        ref Piece last = ref System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_pieces)[^1];
        Span<byte> place = last.Buffer.AsSpan(last.Used, bytes);
        last.Used += bytes;
        return place;
    }

    public void Copy(long position, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int room = _pieces.Count == 0 ? 0 : _pieces[^1].Room;
            int part = Math.Min(bytes.Length, room == 0 ? PieceBytes : room);
            bytes[..part].CopyTo(Reserve(position, part));
            position += part;
            bytes = bytes[part..];
        }
    }

    /// <summary>The bytes queued at a position, or empty if they are not (all) in one piece here.</summary>
    public Span<byte> Find(long position, int bytes)
    {
        for (int i = _pieces.Count - 1; i >= 0; i--)
        {
            Piece piece = _pieces[i];
            if (position >= piece.Position)
            {
                long at = position - piece.Position;
                return at + bytes <= piece.Used ? piece.Buffer.AsSpan((int)at, bytes) : default;
            }
        }
        return default;
    }

    public void Clear()
    {
        foreach (Piece piece in _pieces)
        {
            pool.Return(piece.Buffer);
        }
        _pieces.Clear();
    }

    /// <summary>Consecutive bytes of the journal from <paramref name="position"/> on.</summary>
    internal struct Piece(byte[] buffer, long position, long epoch, bool beginsFile)
    {
        public readonly byte[] Buffer = buffer;
        public readonly long Position = position;
        public readonly long Epoch = epoch;
        public readonly bool BeginsFile = beginsFile;
        public int Used;

        public readonly int Room => Buffer.Length - Used;
    }
}
