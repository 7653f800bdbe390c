using Sluice.Storage.Records;

namespace Sluice.Storage;

/// <summary>What <see cref="LogReader.TryPeek"/> found.</summary>
public enum PeekResult
{
    Record,

    /// <summary>No record yet at or after the position.</summary>
    EndOfLog,

    /// <summary>The record is only in a file: <see cref="Log.LoadWindow"/> at <see cref="LogReader.NextOffset"/>, then <see cref="LogReader.Attach"/>.</summary>
    NeedsLoad,
}

/// <summary>
/// Sequential position on a log. Reads the tail from memory and a backlog from windows that its owner loads off its lock.
/// Used by one thread at a time (the owner's lock). Costs a few dozen bytes while idle at the end of the log.
/// </summary>
public sealed class LogReader : IDisposable
{
    /// <summary>The position: offset of the next record, or the hole before it.</summary>
    public long NextOffset => throw new NotImplementedException();

    /// <summary>Shows the next record without moving. Skips holes. The view is valid until the next call on this reader.</summary>
    public PeekResult TryPeek(out RecordView record) => throw new NotImplementedException();

    /// <summary>Moves past the record last peeked.</summary>
    public void Advance() => throw new NotImplementedException();

    /// <summary>Places the reader at an offset, forward or back.</summary>
    public void Seek(long offset) => throw new NotImplementedException();

    /// <summary>True when the current file window is half used and the next is not there yet: load it from <paramref name="offset"/> and attach.</summary>
    public bool WantsPrefetch(out long offset) => throw new NotImplementedException();

    /// <summary>Takes ownership of the window; disposes it if it no longer fits the position.</summary>
    public void Attach(LogWindow window) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}

/// <summary>A pooled piece of a log's file that holds whole, checksum-verified batches.</summary>
public sealed class LogWindow : IDisposable
{
    public long FirstOffset => throw new NotImplementedException();

    /// <summary>One past the last offset held.</summary>
    public long EndOffset => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
