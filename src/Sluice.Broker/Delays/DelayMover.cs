using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Delays;

/// <summary>
/// Moves messages from one log of the wheel to finer ones, a piece at a time. A piece is one journal group, appended there and settled here, so that a crash neither loses nor
/// duplicates a message. It is not synced for its own sake: until the group is on disk, the older copy counts. For the worker only.
/// </summary>
internal sealed class DelayMover(LogStore store, DelayWheel wheel) : IDisposable
{
    private const int RecordsMax = 512;
    private const int BytesMax = 256 << 10;

    private readonly Dictionary<(int Level, long Bucket), Target> _targets = [];
    private readonly Stack<Target> _idle = new();

    /// <summary>Moves the next messages of [from, end); false when there are none left.</summary>
    /// <exception cref="LogFailedException">The log or the journal takes nothing any more.</exception>
    public bool MovePiece(Log log, DelayLogReader reader, long from, long end, int recordsMax = RecordsMax)
    {
        int count = 0;
        int bytes = 0;
        long first = -1;
        while (count < recordsMax && bytes < BytesMax && reader.TryRead(from, end, out RecordView record))
        {
            if (first < 0)
            {
                first = record.Offset;
            }

            long dueMs = DelayRecord.ReadDue(record);
            TargetFor(dueMs).Add(record, dueMs);
            count++;
            bytes += record.Value.Length + record.Headers.Length;
            from = record.Offset + 1;
        }

        if (count == 0)
        {
            return false;
        }

        try
        {
            Commit(log, first, from);
        }
        finally
        {
            foreach (Target target in _targets.Values)
            {
                target.Clear();
                _idle.Push(target);
            }

            _targets.Clear();
        }

        return true;
    }

    public void Dispose()
    {
        foreach (Target target in _idle)
        {
            target.Dispose();
        }
    }

    private void Commit(Log log, long from, long to)
    {
        lock (wheel.Gate)
        {
            if (_targets.Keys.Any(place => !wheel.IsValid(place.Level, place.Bucket)))
            {
                // The clock leapt while the piece was read: the next attempt finds the new places.
                return;
            }

            foreach ((int level, long bucket) in _targets.Keys)
            {
                if (wheel.FindFailure(level, bucket) is { } failure)
                {
                    throw new LogFailedException("A log of delayed messages takes nothing any more; messages are not moved to it.", failure);
                }
            }

            using JournalGroup group = store.BeginGroup();
            foreach (((int level, long bucket), Target target) in _targets)
            {
                long offset = wheel.Append(level, bucket, target.Batch.Seal(), Durability.Memory, group).BaseOffset;
                foreach (long dueMs in target.DueMs)
                {
                    wheel.Note(level, bucket, dueMs, offset++);
                }
            }

            log.Cursor!.SettleRange(from, to, group);
            group.Commit();
        }
    }

    private Target TargetFor(long dueMs)
    {
        (int, long) place;
        lock (wheel.Gate)
        {
            place = wheel.Place(dueMs);
        }

        if (!_targets.TryGetValue(place, out Target? target))
        {
            target = _idle.TryPop(out Target? idle) ? idle : new Target();
            _targets.Add(place, target);
        }

        return target;
    }

    private sealed class Target : IDisposable
    {
        public RecordBatchBuilder Batch { get; } = new();

        public List<long> DueMs { get; } = [];

        public void Add(in RecordView record, long dueMs)
        {
            Batch.Append(record.Timestamp, record.Value, record.Headers, record.HeaderCount);
            DueMs.Add(dueMs);
        }

        public void Clear()
        {
            Batch.Clear();
            DueMs.Clear();
        }

        public void Dispose() => Batch.Dispose();
    }
}
