using System.Buffers;
using Sluice.Storage.Producers;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

/// <summary>
/// One seeded history of producers with ids that write to a few logs while the power goes again and again. After each recovery what a log knows
/// of them must be what its surviving batches say, from the first to the last.
/// </summary>
internal sealed class ProducerHistory
{
    private static readonly LogStoreOptions Options = new()
    {
        SegmentBytes = 2 << 10,
        JournalBytesMax = 16 << 10,
        TailBytesPerLogMax = 2 << 10,
        TailBytesMax = 8 << 10,
        SnapshotGatherBytesMax = 1,
        SyncAheadBytesMin = 2 << 10,
        LateTailBytesMin = 1 << 10,
        WriteThroughBytesMin = 1,
        WriteThroughBytesMax = 10 << 10,
    };

    private readonly Random _random;
    private readonly FaultDisk _disk;
    private readonly StepScheduler _scheduler;
    private readonly ManualTimeProvider _clock = new();
    private readonly List<LogId> _logs = [];
    private LogStore _store;

    public ProducerHistory(int seed)
    {
        _random = new Random(seed);
        _disk = new FaultDisk(seed);
        _scheduler = new StepScheduler(seed);
        _store = StoreFixture.Open(_disk, _scheduler, _clock, Options);
    }

    /// <summary>Producers and rolled back transactions that recoveries brought back.</summary>
    public int Recovered { get; private set; }

    public void Run(int lives, int operationsPerLife)
    {
        for (int life = 0; life < lives; life++)
        {
            int operations = 0;
            int cutAt = _random.Next(4) == 0 ? int.MaxValue : _random.Next(1, 200);
            _disk.Fault = _ => ++operations >= cutAt ? new IOException("The power is going.") : null;
            for (int i = 0; i < operationsPerLife; i++)
            {
                Operate();
            }
            _disk.Crash(_random.Next(3) == 0 ? CrashKind.Process : CrashKind.Power);
            _disk.Fault = null;
            _store.Abandon();
            _scheduler.Clear();
            _store = StoreFixture.Open(_disk, _scheduler, _clock, Options);
            _logs.RemoveAll(id => _store.FindLog(id) is null);
            foreach (LogId id in _logs)
            {
                Compare(_store.FindLog(id)!);
            }
        }
        _store.Abandon();
    }

    private void Operate()
    {
        try
        {
            if (_logs.Count == 0 || (_logs.Count < 3 && _random.Next(20) == 0))
            {
                _logs.Add(_store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false)).Id);
            }
            switch (_random.Next(10))
            {
                case 0:
                    _store.Checkpoint();
                    break;
                case < 4:
                    _scheduler.RunOne();
                    break;
                default:
                    Append(_store.FindLog(_logs[_random.Next(_logs.Count)])!);
                    break;
            }
        }
        catch (IOException)
        {
            // The power is going: the store may refuse.
        }
    }

    private void Append(Log log)
    {
        long id = _random.Next(4) == 0 ? -1 : _random.Next(5);
        ProducerInfo known = log.Producers?.Describe().FirstOrDefault(p => p.ProducerId == id) ?? default;
        short epoch = known.ProducerId == id ? known.Epoch : (short)0;
        bool isOpen = known.ProducerId == id && known.TransactionFirstOffset >= 0;
        byte[] batch;
        if (id >= 0 && _random.Next(4) == 0)
        {
            batch = KafkaBatch.Marker(id, (short)(epoch + _random.Next(2)), isCommit: _random.Next(2) == 0, _random.Next(3));
        }
        else
        {
            bool isNew = _random.Next(10) == 0;
            KafkaBatch values = KafkaBatch.Of([.. Enumerable.Range(0, _random.Next(1, 4)).Select(n => new string('v', _random.Next(200)))]);
            int sequence = known.ProducerId != id || isNew || known.LastSequence == int.MaxValue ? 0 : known.LastSequence + 1;
            batch = (values with { ProducerId = id, ProducerEpoch = id < 0 ? (short)-1 : (short)(epoch + (isNew ? 1 : 0)), BaseSequence = id < 0 ? -1 : sequence, IsTransactional = id >= 0 && (isOpen || _random.Next(2) == 0) }).Bytes();
        }
        if (log.CheckProducer(batch, out _) == ProducerCheck.Ok)
        {
            log.Append(batch, (Durability)_random.Next(3), mayWriteThrough: _random.Next(3) != 0);
        }
    }

    private void Compare(Log log)
    {
        ProducerStates replayed = new(log);
        foreach (byte[] batch in StoreFixture.RawBatches(log))
        {
            if (Records.RecordBatch.ProducerId(batch) >= 0)
            {
                replayed.Add(batch);
            }
        }
        Assert.Equal(Bytes(replayed), Bytes(log.Producers ?? new ProducerStates(log)));
        Assert.Equal(replayed.FirstOpenOffset < 0 ? log.NextOffset : replayed.FirstOpenOffset, log.LastStableOffset);
        Recovered += replayed.Count + replayed.Aborted.Count;
    }

    private static string Bytes(ProducerStates states)
    {
        ArrayBufferWriter<byte> bytes = new();
        ProducerStatesFormat.Write(states, bytes);
        return Convert.ToHexString(bytes.WrittenSpan);
    }
}
