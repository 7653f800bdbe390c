namespace Sluice.Storage;

/// <summary>
/// Which offsets of a log are settled: all below <see cref="Floor"/>, and a set above it (a bitmap in blocks; wholly settled blocks cost nothing).
/// Delivery counts of unsettled records that were delivered and came back. Guarded by the log owner's lock.
/// Settlements are journaled lazily: they ride with the next write and may be lost in a crash (then records are delivered again).
/// </summary>
public sealed class Cursor
{
    /// <summary>Lowest unsettled offset; equals the log's NextOffset when all is settled.</summary>
    public long Floor => throw new NotImplementedException();

    /// <summary>Records between Floor and the log's end that are not settled (holes count as settled).</summary>
    public long UnsettledCount => throw new NotImplementedException();

    public bool IsSettled(long offset) => throw new NotImplementedException();

    /// <summary>Settles one record; false if it was settled already.</summary>
    public bool Settle(long offset, JournalGroup? group = null) => throw new NotImplementedException();

    /// <summary>Settles many, in any order; returns how many were not settled before. One journal entry.</summary>
    public int Settle(ReadOnlySpan<long> offsets, JournalGroup? group = null) => throw new NotImplementedException();

    /// <summary>Settles all of [from, to); returns how many were not settled before.</summary>
    public long SettleRange(long from, long to, JournalGroup? group = null) => throw new NotImplementedException();

    /// <summary>First unsettled offset at or after <paramref name="offset"/>; the log's NextOffset if none.</summary>
    public long NextUnsettled(long offset) => throw new NotImplementedException();

    /// <summary>How often the record was delivered and came back, 0 if never recorded.</summary>
    public int DeliveryCount(long offset) => throw new NotImplementedException();

    /// <summary>Remembers a delivery count; kept over restarts, forgotten when the record is settled.</summary>
    public void SetDeliveryCount(long offset, int count) => throw new NotImplementedException();
}
