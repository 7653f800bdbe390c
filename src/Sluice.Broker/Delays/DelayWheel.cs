using Microsoft.Extensions.Logging;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Delays;

/// <summary>A bucket's range of a coarser log that is to be moved to finer ones.</summary>
internal sealed class Cascade(Log log, long end, ILogger logger)
{
    public Log Log => log;

    public long End => end;

    public DelayLogReader Reader { get; } = new(log, logger);
}

/// <summary>
/// Which messages lie where in the logs of a timing wheel, and what is to be done at which time. All members are used under <see cref="Gate"/> unless they say otherwise.
/// Memory: the logs' objects, a flag for each, the open seconds and the index.
/// </summary>
internal sealed class DelayWheel
{
    private readonly Log[] _logs;
    private readonly ILogger _logger;
    private readonly bool[] _filled = new bool[WheelTime.Logs];
    private readonly long[] _handedOver = new long[WheelTime.Levels];
    private readonly List<OpenBucket> _open = [];
    private readonly List<Cascade> _cascades = [];

    /// <param name="logs">By level and slot, see <see cref="WheelTime.LogOf"/>.</param>
    /// <param name="indexMax">Most messages in the index.</param>
    /// <param name="nowMs">The time now.</param>
    /// <param name="logger">Told of damage.</param>
    public DelayWheel(Log[] logs, int indexMax, long nowMs, ILogger logger)
    {
        _logs = logs;
        _logger = logger;
        Index = new DelayIndex(indexMax);
        Second = nowMs / 1000;
        for (int level = 0; level < WheelTime.Levels; level++)
        {
            _handedOver[level] = WheelTime.LastDue(level, nowMs);
        }
    }

    /// <summary>The appender's right on all logs of the wheel.</summary>
    public Lock Gate { get; } = new();

    /// <summary>The wheel's time, in Unix seconds. Never goes back, even if the clock does.</summary>
    public long Second { get; private set; }

    public DelayIndex Index { get; }

    /// <summary>Seconds being delivered, earliest first.</summary>
    public IReadOnlyList<OpenBucket> Open => _open;

    public IReadOnlyList<Cascade> Cascades => _cascades;

    /// <summary>Fixed; for any thread.</summary>
    public IReadOnlyList<Log> Logs => _logs;

    /// <summary>Where a message belongs at the wheel's present time.</summary>
    public (int Level, long Bucket) Place(long dueMs) => WheelTime.Place(dueMs, Second);

    /// <summary>Whether a place given earlier can still be appended to.</summary>
    public bool IsValid(int level, long bucket) => level == 0 || bucket > _handedOver[level];

    /// <summary>Appends one sealed batch, all of one place. If that second has passed since, the present one takes it.</summary>
    public AppendResult Append(int level, long bucket, ReadOnlySpan<byte> batch, Durability promise, JournalGroup? group) =>
        _logs[WheelTime.LogOf(level, Current(level, bucket))].Append(batch, promise, group);

    /// <summary>Why the log of a place gives no promise any more; null while it does.</summary>
    public Exception? FindFailure(int level, long bucket) => _logs[WheelTime.LogOf(level, Current(level, bucket))].PromiseFailure;

    /// <summary>Notes where a message has been appended; returns when something has to be done about it, Unix ms.</summary>
    public long Note(int level, long bucket, long dueMs, long offset)
    {
        bucket = Current(level, bucket);
        if (level > 0 || bucket > _handedOver[0])
        {
            _filled[WheelTime.LogOf(level, bucket)] = true;
            return WheelTime.HandOverMs(level, bucket);
        }

        OpenBucket open = GetOrOpen(bucket);
        if (Index.TryAdd(new DelayEntry(dueMs, open.Slot, offset)))
        {
            open.Indexed++;
            return dueMs;
        }

        return (open.Second + 1) * 1000;
    }

    /// <summary>Finds out what the logs hold at the start. Takes the gate itself.</summary>
    public void Load()
    {
        for (int number = 0; number < WheelTime.Logs; number++)
        {
            Log log = _logs[number];
            if (log.Cursor!.UnsettledCount == 0)
            {
                continue;
            }

            using var reader = new DelayLogReader(log, _logger);
            if (reader.TryRead(0, log.NextOffset, out RecordView record))
            {
                long dueMs = DelayRecord.ReadDue(record);
                lock (Gate)
                {
                    Adopt(number / WheelTime.Slots, number % WheelTime.Slots, dueMs);
                }
            }
        }
    }

    /// <summary>Puts a piece of an opened second into the index; false if none is left to be put there. For the worker; takes the gate itself.</summary>
    public bool ScanPiece()
    {
        const int RecordsMax = 4096;
        OpenBucket? bucket;
        lock (Gate)
        {
            bucket = _open.Find(static open => !open.IsScanned);
        }

        if (bucket is null)
        {
            return false;
        }

        for (int i = 0; i < RecordsMax && !bucket.IsScanned; i++)
        {
            if (!bucket.Scanner.TryRead(bucket.ScanPosition, bucket.ScanEnd, out RecordView record))
            {
                bucket.ScanPosition = bucket.ScanEnd;
                break;
            }

            var entry = new DelayEntry(DelayRecord.ReadDue(record), bucket.Slot, record.Offset);
            lock (Gate)
            {
                bool isAdded = Index.TryAdd(entry);
                bucket.Indexed += isAdded ? 1 : 0;
                bucket.ScanPosition = isAdded ? record.Offset + 1 : bucket.ScanEnd;
            }
        }

        return true;
    }

    /// <summary>Moves the wheel's time on and hands over the buckets whose time has come.</summary>
    public void Advance(long nowMs)
    {
        long before = Second;
        Second = Math.Max(before, nowMs / 1000);
        for (int level = 0; level < WheelTime.Levels; level++)
        {
            long last = WheelTime.LastDue(level, Math.Max(nowMs, Second * 1000));
            for (long bucket = Math.Max(_handedOver[level] + 1, last - WheelTime.Slots + 1); bucket <= last; bucket++)
            {
                HandOver(level, bucket);
            }

            _handedOver[level] = Math.Max(_handedOver[level], last);
        }

        if (Second == before)
        {
            return;
        }

        foreach (OpenBucket open in _open)
        {
            if (!open.IsOver && open.Second < Second)
            {
                open.End = open.Log.NextOffset;
            }
        }
    }

    /// <summary>When <see cref="Advance"/> or delivery has to be done next, Unix ms; <see cref="long.MaxValue"/>: not before something is scheduled.</summary>
    public long NextEventMs()
    {
        long next = Index.FirstDueMs;
        foreach (OpenBucket open in _open)
        {
            if (!open.IsOver)
            {
                next = Math.Min(next, (open.Second + 1) * 1000);
            }
        }

        for (int level = 0; level < WheelTime.Levels; level++)
        {
            for (long bucket = _handedOver[level] + 1; bucket < _handedOver[level] + WheelTime.Slots; bucket++)
            {
                if (_filled[WheelTime.LogOf(level, bucket)])
                {
                    next = Math.Min(next, WheelTime.HandOverMs(level, bucket));
                    break;
                }
            }
        }

        return next;
    }

    /// <summary>The open bucket that holds a message of a slot.</summary>
    public OpenBucket FindOpen(int slot, long offset)
    {
        foreach (OpenBucket open in _open)
        {
            if (open.Slot == slot && offset < open.End)
            {
                return open;
            }
        }

        throw new InvalidOperationException($"Offset {offset} of slot {slot} belongs to no open second.");
    }

    public void Close(OpenBucket bucket)
    {
        _open.Remove(bucket);
        bucket.Release();
    }

    public void Close(Cascade cascade)
    {
        _cascades.Remove(cascade);
        cascade.Reader.Dispose();
    }

    /// <summary>Has the others go first.</summary>
    public void Defer(Cascade cascade)
    {
        _cascades.Remove(cascade);
        _cascades.Add(cascade);
    }

    public void Release()
    {
        foreach (OpenBucket open in _open)
        {
            open.Release();
        }

        foreach (Cascade cascade in _cascades)
        {
            cascade.Reader.Dispose();
        }

        _open.Clear();
        _cascades.Clear();
    }

    private long Current(int level, long bucket) => level == 0 ? Math.Max(bucket, Second) : bucket;

    private void HandOver(int level, long bucket)
    {
        int number = WheelTime.LogOf(level, bucket);
        if (!_filled[number])
        {
            return;
        }

        _filled[number] = false;
        Log log = _logs[number];
        if (level > 0)
        {
            _cascades.Add(new Cascade(log, log.NextOffset, _logger));
        }
        else
        {
            Insert(new OpenBucket(log, bucket, WheelTime.SlotOf(bucket), _logger) { ScanEnd = log.NextOffset });
        }
    }

    private OpenBucket GetOrOpen(long second)
    {
        for (int i = _open.Count - 1; i >= 0 && _open[i].Second >= second; i--)
        {
            if (_open[i].Second == second && !_open[i].IsOver)
            {
                return _open[i];
            }
        }

        int slot = WheelTime.SlotOf(second);
        var bucket = new OpenBucket(_logs[slot], second, slot, _logger);
        Insert(bucket);
        return bucket;
    }

    /// <summary>Takes over what a log held at the start: as an ordinary bucket if its first message fits one to come, else as overdue.</summary>
    private void Adopt(int level, int slot, long firstDueMs)
    {
        Log log = _logs[(level * WheelTime.Slots) + slot];
        long bucket = WheelTime.BucketOf(level, firstDueMs / 1000);
        bool isAhead = bucket > _handedOver[level] && bucket - WheelTime.BucketOf(level, Second) < WheelTime.Slots;
        if (isAhead && WheelTime.SlotOf(bucket) == slot)
        {
            _filled[(level * WheelTime.Slots) + slot] = true;
        }
        else if (level > 0)
        {
            _cascades.Add(new Cascade(log, log.NextOffset, _logger));
        }
        else
        {
            Insert(new OpenBucket(log, Math.Min(bucket, Second - 1), slot, _logger) { ScanEnd = log.NextOffset, End = log.NextOffset });
        }
    }

    private void Insert(OpenBucket bucket)
    {
        int at = _open.Count;
        while (at > 0 && _open[at - 1].Second > bucket.Second)
        {
            at--;
        }

        _open.Insert(at, bucket);
    }
}
