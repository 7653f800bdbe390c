using Sluice.Base.Buffers;

namespace Sluice.Storage.Tails;

/// <summary>Chunks of all logs and how many bytes they hold. Thread-safe.</summary>
internal sealed class ChunkPool(BufferPool buffers)
{
    private const int KeptMax = 4096;

    private readonly Lock _sync = new();
    private readonly Stack<Chunk> _free = new();
    private long _serial;
    private long _bytes;

    /// <summary>Capacity of the chunks in use, in bytes.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>An empty chunk with one reference, for the log's list.</summary>
    public Chunk Take(Log owner, int bytesMin, long firstOffset)
    {
        Chunk? chunk;
        lock (_sync)
        {
            _free.TryPop(out chunk);
        }
        chunk ??= new Chunk();
        chunk.Buffer = buffers.Take(bytesMin);
        chunk.Owner = owner;
        chunk.Reset(NextSerial(), firstOffset);
        chunk.AddReference();
        Interlocked.Add(ref _bytes, chunk.Buffer.Length);
        return chunk;
    }

    public long NextSerial() => Interlocked.Increment(ref _serial);

    /// <summary>Drops a reference; the last one recycles the chunk.</summary>
    public void Drop(Chunk chunk)
    {
        if (!chunk.DropReference())
        {
            return;
        }
        Interlocked.Add(ref _bytes, -chunk.Buffer.Length);
        buffers.Return(chunk.Buffer);
        chunk.Buffer = [];
        chunk.Next = null;
        lock (_sync)
        {
            if (_free.Count < KeptMax)
            {
                _free.Push(chunk);
            }
        }
    }
}
