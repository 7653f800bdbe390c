using Sluice.Base.Disk;
using Sluice.Base.Scheduling;
using Sluice.Storage.Metadata;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

public sealed class LogTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Real_disk_keeps_what_was_promised_over_a_restart()
    {
        string root = Directory.CreateTempSubdirectory("sluice-storage-").FullName;
        try
        {
            SystemScheduler scheduler = new();
            LogId id;
            using (LogStore store = StoreFixture.Open(new SystemDisk(root), scheduler, TimeProvider.System))
            {
                Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
                id = log.Id;
                AppendResult result = log.Append(StoreFixture.Batch("a", "b"), Durability.Disk);
                Assert.Equal(0, result.BaseOffset);
                await store.WhenKeptAsync(result.Position, Durability.Disk).WaitAsync(Cancellation);
                Assert.True(store.DurablePosition >= result.Position);
                log.Append(StoreFixture.Batch("c"), Durability.Memory);
                log.Cursor!.Settle(0);
                await store.Metadata.CommitAsync(MetadataTransaction.Put("queues/a", "x"u8.ToArray()));
                store.Abandon();
            }
            using (LogStore store = StoreFixture.Open(new SystemDisk(root), scheduler, TimeProvider.System))
            {
                Log log = store.FindLog(id)!;
                Assert.Equal(["a", "b"], StoreFixture.ReadAll(log).Select(static r => r.Value));
                Assert.Equal(1, store.Metadata.Revision);
                Assert.Equal("x"u8.ToArray(), store.Metadata.Get("queues/a")!.Value.ToArray());
                log.Append(StoreFixture.Batch("d"), Durability.OperatingSystem);
            }
            using (LogStore store = StoreFixture.Open(new SystemDisk(root), scheduler, TimeProvider.System))
            {
                Log log = store.FindLog(id)!;
                Assert.Equal(["a", "b", "d"], StoreFixture.ReadAll(log).Select(static r => r.Value));
            }
            Assert.Throws<DiskLockedException>(() =>
            {
                using LogStore first = StoreFixture.Open(new SystemDisk(root), scheduler, TimeProvider.System);
                using LogStore second = StoreFixture.Open(new SystemDisk(root), scheduler, TimeProvider.System);
            });
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public void Backlog_goes_to_segments_and_is_read_from_them_and_the_tail()
    {
        FaultDisk disk = new(1);
        StepScheduler scheduler = new(1);
        LogStoreOptions options = new() { TailBytesPerLogMax = 32 << 10, SegmentBytes = 64 << 10, JournalBytesMax = 1 << 20 };
        List<string> expected = [];
        LogId id;
        using (LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), options))
        {
            Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
            id = log.Id;
            for (int i = 0; i < 3000; i++)
            {
                string value = $"message {i} {new string('x', i % 300)}";
                expected.Add(value);
                log.Append(StoreFixture.Batch(value), Durability.Disk);
                if (i % 7 == 0)
                {
                    scheduler.RunOne();
                }
            }
            scheduler.RunAll();
            Assert.True(log.Segments!.Count > 3);
            Assert.True(store.TailBytes < 256 << 10);
            Assert.Equal(expected, StoreFixture.ReadAll(log).Select(static r => r.Value));
            Assert.Equal(expected.Skip(1234), StoreFixture.ReadAll(log, 1234).Select(static r => r.Value));
            store.Checkpoint();
            log.Cursor!.SettleRange(0, 2000);
            scheduler.RunAll();
            Assert.Equal(expected.Skip(2000), StoreFixture.ReadAll(log, log.StartOffset).Select(static r => r.Value));
            Assert.True(log.Segments![0].EndOffset > 2000);
        }
        scheduler.Clear();
        using (LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), options))
        {
            Log log = store.FindLog(id)!;
            Assert.Equal(2000, log.Cursor!.Floor);
            Assert.Equal(1000, log.Cursor.UnsettledCount);
            Assert.Equal(expected.Skip(2000), StoreFixture.ReadAll(log, log.StartOffset).Select(static r => r.Value));
        }
    }
}
