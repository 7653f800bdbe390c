using System.Buffers.Binary;
using Sluice.Storage.Journaling;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage;

/// <summary>What goes from the beginning of a log: by its policy, or because its owner says so. Whole segments and chunks; the start offset says from where on records are there.</summary>
internal static class LogRetention
{
    /// <summary>
    /// For so long after it was begun a segment or chunk does not go by age, however old its records say they are: who appends records of long ago finds them there for a while, as with Kafka between two of
    /// its checks (log.retention.check.interval.ms), and consumers have time to read them.
    /// </summary>
    private const long AgeGraceMs = 300_000;

    /// <inheritdoc cref="Log.SetRetention"/>
    public static void Set(Log log, RetentionPolicy retention)
    {
        ArgumentNullException.ThrowIfNull(retention);
        if (retention is { BehindCursor: true, Compaction: not null })
        {
            throw new ArgumentException("Compaction is for logs without a cursor.", nameof(retention));
        }
        if (retention.BehindCursor != log.Retention.BehindCursor)
        {
            throw new ArgumentException("A log is reclaimed behind its cursor or not from its creation on; this cannot be changed.", nameof(retention));
        }
        lock (log.Sync)
        {
            log.RestoreRetention(retention);
            if (log.Kind == LogKind.Durable && !log.IsDeleted)
            {
                Span<byte> definition = stackalloc byte[LogDefinition.BytesMax];
                int length = LogDefinition.Write(definition, log.Kind, retention);
                log.Store.Journal.Add(JournalEntryType.SetRetention, Durability.OperatingSystem, log.Id.Value, definition[..length]);
            }
            log.QueueForMaintenance();
        }
        log.Store.RetentionChanged();
    }

    /// <inheritdoc cref="Log.DeleteBefore"/>
    public static JournalPosition DeleteBefore(Log log, long offset)
    {
        if (log.Cursor is not null)
        {
            throw new InvalidOperationException("A log with a cursor gives up what the cursor has settled.");
        }
        lock (log.Sync)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, log.NextOffset);
            if (offset <= log.PhysicalStart || log.IsDeleted)
            {
                return JournalPosition.None;
            }
            log.SetStart(offset);
            log.QueueForMaintenance();
            return JournalStart(log, Durability.OperatingSystem);
        }
    }

    /// <summary>Drops what the policy gives up; returns the segments, whose files may go once the journal is synced. Under the lock of who writes segments.</summary>
    public static List<Segment> Apply(Log log, long nowMs)
    {
        lock (log.Sync)
        {
            if (log.IsDeleted)
            {
                return [];
            }
            long start = RetainedFrom(log, nowMs);
            bool isMoved = start > log.PhysicalStart;
            if (isMoved)
            {
                log.SetStart(start);
            }
            List<Segment> dropped = CutBelow(log, start);
            if (isMoved && dropped.Count > 0)
            {
                JournalStart(log, Durability.Memory);
            }
            return dropped;
        }
    }

    /// <summary>Drops chunks and segments that end at or below the offset; returns the segments. Under the log's lock.</summary>
    public static List<Segment> CutBelow(Log log, long offset)
    {
        log.Tail.RemoveBelow(log, offset);
        List<Segment> dropped = [];
        while (log.Segments is { Count: > 0 } segments && segments[0].EndOffset <= offset)
        {
            dropped.Add(segments[0]);
            log.AddBytes(-segments[0].WrittenBytes);
            segments.RemoveAt(0);
        }
        return dropped;
    }

    /// <summary>When retention by age can act next; null when the log is empty, or when nobody knows how old the oldest segment or chunk is.</summary>
    public static long? NextAgeDue(Log log, long ageMsMax)
    {
        (long timestamp, long begunAt) = (-1, 0);
        lock (log.Sync)
        {
            if (log.Segments is { Count: > 0 } segments)
            {
                (timestamp, begunAt) = (segments[0].MaxTimestamp, segments[0].BegunAtMs);
            }
            else if (log.Tail.First is { } chunk)
            {
                (timestamp, begunAt) = (chunk.MaxTimestamp, chunk.BegunAtMs);
            }
        }
        return timestamp < 0 ? null : Math.Max(Later(timestamp, ageMsMax), begunAt + Math.Min(ageMsMax, AgeGraceMs));
    }

    /// <summary>The sum, or the latest time there is.</summary>
    public static long Later(long timestampMs, long ageMs) => timestampMs > long.MaxValue - ageMs ? long.MaxValue : timestampMs + ageMs;

    /// <summary>The offset that the policy keeps from. Under the log's lock.</summary>
    private static long RetainedFrom(Log log, long nowMs)
    {
        RetentionPolicy policy = log.Retention;
        long start = log.PhysicalStart;
        long bytes = log.Bytes;
        foreach (Segment segment in log.Segments ?? [])
        {
            bool isSettled = log.Cursor is { } cursor && segment.EndOffset <= cursor.Floor;
            bool isOver = policy.BytesMax is { } bytesMax && bytes - segment.WrittenBytes >= bytesMax;
            bool isOld = policy.AgeMsMax is { } ageMax && IsOld(segment.MaxTimestamp, segment.BegunAtMs, ageMax, nowMs);
            if (isOld && !isSettled && !isOver && segment.MaxTimestamp < 0)
            {
                // Nobody knows how old it is: it goes with what comes after it.
                continue;
            }
            if (!isSettled && !isOver && !isOld)
            {
                return start;
            }
            start = segment.EndOffset;
            bytes -= segment.WrittenBytes;
        }
        if (policy.AgeMsMax is { } tailAgeMax)
        {
            for (Chunk? chunk = log.Tail.First; chunk is not null && IsOld(chunk.MaxTimestamp, chunk.BegunAtMs, tailAgeMax, nowMs); chunk = chunk.Next)
            {
                start = chunk.MaxTimestamp < 0 ? start : chunk.EndOffset;
            }
        }
        return start;
    }

    private static bool IsOld(long maxTimestamp, long begunAtMs, long ageMsMax, long nowMs) => maxTimestamp < nowMs - ageMsMax && begunAtMs <= nowMs - Math.Min(ageMsMax, AgeGraceMs);

    private static JournalPosition JournalStart(Log log, Durability promise)
    {
        if (log.Kind != LogKind.Durable)
        {
            return JournalPosition.None;
        }
        Span<byte> payload = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(payload, log.PhysicalStart);
        return log.Store.Journal.Add(JournalEntryType.StartOffset, promise, log.Id.Value, payload);
    }
}
