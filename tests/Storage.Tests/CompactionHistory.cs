using System.Text;
using Sluice.Base.Compression;
using Sluice.Storage.Compaction;
using Sluice.Storage.Records;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

/// <summary>
/// One seeded history of keyed records, tombstones and transactions on a log that is compacted all the time, while the power goes again and again.
/// After each recovery no key may have lost its newest kept value, none may have a value back that was superseded, and nothing is there that was not written.
/// </summary>
internal sealed class CompactionHistory
{
    private static readonly LogStoreOptions Options = new()
    {
        SegmentBytes = 2 << 10,
        JournalBytesMax = 16 << 10,
        TailBytesPerLogMax = 2 << 10,
        TailBytesMax = 4 << 10,
        SnapshotGatherBytesMax = 1,
        SyncAheadBytesMin = 2 << 10,
        LateTailBytesMin = 1 << 10,
        CompactionMapBytesMax = 24 * 24,
    };

    private readonly Random _random;
    private readonly FaultDisk _disk;
    private readonly StepScheduler _scheduler;
    private readonly ManualTimeProvider _clock = new();
    private readonly List<KeyedRecord> _records = [];
    private readonly LogId _id;
    private LogStore _store;
    private int _serial;

    public CompactionHistory(int seed)
    {
        _random = new Random(seed);
        _disk = new FaultDisk(seed);
        _scheduler = new StepScheduler(seed);
        _store = StoreFixture.Open(_disk, _scheduler, _clock, Options);
        _id = _store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false, Compaction: new CompactionPolicy(DirtyRatioMin: 0.1, DeleteRetentionMs: 1_000))).Id;
        _store.Checkpoint();
    }

    /// <summary>Records that compaction had dropped before a recovery.</summary>
    public int Dropped { get; private set; }

    public void Run(int lives, int operationsPerLife)
    {
        for (int life = 0; life < lives; life++)
        {
            int operations = 0;
            int cutAt = _random.Next(4) == 0 ? int.MaxValue : _random.Next(1, 600);
            _disk.Fault = _ => ++operations >= cutAt ? new IOException("The power is going.") : null;
            for (int i = 0; i < operationsPerLife; i++)
            {
                Operate();
            }
            CrashKind kind = _random.Next(3) == 0 ? CrashKind.Process : CrashKind.Power;
            _disk.Crash(kind);
            _disk.Fault = null;
            _store.Abandon();
            Assert.Equal(0, _store.Context.Buffers.BlocksOut);
            _scheduler.Clear();
            _store = StoreFixture.Open(_disk, _scheduler, _clock, Options);
            Compare(kind == CrashKind.Process ? Durability.OperatingSystem : Durability.Disk);
        }
        _store.Abandon();
    }

    private Log Log => _store.FindLog(_id)!;

    private void Operate()
    {
        try
        {
            switch (_random.Next(20))
            {
                case 0:
                    _store.Checkpoint();
                    break;
                case 1:
                    _clock.Advance(TimeSpan.FromMilliseconds(_random.Next(20_000)));
                    break;
                case < 9:
                    _scheduler.RunOne();
                    break;
                case 9:
                    _store.Context.RetentionChanged();
                    break;
                default:
                    Append();
                    break;
            }
        }
        catch (IOException)
        {
            // The power is going: the store may refuse.
        }
    }

    private void Append()
    {
        long producer = _random.Next(3) == 0 ? _random.Next(3) : -1;
        if (producer >= 0 && _random.Next(3) == 0)
        {
            bool isCommit = _random.Next(2) == 0;
            Log.Append(KafkaBatch.Marker(producer, 0, isCommit), Durability.Disk);
            _records.FindAll(r => r.Producer == producer && r.IsAborted is null).ForEach(r => r.IsAborted = !isCommit);
            return;
        }
        KafkaBatch batch = new() { Compression = (CompressionType)_random.Next(5), ProducerId = producer, ProducerEpoch = producer < 0 ? (short)-1 : (short)0, BaseSequence = producer < 0 ? -1 : 0, IsTransactional = producer >= 0 };
        List<KeyedRecord> records = [];
        for (int n = _random.Next(1, 5); n > 0; n--)
        {
            KeyedRecord record = new($"k{_random.Next(40)}", _random.Next(5) == 0 ? null : $"v{_serial++}{new string('.', _random.Next(60))}", producer);
            records.Add(record);
            batch.Records.Add((_clock.GetUtcNow().ToUnixTimeMilliseconds(), record.Key, record.Value));
        }
        // Transactions are kept in earnest, so that each is decided as it was; their batches and markers share the journal's order.
        Durability promise = producer >= 0 ? Durability.Disk : (Durability)_random.Next(3);
        AppendResult result = Log.Append(batch.Bytes(), promise);
        for (int i = 0; i < records.Count; i++)
        {
            records[i].Offset = result.BaseOffset + i;
            records[i].IsAborted = producer < 0 ? false : null;
            _records.Add(records[i]);
        }
        _store.NotifyWhenKept(result.Position, promise, new Kept(records, promise));
    }

    private void Compare(Durability mustBe)
    {
        Dictionary<long, KeyedRecord> known = _records.ToDictionary(static r => r.Offset);
        HashSet<long> present = [];
        StoreFixture.ForEach(Log, (in RecordView view) =>
        {
            Assert.True(known.TryGetValue(view.Offset, out KeyedRecord? record), $"Nothing was written at {view.Offset}.");
            Assert.Equal((record.Key, record.Value), (Encoding.UTF8.GetString(view.Key), view.HasValue ? Encoding.UTF8.GetString(view.Value) : null));
            Assert.True(present.Add(view.Offset));
        });
        foreach (IGrouping<string, KeyedRecord> key in _records.GroupBy(static r => r.Key))
        {
            // What no marker decided, or whose marker may be lost, says nothing for the others; it must be there itself unless it was rolled back.
            KeyedRecord? newest = key.LastOrDefault(r => r.KeptAs >= mustBe && r.IsAborted == false);
            KeyedRecord? left = key.LastOrDefault(r => present.Contains(r.Offset) && r.IsAborted == false);
            if (newest is not null)
            {
                // A tombstone takes all before it, and goes itself; also one that nobody was told is kept.
                bool mayBeGone = key.Any(r => r.Offset >= newest.Offset && r.Value is null && r.IsAborted == false);
                Assert.True((mayBeGone && left is null) || left?.Offset >= newest.Offset, $"Of {key.Key} offset {left?.Offset} is left, but {newest.Offset} ('{newest.Value}') was kept.");
            }
            Assert.All(key.Where(r => r.KeptAs >= mustBe && r.IsAborted is null), r => Assert.Contains(r.Offset, present));
        }
        Dropped += _records.Count(r => r.KeptAs >= mustBe && !present.Contains(r.Offset));
        _records.RemoveAll(r => !present.Contains(r.Offset));

        // Transactions go on from what the log knows of them.
        HashSet<long> open = [.. Log.Producers?.Describe().Where(static p => p.TransactionFirstOffset >= 0).Select(static p => p.ProducerId) ?? []];
        foreach (KeyedRecord record in _records.Where(static r => r.Producer >= 0))
        {
            bool isOpen = open.Contains(record.Producer) && record.Offset >= Log.Producers!.Describe().First(p => p.ProducerId == record.Producer).TransactionFirstOffset;
            bool isAborted = Log.Producers!.CollectAborted(0, long.MaxValue).Any(a => a.ProducerId == record.Producer && record.Offset >= a.FirstOffset && record.Offset <= a.LastOffset);
            record.IsAborted = isOpen ? null : isAborted;
        }
    }

    private sealed class KeyedRecord(string key, string? value, long producer)
    {
        public string Key => key;

        public string? Value => value;

        public long Producer => producer;

        public long Offset { get; set; }

        public Durability KeptAs { get; set; }

        /// <summary>Null while its transaction is open.</summary>
        public bool? IsAborted { get; set; }
    }

    private sealed class Kept(List<KeyedRecord> records, Durability promise) : IDurabilityListener
    {
        public void OnKept(JournalPosition through) => records.ForEach(r => r.KeptAs = promise);

        public void OnFailed(Exception error)
        {
        }
    }
}
