using Sluice.Storage.Segments;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

/// <summary>Searches by time while the log changes under them.</summary>
public sealed class TimeSearchTests : IDisposable
{
    private const int TailBytes = 16 << 10;

    private readonly FaultDisk _disk = new(1);
    private readonly StepScheduler _scheduler = new(1);
    private readonly LogStore _store;
    private readonly Log _log;

    public TimeSearchTests()
    {
        _store = StoreFixture.Open(_disk, _scheduler, new ManualTimeProvider(), new LogStoreOptions { TailBytesPerLogMax = TailBytes, SegmentBytes = 2 * TailBytes });
        _log = _store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false));
    }

    public void Dispose()
    {
        _disk.Fault = null;
        _store.Dispose();
        Assert.Equal(0, _store.Context.Buffers.BlocksOut);
    }

    [Fact]
    public void What_moves_from_memory_to_a_file_meanwhile_is_found()
    {
        // A batch whose header says of a time that none of its records has: its file must be searched in vain.
        KafkaBatch old = new() { MaxTimestamp = 90_000 };
        old.Records.Add((1000, null, "old"));
        _log.Append(old.Bytes(), Durability.Disk);
        Fill();
        long wanted = _log.Append(StoreFixture.Batch(50_000, "wanted"), Durability.Disk).BaseOffset;
        Assert.True(_log.MemoryStartOffset <= wanted);
        OnOpen(() =>
        {
            Fill();
            Assert.True(_log.MemoryStartOffset > wanted);
        });

        Assert.Equal(wanted, _log.FindOffset(50_000));
        Assert.Null(_disk.Fault);
    }

    [Fact]
    public void What_retention_takes_away_meanwhile_is_no_failure()
    {
        Fill();
        long kept = _log.NextOffset;
        Fill();
        OnOpen(() =>
        {
            _log.DeleteBefore(kept);
            _scheduler.RunAll();
        });

        Assert.Equal(kept, _log.FindOffset(1000));
        Assert.Null(_disk.Fault);
    }

    /// <summary>More than is kept in memory; most of it goes to files.</summary>
    private void Fill()
    {
        for (int i = 0; i < 10; i++)
        {
            _log.Append(StoreFixture.Batch(1000, new string('x', TailBytes / 4)), Durability.Disk);
        }
        _scheduler.RunAll();
    }

    /// <summary>Does something when the log's first segment is opened next.</summary>
    private void OnOpen(Action action)
    {
        Segment first = _log.Segments![0];
        _store.Context.Files.Forget(first);
        _disk.Fault = operation =>
        {
            if (operation == $"open {_store.Context.PathOf(first.Path)}")
            {
                _disk.Fault = null;
                action();
            }
            return null;
        };
    }
}
