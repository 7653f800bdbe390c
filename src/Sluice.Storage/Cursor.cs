using System.Buffers.Binary;
using Sluice.Storage.Cursors;
using Sluice.Storage.Journaling;

namespace Sluice.Storage;

/// <summary>
/// Which offsets of a log are settled: all below <see cref="Floor"/>, and a set above it (a bitmap in blocks; wholly settled blocks cost nothing).
/// Delivery counts of unsettled records that were delivered and came back. Guarded by the log owner's lock.
/// Settlements are journaled lazily: they ride with the next write and may be lost in a crash (then records are delivered again).
/// </summary>
public sealed class Cursor
{
    private readonly Log _log;
    private SettledMap? _above;
    private Dictionary<long, int>? _deliveryCounts;
    private long _floor;
    private long _journalEntry;
    private long _settledSinceCleaning;

    internal Cursor(Log log, long floor)
    {
        _log = log;
        _floor = floor;
    }

    /// <summary>Lowest unsettled offset; equals the log's NextOffset when all is settled.</summary>
    public long Floor => Volatile.Read(ref _floor);

    /// <summary>Records between Floor and the log's end that are not settled (holes count as settled).</summary>
    public long UnsettledCount => Math.Max(0, _log.NextOffset - _floor - (_above?.Count ?? 0));

    public bool IsSettled(long offset) => offset < _floor || (_above is { } above && above.Contains(offset));

    /// <summary>Settles one record; false if it was settled already.</summary>
    public bool Settle(long offset, JournalGroup? group = null) => SettleRange(offset, offset + 1, group) != 0;

    /// <summary>Settles many, in any order; returns how many were not settled before. One journal entry for each run of neighbours.</summary>
    public int Settle(ReadOnlySpan<long> offsets, JournalGroup? group = null)
    {
        int settled = 0;
        lock (_log.Sync)
        {
            for (int i = 0; i < offsets.Length;)
            {
                long from = offsets[i++];
                long to = from + 1;
                while (i < offsets.Length && offsets[i] == to)
                {
                    to++;
                    i++;
                }
                settled += (int)SettleLocked(from, to, group);
            }
            _log.ReleaseSettled();
        }
        return settled;
    }

    /// <summary>Settles all of [from, to); returns how many were not settled before.</summary>
    public long SettleRange(long from, long to, JournalGroup? group = null)
    {
        lock (_log.Sync)
        {
            long settled = SettleLocked(from, to, group);
            _log.ReleaseSettled();
            return settled;
        }
    }

    /// <summary>First unsettled offset at or after <paramref name="offset"/>; the log's NextOffset if none.</summary>
    public long NextUnsettled(long offset)
    {
        long next = Math.Max(offset, _floor);
        if (_above is { } above)
        {
            next = above.NextMissing(next);
        }
        return Math.Min(next, _log.NextOffset);
    }

    /// <summary>How often the record was delivered and came back, 0 if never recorded.</summary>
    public int DeliveryCount(long offset) => _deliveryCounts is { } counts && counts.TryGetValue(offset, out int count) ? count : 0;

    /// <summary>Remembers a delivery count; kept over restarts, forgotten when the record is settled.</summary>
    public void SetDeliveryCount(long offset, int count)
    {
        lock (_log.Sync)
        {
            if (IsSettled(offset))
            {
                return;
            }
            (_deliveryCounts ??= [])[offset] = count;
            if (_log.IsJournaled(offset))
            {
                Span<byte> payload = stackalloc byte[12];
                BinaryPrimitives.WriteInt64LittleEndian(payload, offset);
                BinaryPrimitives.WriteInt32LittleEndian(payload[8..], count);
                _log.Store.Journal.Add(JournalEntryType.DeliveryCounts, Durability.Memory, _log.Id.Value, payload);
            }
        }
    }

    /// <summary>Unsettled offsets in [from, to). Under the log's lock.</summary>
    internal long UnsettledIn(long from, long to)
    {
        from = Math.Max(from, _floor);
        return from >= to ? 0 : to - from - (_above?.CountIn(from, to) ?? 0);
    }

    /// <summary>Applies a settlement without journaling it: replay, gaps and lost ranges. Under the log's lock.</summary>
    internal long Apply(long from, long to)
    {
        from = Math.Max(from, _floor);
        if (from >= to)
        {
            return 0;
        }
        long settled;
        if (from == _floor)
        {
            long already = 0;
            if (_above is { Count: > 0 } above)
            {
                long oldFloor = _floor;
                long floor = above.NextMissing(to);
                already = above.Trim(floor, oldFloor);
                settled = floor - oldFloor - already;
                Volatile.Write(ref _floor, floor);
            }
            else
            {
                settled = to - from;
                Volatile.Write(ref _floor, to);
            }
        }
        else
        {
            settled = (_above ??= new SettledMap(_log.Store.BitBlocks)).AddRange(from, to, _floor);
        }
        if (_deliveryCounts is { Count: > 0 } counts)
        {
            ForgetCounts(counts, from, to);
        }
        return settled;
    }

    internal void ApplyDeliveryCount(long offset, int count)
    {
        if (!IsSettled(offset))
        {
            (_deliveryCounts ??= [])[offset] = count;
        }
    }

    /// <summary>Settled ranges above the floor, in order. Under the log's lock.</summary>
    internal IEnumerable<(long From, long To)> RangesAbove()
    {
        if (_above is not { Count: > 0 } above)
        {
            yield break;
        }
        for (long at = above.NextPresent(_floor); at != long.MaxValue; at = above.NextPresent(at))
        {
            long end = above.NextMissing(at);
            yield return (at, end);
            at = end;
        }
    }

    /// <summary>One past the highest settled offset.</summary>
    internal long SettledEnd
    {
        get
        {
            long end = _floor;
            foreach ((_, long to) in RangesAbove())
            {
                end = to;
            }
            return end;
        }
    }

    internal IReadOnlyDictionary<long, int>? DeliveryCounts => _deliveryCounts;

    internal void Release() => _above?.Clear();

    private long SettleLocked(long from, long to, JournalGroup? group)
    {
        from = Math.Max(from, _floor);
        to = Math.Min(to, _log.NextOffset);
        if (from >= to)
        {
            return 0;
        }
        long settled = Apply(from, to);
        if (_log.Segments is not null)
        {
            CountForCleaning(settled);
        }
        if (settled != 0 && _log.IsJournaled(from))
        {
            if (group is null)
            {
                _log.Store.Journal.AddSettled(_log.Id.Value, from, to, ref _journalEntry);
            }
            else
            {
                group.AddSettled(_log, from, to);
            }
        }
        return settled;
    }

    /// <summary>Has the cleaner look again after each quarter of a segment's records settled.</summary>
    private void CountForCleaning(long settled)
    {
        _settledSinceCleaning += settled;
        if (_log.Segments is { Count: > 1 } segments && _settledSinceCleaning > (segments[0].EndOffset - segments[0].BaseOffset) / 4)
        {
            _settledSinceCleaning = 0;
            _log.QueueForMaintenance();
        }
    }

    private static void ForgetCounts(Dictionary<long, int> counts, long from, long to)
    {
        if (to - from <= counts.Count)
        {
            for (long offset = from; offset < to; offset++)
            {
                counts.Remove(offset);
            }
            return;
        }
        foreach (long offset in counts.Keys)
        {
            if (offset >= from && offset < to)
            {
                counts.Remove(offset);
            }
        }
    }
}
