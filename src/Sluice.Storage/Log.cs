namespace Sluice.Storage;

/// <summary>
/// An append-only sequence of record batches addressed by offset. One appender at a time (the owner's lock); readers are
/// independent. Offsets may have holes (records promised only <see cref="Durability.Memory"/> and lost in a crash; compaction).
/// </summary>
public sealed class Log
{
    public LogId Id => throw new NotImplementedException();

    public LogKind Kind => throw new NotImplementedException();

    /// <summary>Offset of the oldest record kept.</summary>
    public long StartOffset => throw new NotImplementedException();

    /// <summary>Offset the next record gets.</summary>
    public long NextOffset => throw new NotImplementedException();

    /// <summary>Bytes of the kept batches, in memory and on disk.</summary>
    public long Bytes => throw new NotImplementedException();

    /// <summary>The log's settlement cursor; null when <see cref="RetentionPolicy.BehindCursor"/> is false.</summary>
    public Cursor? Cursor => throw new NotImplementedException();

    /// <summary>
    /// Appends a sealed batch (copied). Order is fixed on return; durability is reached when the journal says so for the returned position
    /// (<see cref="JournalPosition.None"/> when nothing was journaled). Throws <see cref="LogFailedException"/> when the log or journal has failed and the promise is above Memory.
    /// </summary>
    /// <param name="batch">From RecordBatchBuilder.Seal, or as a client sent it and already validated.</param>
    /// <param name="promise">Ignored for a volatile log.</param>
    /// <param name="group">Journal as part of this group instead of alone.</param>
    public AppendResult Append(ReadOnlySpan<byte> batch, Durability promise, JournalGroup? group = null) => throw new NotImplementedException();

    /// <summary>A reader placed at the first record at or after <paramref name="offset"/>.</summary>
    public LogReader OpenReader(long offset) => throw new NotImplementedException();

    /// <summary>
    /// Reads whole batches from segment files, beginning with the one that holds <paramref name="offset"/>. Blocks on the disk; thread-safe; call off the owner's lock.
    /// Returns null if the offset is (by now) not in a file: try the reader again. Throws <see cref="LogFailedException"/> for damage, naming file and position.
    /// </summary>
    public LogWindow? LoadWindow(long offset, int bytesMax = 256 << 10) => throw new NotImplementedException();

    /// <summary>Offset of the first record whose timestamp is at or after the given one; <see cref="NextOffset"/> if there is none. Blocks on the disk.</summary>
    public long FindOffset(long timestampMs) => throw new NotImplementedException();

    /// <summary>Replaces the retention policy and applies it.</summary>
    public void SetRetention(RetentionPolicy retention) => throw new NotImplementedException();

    /// <summary>Bytes of the batches in the offset range, from the indexes: an estimate, never a scan.</summary>
    public long EstimateBytes(long fromOffset, long toOffset) => throw new NotImplementedException();
}

/// <summary>Where an append landed.</summary>
public readonly record struct AppendResult(long BaseOffset, JournalPosition Position);

/// <summary>The log stopped taking promises (a failed write or sync), or a part of it is damaged.</summary>
public sealed class LogFailedException : IOException
{
    public LogFailedException()
    {
    }

    public LogFailedException(string message)
        : base(message)
    {
    }

    public LogFailedException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
