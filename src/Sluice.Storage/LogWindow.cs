using Sluice.Base.Buffers;

namespace Sluice.Storage;

/// <summary>A pooled piece of a log's file that holds whole, checksum-verified batches.</summary>
public sealed class LogWindow : IDisposable
{
    private readonly BufferPool _pool;
    private byte[]? _buffer;

    internal LogWindow(BufferPool pool, byte[] buffer, int start, int end, long coveredFrom, long firstOffset, long endOffset)
    {
        _pool = pool;
        _buffer = buffer;
        Start = start;
        End = end;
        CoveredFrom = coveredFrom;
        FirstOffset = firstOffset;
        EndOffset = endOffset;
    }

    public long FirstOffset { get; }

    /// <summary>One past the last offset held.</summary>
    public long EndOffset { get; }

    /// <summary>Nothing exists between this offset and <see cref="FirstOffset"/>.</summary>
    internal long CoveredFrom { get; }

    internal byte[] Buffer => _buffer!;

    internal int Start { get; }

    internal int End { get; }

    public void Dispose()
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            _pool.Return(buffer);
        }
    }
}
