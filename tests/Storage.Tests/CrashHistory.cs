using System.Text;
using Sluice.Storage.Records;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

/// <summary>
/// One seeded history: random operations on several logs, crashes in the middle of disk operations, recoveries, on and on; after each
/// recovery everything is held against what was promised.
/// </summary>
internal sealed class CrashHistory
{
    private static readonly LogStoreOptions Options = new()
    {
        SegmentBytes = 4 << 10,
        JournalBytesMax = 24 << 10,
        TailBytesPerLogMax = 4 << 10,
        TailBytesMax = 12 << 10,
        SnapshotGatherBytesMax = 1,
        SyncAheadBytesMin = 2 << 10,
        LateTailBytesMin = 1 << 10,
        WriteThroughBytesMin = 1,
        WriteThroughBytesMax = 20 << 10,
    };

    private readonly Random _random;
    private readonly FaultDisk _disk;
    private readonly StepScheduler _scheduler;
    private readonly ManualTimeProvider _clock = new();
    private readonly List<LogModel> _logs = [];
    private readonly List<GroupModel> _groups = [];
    private readonly byte[] _padding = new byte[600];
    private LogStore _store;
    private long _serial;
    private GroupModel? _open;
    private int _operations;
    private bool _interfering;

    public CrashHistory(int seed)
    {
        _random = new Random(seed);
        _disk = new FaultDisk(seed);
        _scheduler = new StepScheduler(seed);
        _scheduler.Yielding = () =>
        {
            if (_random.Next(2) == 0)
            {
                CommitOpenGroup();
            }
        };
        _store = StoreFixture.Open(_disk, _scheduler, _clock, Options);
    }

    public int Crashes { get; private set; }

    public void Run(int lives, int operationsPerLife)
    {
        for (int life = 0; life < lives; life++)
        {
            PlanPowerCut();
            for (int i = 0; i < operationsPerLife; i++)
            {
                Operate();
            }
            if (_random.Next(6) == 0)
            {
                _disk.Fault = null;
                if (_store.Failure is null && _logs.TrueForAll(static l => l.IsDeleted || l.Log.Failure is null))
                {
                    CloseGracefully();
                    continue;
                }
            }
            CrashAndRecover();
        }
        _disk.Fault = null;
        _store.Abandon();
        Assert.Equal(0, _store.Context.Buffers.BlocksOut);
    }

    private void PlanPowerCut()
    {
        _operations = 0;
        int cutAt = _random.Next(3) == 0 ? int.MaxValue : _random.Next(1, 150);
        _disk.Fault = line =>
        {
            if (++_operations >= cutAt)
            {
                return new IOException("The power is going.");
            }
            Interfere(line);
            return null;
        };
    }

    /// <summary>
    /// Does what publishers and consumers do while a checkpoint or a flush is at the disk. A checkpoint is there after each log it has captured, so what is done to several logs
    /// falls between its captures; and a group begun at one such point may be committed at a later one, or after the checkpoint.
    /// </summary>
    private void Interfere(string line)
    {
        if (_interfering || _random.Next(3) != 0 || line.StartsWith("write journal", StringComparison.Ordinal) || line.StartsWith("open", StringComparison.Ordinal))
        {
            return;
        }
        _interfering = true;
        try
        {
            switch (_random.Next(5))
            {
                case 0:
                    AppendGroup();
                    break;
                case 1:
                    Settle();
                    break;
                case 2 when _open is null:
                    OpenGroup();
                    break;
                case 2:
                    CommitOpenGroup();
                    break;
                default:
                    Append();
                    break;
            }
        }
        catch (LogFailedException)
        {
            // Refused, as it may be.
        }
        finally
        {
            _interfering = false;
        }
    }

    private void Operate()
    {
        try
        {
            switch (_random.Next(100))
            {
                case < 4 when _logs.Count(static l => !l.IsDeleted) < 5:
                    _logs.Add(new LogModel(_store.CreateLog(LogKind.Durable, NewRetention())));
                    break;
                case < 50:
                    Append();
                    break;
                case < 64:
                    Settle();
                    break;
                case < 70:
                    AppendGroup();
                    break;
                case < 72:
                    _store.Checkpoint();
                    break;
                case < 73:
                    Delete();
                    break;
                case < 76:
                    _clock.Advance(TimeSpan.FromMilliseconds(60));
                    break;
                case < 79:
                    CheckLive();
                    break;
                default:
                    _scheduler.RunOne();
                    break;
            }
        }
        catch (IOException)
        {
            // The power is going: the store may refuse, but must not lie.
        }
        while (_open is not null)
        {
            // The write of a commit is interfered with too, perhaps by the next group.
            CommitOpenGroup();
        }
    }

    /// <summary>A queue, or a log without a cursor, whose batches may go straight to segments.</summary>
    private RetentionPolicy NewRetention() => _random.Next(4) switch
    {
        0 => new RetentionPolicy(BehindCursor: false),
        1 => new RetentionPolicy(BehindCursor: false, BytesMax: 10 << 10),
        _ => RetentionPolicy.Queue,
    };

    private LogModel? Pick()
    {
        List<LogModel> alive = _logs.FindAll(l => !l.IsDeleted && l != _open?.First && l != _open?.Second);
        return alive.Count == 0 ? null : alive[_random.Next(alive.Count)];
    }

    private (byte[] Batch, List<RecordModel> Records) NewBatch(Durability promise)
    {
        using RecordBatchBuilder builder = new();
        List<RecordModel> records = [];
        int count = _random.Next(1, 4);
        for (int i = 0; i < count; i++)
        {
            RecordModel record = new($"r{_serial++}", promise);
            records.Add(record);
            byte[] value = [.. Encoding.UTF8.GetBytes(record.Value), .. _padding.AsSpan(0, _random.Next(4) == 0 ? _random.Next(_padding.Length) : 0)];
            builder.Append(1, value, default, 0);
        }
        return (builder.Seal().ToArray(), records);
    }

    private void Append()
    {
        if (Pick() is not { } model)
        {
            return;
        }
        Durability promise = (Durability)_random.Next(3);
        (byte[] batch, List<RecordModel> records) = NewBatch(promise);
        AppendResult result = model.Log.Append(batch, promise, mayWriteThrough: _random.Next(4) != 0);
        model.Place(records, result.BaseOffset);
        _store.NotifyWhenKept(result.Position, promise, new Acknowledge(records, promise, model.Log));
    }

    private void AppendGroup()
    {
        if (Pick() is not { } first || Pick() is not { } second || _store.Failure is not null)
        {
            return;
        }
        GroupModel model = NewGroup(first, second);
        try
        {
            Append(model, first);
            Append(model, second);
        }
        finally
        {
            Commit(model);
        }
    }

    /// <summary>Begins a group that has one of its logs changed and the other not; both are its own until it is committed.</summary>
    private void OpenGroup()
    {
        if (Pick() is not { } first || Pick() is not { } second || first == second || _store.Failure is not null)
        {
            return;
        }
        _open = NewGroup(first, second);
        Append(_open, first);
    }

    private void CommitOpenGroup()
    {
        if (_open is not { } model)
        {
            return;
        }
        _open = null;
        try
        {
            Append(model, model.Second);
        }
        catch (LogFailedException)
        {
            // Refused, as it may be.
        }
        finally
        {
            Commit(model);
        }
    }

    private GroupModel NewGroup(LogModel first, LogModel second) => new(first, second, _store.BeginGroup(), _random.Next(2) == 0 ? Durability.Disk : Durability.OperatingSystem);

    private void Append(GroupModel model, LogModel target)
    {
        (byte[] batch, List<RecordModel> records) = NewBatch(model.Promise);
        AppendResult result = target.Log.Append(batch, model.Promise, model.Group);
        target.Place(records, result.BaseOffset);
        model.Records.AddRange(records.Select(r => (target, r)));
    }

    private void Commit(GroupModel model)
    {
        JournalPosition position = model.Group.Commit();
        model.Group.Dispose();
        _groups.Add(model);
        _store.NotifyWhenKept(position, model.Promise, new Acknowledge(model.Records.ConvertAll(static r => r.Record), model.Promise, log: null));
    }

    private void Settle()
    {
        if (Pick() is not { } model || model.Records.Count == 0)
        {
            return;
        }
        if (model.Log.Cursor is null)
        {
            if (_random.Next(4) == 0)
            {
                model.Log.DeleteBefore(model.Records[_random.Next(model.Records.Count)].Offset);
            }
            model.Settle(0, model.Log.StartOffset);
            return;
        }
        if (_random.Next(2) == 0)
        {
            long from = model.Log.Cursor.Floor;
            long to = _random.Next(4) == 0 ? model.Log.NextOffset : Math.Min(model.Log.NextOffset, from + _random.Next(1, 12));
            long expected = model.Records.Count(r => r.Offset >= from && r.Offset < to && !r.IsSettled);
            Assert.Equal(expected, model.Log.Cursor.SettleRange(from, to));
            model.Settle(from, to);
            return;
        }
        long[] offsets = [.. model.Records.Where(static r => !r.IsSettled).Select(static r => r.Offset).Where(_ => _random.Next(6) == 0).Take(8)];
        Assert.Equal(offsets.Length, model.Log.Cursor.Settle(offsets));
        foreach (long offset in offsets)
        {
            model.Settle(offset, offset + 1);
        }
    }

    private void Delete()
    {
        if (Pick() is { } model)
        {
            _store.DeleteLog(model.Log.Id);
            model.IsDeleted = true;
        }
    }

    private void CheckLive()
    {
        if (Pick() is { } model)
        {
            model.SettleReclaimed();
            List<(long Offset, string Value)> actual = Read(model.Log);
            Assert.Equal(model.Records.Where(static r => !r.IsSettled).Select(static r => (r.Offset, r.Value)), actual);
            Assert.Equal(actual.Count, model.Log.Cursor?.UnsettledCount ?? actual.Count);
        }
    }

    private static List<(long Offset, string Value)> Read(Log log) =>
        StoreFixture.ReadAll(log, log.StartOffset, unsettledOnly: true).ConvertAll(static r => (r.Offset, r.Value.TrimEnd('\0')));

    private void CloseGracefully()
    {
        _logs.ForEach(static l => l.SettleReclaimed());
        _store.Dispose();
        _scheduler.Clear();
        _store = StoreFixture.Open(_disk, _scheduler, _clock, Options);
        foreach (LogModel model in _logs.FindAll(static l => !l.IsDeleted))
        {
            model.Log = _store.FindLog(model.Log.Id) ?? throw new InvalidOperationException("A log is gone after a clean restart.");
            Assert.Null(model.Log.Failure);
            Assert.Equal(model.Records.Where(static r => !r.IsSettled).Select(static r => (r.Offset, r.Value)), Read(model.Log));
            foreach (RecordModel record in model.Records)
            {
                record.KeptAs = Durability.Disk;
            }
        }
    }

    private void CrashAndRecover()
    {
        Crashes++;
        _logs.ForEach(static l => l.SettleReclaimed());
        CrashKind kind = _random.Next(3) == 0 ? CrashKind.Process : CrashKind.Power;
        _disk.Crash(kind);
        _disk.Fault = null;
        _store.Abandon();
        Assert.Equal(0, _store.Context.Buffers.BlocksOut);
        _scheduler.Clear();
        _store = StoreFixture.Open(_disk, _scheduler, _clock, Options);
        Durability mustBe = kind == CrashKind.Process ? Durability.OperatingSystem : Durability.Disk;
        foreach (LogModel model in _logs.ToList())
        {
            Log? log = _store.FindLog(model.Log.Id);
            if (model.IsDeleted)
            {
                if (log is not null)
                {
                    _store.DeleteLog(log.Id);
                }
                continue;
            }
            if (log is null)
            {
                Assert.DoesNotContain(model.Records, r => r.KeptAs >= mustBe && !r.IsSettled);
                model.IsDeleted = true;
                continue;
            }
            Compare(model, log, mustBe);
        }
        foreach (GroupModel group in _groups)
        {
            List<(LogModel Log, RecordModel Record)> judged = group.Records.FindAll(static r => !r.Log.IsDeleted && !r.Record.IsSettled);
            int present = judged.Count(static r => r.Record.IsPresent);
            Assert.True(present == 0 || present == judged.Count, $"A group came back in part: {present} of {judged.Count} records.");
        }
        foreach (LogModel model in _logs)
        {
            model.Records.RemoveAll(static r => !r.IsPresent);
        }
        _groups.RemoveAll(static g => g.Records.Exists(static r => !r.Record.IsPresent));
        _logs.RemoveAll(static l => l.IsDeleted);
        _groups.RemoveAll(static g => g.Records.Exists(static r => r.Log.IsDeleted));
    }

    private static void Compare(LogModel model, Log log, Durability mustBe)
    {
        model.Log = log;
        Assert.True(log.Failure is null, $"Log {log.Id.Value} takes no more promises after the recovery: {log.Failure?.Message}");
        List<(long Offset, string Value)> actual = Read(log);
        Dictionary<long, RecordModel> known = model.Records.ToDictionary(static r => r.Offset);
        HashSet<long> seen = [];
        long last = -1;
        foreach ((long offset, string value) in actual)
        {
            Assert.True(offset > last, $"Offset {offset} of log {log.Id.Value} follows {last}.");
            last = offset;
            Assert.True(known.TryGetValue(offset, out RecordModel? record) && record.Value == value, $"Log {log.Id.Value} has '{value}' at {offset}, which was never written there.");
            seen.Add(offset);
        }
        foreach (RecordModel record in model.Records)
        {
            if (seen.Contains(record.Offset))
            {
                // A settlement may be lost: then the record is there again.
                record.IsPresent = true;
                record.IsSettled = false;
                continue;
            }
            Assert.True(record.KeptAs < mustBe || record.IsSettled, $"Log {log.Id.Value} lost '{record.Value}' at offset {record.Offset}, which was kept as {record.KeptAs}.");
            record.IsPresent = false;
        }
        Assert.Equal(actual.Count, log.Cursor?.UnsettledCount ?? actual.Count);
    }
}
