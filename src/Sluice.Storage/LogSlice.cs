using Microsoft.Win32.SafeHandles;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage;

/// <summary>
/// Consecutive bytes of a log, beginning with a whole batch: as they are stored, a piece of the tail in memory or a range of a segment file, which can
/// be sent without looking at it; or batches written anew for the reader, in a buffer of their own. Holds what it points at until disposed, by one owner. Bytes of a file are not verified: each batch carries its checksum.
/// </summary>
public sealed class LogSlice : IDisposable
{
    private readonly StoreContext _store;
    private readonly Chunk? _chunk;
    private readonly byte[]? _buffer;
    private readonly SegmentFiles.Lease _lease;
    private readonly int _start;
    private bool _isDisposed;

    internal LogSlice(StoreContext store, Chunk chunk, int start, int length, long firstOffset, long endOffset)
    {
        _store = store;
        _chunk = chunk;
        _start = start;
        Length = length;
        FirstOffset = firstOffset;
        EndOffset = endOffset;
    }

    /// <param name="store">Whose pool gets the buffer back.</param>
    /// <param name="buffer">Of <see cref="LogStore.Buffers"/>; owned from now on.</param>
    /// <param name="length">Bytes of it that are batches.</param>
    /// <param name="firstOffset">Of the first batch.</param>
    /// <param name="endOffset">Where reading goes on.</param>
    public LogSlice(LogStore store, byte[] buffer, int length, long firstOffset, long endOffset)
    {
        ArgumentNullException.ThrowIfNull(store);
        _store = store.Context;
        _buffer = buffer;
        Length = length;
        FirstOffset = firstOffset;
        EndOffset = endOffset;
    }

    internal LogSlice(StoreContext store, SegmentFiles.Lease lease, long position, long length, long firstOffset, long endOffset)
    {
        _store = store;
        _lease = lease;
        FilePosition = position;
        Length = length;
        FirstOffset = firstOffset;
        EndOffset = endOffset;
    }

    /// <summary>Base offset of the first batch, which may lie below the offset asked for.</summary>
    public long FirstOffset { get; }

    /// <summary>One past the last offset of the slice; -1 when its last batch may be cut off.</summary>
    public long EndOffset { get; }

    /// <summary>In bytes.</summary>
    public long Length { get; }

    /// <summary>True: <see cref="Memory"/> has the bytes. False: the file does.</summary>
    public bool IsInMemory => Bytes is not null;

    /// <summary>The bytes of a slice in memory.</summary>
    public ReadOnlyMemory<byte> Memory => Bytes!.AsMemory(_start, (int)Length);

    /// <summary>The file of a slice that is not in memory; null when the disk has no such handles: <see cref="Read"/> it then.</summary>
    public SafeFileHandle? File => IsInMemory ? null : _lease.File.Handle;

    /// <summary>Where in the file the slice begins.</summary>
    public long FilePosition { get; }

    private byte[]? Bytes => _buffer ?? _chunk?.Buffer;

    /// <summary>Copies bytes of the slice from a position within it. Blocks on the disk if it is in a file. Returns less than asked for only at its end.</summary>
    /// <exception cref="IOException">The file could not be read.</exception>
    public int Read(long position, Span<byte> destination)
    {
        int count = (int)Math.Min(destination.Length, Length - position);
        if (Bytes is { } bytes)
        {
            bytes.AsSpan(_start + (int)position, count).CopyTo(destination);
            return count;
        }

        return _lease.File.ReadFully(FilePosition + position, destination[..count]);
    }

    public void Dispose()
    {
        if (_isDisposed)
        {
            throw new InvalidOperationException("A log slice was disposed twice.");
        }

        _isDisposed = true;
        if (_chunk is { } chunk)
        {
            _store.Chunks.Drop(chunk);
        }
        else if (_buffer is { } buffer)
        {
            _store.Buffers.Return(buffer);
        }
        else
        {
            _lease.Dispose();
        }
    }
}
