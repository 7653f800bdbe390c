namespace Sluice.Storage.Tails;

/// <summary>
/// A pooled piece of a log's tail: whole batches in offset order. The log's list holds one reference, each reader or flusher
/// inside it another; references are only added under the log's lock while the list holds its own. The last to let go recycles it.
/// </summary>
internal sealed class Chunk
{
    private int _references;
    private int _length;

    public byte[] Buffer { get; set; } = [];

    /// <summary>Names this use of the object: a reader may remember chunk and serial without a reference and check later.</summary>
    public long Serial { get; set; }

    /// <summary>The log whose list holds the chunk; null once it is out of the list.</summary>
    public Log? Owner { get; set; }

    public Chunk? Next { get; set; }

    public long FirstOffset { get; set; }

    public long EndOffset { get; set; }

    public long MaxTimestamp { get; set; }

    /// <summary>When the first of it was appended, if the log is limited by age; else 0.</summary>
    public long BegunAtMs { get; set; }

    /// <summary>Leading bytes that are in a segment (or were settled and need not be).</summary>
    public int FlushedLength { get; set; }

    /// <summary>Bytes that hold whole batches; grows while the chunk is the log's last.</summary>
    public int Length
    {
        get => Volatile.Read(ref _length);
        set => Volatile.Write(ref _length, value);
    }

    public bool IsShared => Volatile.Read(ref _references) > 1;

    public void AddReference() => Interlocked.Increment(ref _references);

    /// <summary>True for the one that lets go last.</summary>
    public bool DropReference() => Interlocked.Decrement(ref _references) == 0;

    public void Reset(long serial, long firstOffset)
    {
        Serial = serial;
        FirstOffset = firstOffset;
        EndOffset = firstOffset;
        MaxTimestamp = long.MinValue;
        FlushedLength = 0;
        Length = 0;
    }
}
