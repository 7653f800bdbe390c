using System.Buffers;

namespace Sluice.Base.Buffers;

/// <summary>A buffer of a pool that grows as it is written to. Owns its block until <see cref="Dispose"/>, after which it can be written to again. Not thread-safe.</summary>
public sealed class PooledBufferWriter(BufferPool pool) : IBufferWriter<byte>, IDisposable
{
    private byte[] _buffer = [];
    private int _written;

    /// <summary>Bytes written so far.</summary>
    public int WrittenCount => _written;

    /// <summary>What was written. Valid until the next write.</summary>
    public ReadOnlySpan<byte> WrittenSpan => _buffer.AsSpan(0, _written);

    /// <summary>What was written, for what is sent later. Valid until the next write.</summary>
    public ReadOnlyMemory<byte> WrittenMemory => _buffer.AsMemory(0, _written);

    /// <summary>What was written, for filling in what was only known later. Valid until the next write.</summary>
    public Span<byte> WrittenBytes => _buffer.AsSpan(0, _written);

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _buffer.Length - _written);
        _written += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        EnsureRoom(sizeHint);
        return _buffer.AsMemory(_written);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        EnsureRoom(sizeHint);
        return _buffer.AsSpan(_written);
    }

    /// <summary>Forgets what was written and keeps the block.</summary>
    public void Clear() => _written = 0;

    /// <summary>Gives the block back.</summary>
    public void Dispose()
    {
        if (_buffer.Length > 0)
        {
            pool.Return(_buffer);
            _buffer = [];
        }
        _written = 0;
    }

    private void EnsureRoom(int bytes)
    {
        bytes = Math.Max(1, bytes);
        if (_buffer.Length - _written >= bytes)
        {
            return;
        }
        long doubled = Math.Min(_buffer.Length * 2L, Array.MaxLength);
        byte[] larger = pool.Take((int)Math.Max(checked(_written + bytes), doubled));
        _buffer.AsSpan(0, _written).CopyTo(larger);
        if (_buffer.Length > 0)
        {
            pool.Return(_buffer);
        }
        _buffer = larger;
    }
}
