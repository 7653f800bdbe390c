using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

public sealed class ReclaimTests
{
    [Fact]
    public void A_straggler_does_not_keep_the_disk()
    {
        FaultDisk disk = new(1);
        StepScheduler scheduler = new(1);
        LogStoreOptions options = new() { TailBytesPerLogMax = 64 << 10, TailBytesMax = 256 << 10, SegmentBytes = 256 << 10, JournalBytesMax = 256 << 10 };
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), options);
        Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        HashSet<long> stragglers = [];
        string value = new('x', 1000);
        for (int i = 0; i < 20_000; i++)
        {
            long offset = log.Append(StoreFixture.Batch(value), Durability.Disk).BaseOffset;
            if (i % 2000 == 0)
            {
                stragglers.Add(offset);
            }
            if (offset >= 500 && !stragglers.Contains(offset - 500))
            {
                log.Cursor!.Settle(offset - 500);
            }
            if (i % 5 == 0)
            {
                scheduler.RunOne();
            }
        }
        scheduler.RunAll();
        store.Checkpoint();
        scheduler.RunAll();
        store.Checkpoint();

        // 20 MB went through; 510 KB are unsettled.
        long segmentBytes = log.Segments!.Sum(static s => s.WrittenBytes);
        Assert.True(segmentBytes <= (3 * 510 * 1070) + options.SegmentBytes, $"{segmentBytes} bytes in segments.");
        long inLogFiles = disk.List($"logs/{log.Id.Value:x16}").Where(static n => n.EndsWith(".log", StringComparison.Ordinal))
            .Sum(n => (long)disk.ReadAll($"logs/{log.Id.Value:x16}/{n}").Length);
        Assert.True(inLogFiles <= (3 * 510 * 1070) + options.SegmentBytes, $"{inLogFiles} bytes in files.");
        Assert.True(disk.UsedBytes < 6 << 20, $"{disk.UsedBytes} bytes on the disk.");
        List<(long Offset, string Value)> left = StoreFixture.ReadAll(log, log.StartOffset, unsettledOnly: true);
        Assert.Equal(510, left.Count);
        Assert.True(stragglers.SetEquals(left.Select(static r => r.Offset).Where(static o => o < 19_500)));
    }

    [Fact]
    public void Streams_go_by_bytes_and_age_in_whole_segments()
    {
        FaultDisk disk = new(1);
        StepScheduler scheduler = new(1);
        ManualTimeProvider clock = new();
        LogStoreOptions options = new() { TailBytesPerLogMax = 16 << 10, SegmentBytes = 32 << 10 };
        using LogStore store = StoreFixture.Open(disk, scheduler, clock, options);
        Log log = store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false, BytesMax: 100_000, AgeMsMax: 3_600_000));
        for (int i = 0; i < 5000; i++)
        {
            log.Append(StoreFixture.Batch(clock.GetUtcNow().ToUnixTimeMilliseconds(), new string('y', 100)), Durability.OperatingSystem);
            scheduler.RunOne();
        }
        scheduler.RunAll();
        Assert.Null(log.Cursor);
        Assert.InRange(log.Bytes, 100_000, 100_000 + (3 * options.SegmentBytes));
        Assert.True(log.StartOffset > 0);
        Assert.Equal(log.NextOffset - log.StartOffset, StoreFixture.ReadAll(log, 0).Count);

        log.SetRetention(new RetentionPolicy(BehindCursor: false, AgeMsMax: 3_600_000));
        scheduler.RunAll();
        clock.Advance(TimeSpan.FromHours(2));
        scheduler.RunAll();
        Assert.Empty(StoreFixture.ReadAll(log, 0));
        Assert.Equal(log.NextOffset, log.StartOffset);
        Assert.DoesNotContain(disk.List($"logs/{log.Id.Value:x16}"), static n => n.EndsWith(".log", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_log_that_got_its_age_limit_while_the_store_runs_goes_by_age(bool isSetLater)
    {
        FaultDisk disk = new(1);
        StepScheduler scheduler = new(1);
        ManualTimeProvider clock = new();
        using LogStore store = StoreFixture.Open(disk, scheduler, clock);
        scheduler.RunAll();
        RetentionPolicy retention = new(BehindCursor: false, AgeMsMax: 3_600_000);
        Log log = store.CreateLog(LogKind.Durable, isSetLater ? new RetentionPolicy(BehindCursor: false) : retention);
        scheduler.RunAll();
        log.Append(StoreFixture.Batch(clock.GetUtcNow().ToUnixTimeMilliseconds(), "old"), Durability.OperatingSystem);
        if (isSetLater)
        {
            log.SetRetention(retention);
        }

        scheduler.RunAll();
        for (int minutes = 0; minutes < 120; minutes += 5)
        {
            clock.Advance(TimeSpan.FromMinutes(5));
            scheduler.RunAll();
        }

        Assert.Equal(log.NextOffset, log.StartOffset);
        Assert.Empty(StoreFixture.ReadAll(log, 0));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Records_without_a_time_go_by_age_with_those_after_them(bool isInFile)
    {
        ManualTimeProvider clock = new();
        StepScheduler scheduler = new(1);
        using LogStore store = StoreFixture.Open(new FaultDisk(1), scheduler, clock);
        Log log = store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false, AgeMsMax: 3_600_000));
        log.Append(StoreFixture.Batch(-1, isInFile ? new string('y', 100_000) : "timeless"), Durability.OperatingSystem);
        if (isInFile)
        {
            store.Checkpoint();
        }

        clock.Advance(TimeSpan.FromHours(3));
        scheduler.RunAll();
        Assert.Single(StoreFixture.ReadAll(log));
        log.Append(StoreFixture.Batch(clock.GetUtcNow().ToUnixTimeMilliseconds(), new string('z', 300_000)), Durability.OperatingSystem);
        clock.Advance(TimeSpan.FromHours(3));
        scheduler.RunAll();
        Assert.Empty(StoreFixture.ReadAll(log));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Records_of_long_ago_stay_for_a_while_after_they_came(bool isInFile)
    {
        ManualTimeProvider clock = new();
        StepScheduler scheduler = new(1);
        using LogStore store = StoreFixture.Open(new FaultDisk(1), scheduler, clock);
        Log log = store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false, AgeMsMax: 3_600_000));
        long aYearAgo = clock.GetUtcNow().AddYears(-1).ToUnixTimeMilliseconds();
        log.Append(StoreFixture.Batch(aYearAgo, isInFile ? new string('y', 100_000) : "small"), Durability.OperatingSystem);
        if (isInFile)
        {
            store.Checkpoint();
        }

        // A log more has the ages of all looked at.
        store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false, AgeMsMax: 3_600_000));
        scheduler.RunAll();
        clock.Advance(TimeSpan.FromMinutes(4));
        scheduler.RunAll();
        log.Append(StoreFixture.Batch(aYearAgo, "later"), Durability.OperatingSystem);
        scheduler.RunAll();
        Assert.Equal(2, StoreFixture.ReadAll(log).Count);
        clock.Advance(TimeSpan.FromMinutes(6));
        scheduler.RunAll();
        clock.Advance(TimeSpan.FromMinutes(6));
        scheduler.RunAll();
        Assert.Empty(StoreFixture.ReadAll(log));
    }

    [Fact]
    public void A_smaller_byte_limit_applies_when_it_is_set()
    {
        FaultDisk disk = new(1);
        StepScheduler scheduler = new(1);
        LogStoreOptions options = new() { TailBytesPerLogMax = 16 << 10, SegmentBytes = 32 << 10 };
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), options);
        Log log = store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false));
        for (int i = 0; i < 2000; i++)
        {
            log.Append(StoreFixture.Batch(new string('y', 100)), Durability.OperatingSystem);
            scheduler.RunOne();
        }

        scheduler.RunAll();
        Assert.Equal(0, log.StartOffset);
        log.SetRetention(new RetentionPolicy(BehindCursor: false, BytesMax: 50_000));
        scheduler.RunAll();
        Assert.InRange(log.Bytes, 50_000, 50_000 + (3 * options.SegmentBytes));
    }

    [Fact]
    public void A_deleted_log_leaves_no_files()
    {
        FaultDisk disk = new(1);
        StepScheduler scheduler = new(1);
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider());
        Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        for (int i = 0; i < 100; i++)
        {
            log.Append(StoreFixture.Batch(new string('z', 2000)), Durability.Disk);
        }
        store.Checkpoint();
        Assert.NotEmpty(disk.List($"logs/{log.Id.Value:x16}"));
        LogReader reader = log.OpenReader(0);
        store.DeleteLog(log.Id);
        scheduler.RunAll();
        Assert.False(disk.DirectoryExists($"logs/{log.Id.Value:x16}"));
        Assert.Null(store.FindLog(log.Id));
        Assert.Equal(PeekResult.EndOfLog, reader.TryPeek(out _));
        Assert.Throws<LogFailedException>(() => log.Append(StoreFixture.Batch("late"), Durability.Disk));
    }
}
