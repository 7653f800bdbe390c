using Sluice.Base.Disk;
using Sluice.Storage.Records;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

public sealed class DurabilityTests
{
    [Fact]
    public void Every_disk_acknowledgement_follows_a_sync_that_follows_its_write()
    {
        FaultDisk disk = new(5) { IsTracing = true };
        StepScheduler scheduler = new(5);
        Random random = new(5);
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider());
        Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        for (int i = 0; i < 200; i++)
        {
            disk.Note($"append {i}");
            AppendResult result = log.Append(StoreFixture.Batch($"m{i}"), Durability.Disk);
            store.NotifyWhenKept(result.Position, Durability.Disk, new Told(disk, i));
            if (random.Next(3) == 0)
            {
                scheduler.RunOne();
            }
        }
        scheduler.RunAll();
        List<string> trace = [.. disk.Trace];
        for (int i = 0; i < 200; i++)
        {
            int appended = trace.IndexOf($"append {i}");
            int told = trace.IndexOf($"kept {i}");
            Assert.True(told > appended);
            int write = trace.FindIndex(appended, told - appended, static l => l.StartsWith("write journal/", StringComparison.Ordinal));
            Assert.True(write > 0, $"Message {i} was acknowledged without a write.");
            Assert.True(trace.FindIndex(write, told - write, static l => l.StartsWith("sync journal/", StringComparison.Ordinal)) > 0, $"Message {i} was acknowledged without a sync.");
        }
        Assert.True(trace.Count(static l => l.StartsWith("sync journal/", StringComparison.Ordinal)) < 150, "Syncs are shared.");
    }

    [Fact]
    public async Task A_listener_that_throws_keeps_nobody_else_waiting()
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider());
        Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        AppendResult result = log.Append(StoreFixture.Batch("one"), Durability.Disk);
        store.NotifyWhenKept(result.Position, Durability.Disk, new Thrower());
        Task kept = store.WhenKeptAsync(result.Position, Durability.Disk);
        scheduler.RunAll();
        Assert.True(kept.IsCompletedSuccessfully);
        result = log.Append(StoreFixture.Batch("two"), Durability.Disk);
        kept = store.WhenKeptAsync(result.Position, Durability.Disk);
        scheduler.RunAll();
        await kept;
        Assert.Null(store.Failure);
    }

    [Fact]
    public async Task Waiting_for_the_disk_ends_also_for_what_was_written_with_less()
    {
        FaultDisk disk = new(5) { IsTracing = true };
        StepScheduler scheduler = new(5);
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider());
        Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        AppendResult result = log.Append(StoreFixture.Batch("written"), Durability.OperatingSystem);
        scheduler.RunAll();
        Task kept = store.WhenKeptAsync(result.Position, Durability.Disk);
        Assert.False(kept.IsCompleted);
        disk.Note("asked");
        scheduler.RunAll();
        await kept;
        List<string> trace = [.. disk.Trace];
        Assert.Contains(trace[trace.IndexOf("asked")..], static line => line.StartsWith("sync journal/", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("write journal/")]
    [InlineData("sync journal/")]
    public async Task A_failed_journal_gives_no_promise_but_takes_memory_ones(string operation)
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider());
        Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        scheduler.RunAll();
        disk.Fault = line => line.StartsWith(operation, StringComparison.Ordinal) ? new IOException("EIO") : null;
        AppendResult result = log.Append(StoreFixture.Batch("lost"), Durability.Disk);
        Task kept = store.WhenKeptAsync(result.Position, Durability.Disk);
        scheduler.RunAll();
        await Assert.ThrowsAsync<LogFailedException>(() => kept);
        disk.Fault = null;
        Assert.NotNull(store.Failure);
        Assert.Throws<LogFailedException>(() => log.Append(StoreFixture.Batch("refused"), Durability.OperatingSystem));
        await Assert.ThrowsAsync<LogFailedException>(() => store.WhenKeptAsync(result.Position, Durability.Disk));
        log.Append(StoreFixture.Batch("taken"), Durability.Memory);
        Assert.Equal(["lost", "taken"], StoreFixture.ReadAll(log).Select(static r => r.Value));
        Assert.Throws<LogFailedException>(() => store.Checkpoint());
    }

    [Fact]
    public async Task A_group_given_up_halfway_stops_the_journal_instead_of_keeping_a_half()
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider());
        Log first = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue), second = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        first.Append(StoreFixture.Batch("before"), Durability.Disk);
        scheduler.RunAll();
        Assert.Throws<ArgumentException>(() =>
        {
            using JournalGroup group = store.BeginGroup();
            first.Append(StoreFixture.Batch("half"), Durability.Disk, group);
            second.Append(default, Durability.Disk, group);
            group.Commit();
        });
        AppendResult later = first.Append(StoreFixture.Batch("built upon it"), Durability.Disk);
        Task kept = store.WhenKeptAsync(later.Position, Durability.Disk);
        Assert.Throws<LogFailedException>(() => store.Checkpoint());
        scheduler.RunAll();
        await Assert.ThrowsAsync<LogFailedException>(() => kept);
        Assert.NotNull(store.Failure);
        disk.Crash(CrashKind.Process);
        store.Abandon();
        scheduler.Clear();
        using LogStore again = StoreFixture.Open(disk, scheduler, new ManualTimeProvider());
        Assert.Equal(["before"], StoreFixture.ReadAll(again.FindLog(first.Id)!).Select(static r => r.Value));
    }

    [Theory]
    [InlineData(1, 2000)]
    [InlineData(5, 400)]
    public void A_checkpoint_syncs_much_before_batches_can_go_to_segments_no_more(int logs, int bytes)
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), new LogStoreOptions { WriteThroughBytesMin = 1, SyncAheadBytesMin = 1 << 10 });
        for (int i = 0; i < logs; i++)
        {
            store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false)).Append(StoreFixture.Batch(new string('x', bytes)), Durability.OperatingSystem, mayWriteThrough: true);
        }
        scheduler.RunAll();
        List<bool> couldGo = [];
        disk.Fault = operation =>
        {
            if (operation.StartsWith("sync logs/", StringComparison.Ordinal))
            {
                couldGo.Add(!store.Context.IsCheckpointing);
            }
            return null;
        };
        store.Checkpoint();
        Assert.Equal(Enumerable.Repeat(true, logs), couldGo);
    }

    [Fact]
    public void A_segment_whose_sync_failed_is_not_synced_again()
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), new LogStoreOptions { WriteThroughBytesMin = 1, SyncAheadBytesMin = 1 << 10 });
        Log log = store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false));
        log.Append(StoreFixture.Batch(new string('x', 2000)), Durability.OperatingSystem, mayWriteThrough: true);
        scheduler.RunAll();
        int syncs = 0;
        disk.Fault = operation => operation.StartsWith("sync logs/", StringComparison.Ordinal) && ++syncs == 1 ? new IOException("The disk is broken.") : null;
        Assert.Throws<IOException>(store.Checkpoint);
        Assert.Throws<LogFailedException>(store.Checkpoint);
        Assert.Equal(1, syncs);
        disk.Fault = null;
    }

    [Fact]
    public void What_is_appended_while_a_checkpoint_syncs_does_not_swell_its_snapshot()
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), new LogStoreOptions { LateTailBytesMin = 64 << 10 });
        Log log = store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false));
        byte[] batch = StoreFixture.Batch(new string('x', 1 << 20));
        log.Append(batch, Durability.OperatingSystem);
        bool added = false;
        disk.Fault = operation =>
        {
            if (operation.StartsWith("sync logs/", StringComparison.Ordinal) && !added)
            {
                added = true;
                log.Append(batch, Durability.OperatingSystem);
            }
            return null;
        };
        store.Checkpoint();
        Assert.True(added);
        string snapshot = Assert.Single(disk.List(""), static name => name.StartsWith("snapshot", StringComparison.Ordinal));
        Assert.InRange(disk.ReadAll(snapshot).Length, 1, 64 << 10);
    }

    [Fact]
    public void A_full_disk_fails_the_log_and_loses_nothing_promised()
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        LogStoreOptions options = new() { TailBytesPerLogMax = 16 << 10 };
        LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), options);
        Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        disk.Fault = static line => line.StartsWith("write logs/", StringComparison.Ordinal) ? new IOException("No space left on device") : null;
        List<string> promised = [];
        for (int i = 0; i < 100 && log.Failure is null; i++)
        {
            string value = $"{i} {new string('x', 1000)}";
            log.Append(StoreFixture.Batch(value), Durability.Disk);
            promised.Add(value);
            scheduler.RunAll();
        }
        Assert.NotNull(log.Failure);
        Assert.Throws<LogFailedException>(() => log.Append(StoreFixture.Batch("more"), Durability.Disk));
        Assert.Throws<LogFailedException>(() => store.Checkpoint());
        Assert.Equal(promised, StoreFixture.ReadAll(log).Select(static r => r.Value));
        disk.Crash(CrashKind.Power);
        store.Abandon();
        disk.Fault = null;
        scheduler.Clear();
        using LogStore again = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), options);
        Assert.Equal(promised, StoreFixture.ReadAll(again.FindLog(log.Id)!).Select(static r => r.Value));
    }

    [Fact]
    public void Damage_in_the_synced_journal_refuses_to_start_and_names_the_place()
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider());
        Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        for (int i = 0; i < 20; i++)
        {
            log.Append(StoreFixture.Batch($"m{i}"), Durability.Disk);
            scheduler.RunAll();
        }
        disk.Crash(CrashKind.Power);
        store.Abandon();
        scheduler.Clear();
        disk.FlipBit("journal/0000000000000001.wal", 500, 3);
        StorageFormatException refused = Assert.Throws<StorageFormatException>(() => StoreFixture.Open(disk, scheduler, new ManualTimeProvider()));
        Assert.Contains("journal/0000000000000001.wal", refused.Message, StringComparison.Ordinal);
        Assert.Contains(StoreVerifier.Verify(new LogStoreOptions(), disk, null, TestContext.Current.CancellationToken), static f => f.Severity == VerifySeverity.Error);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(50_000)]
    [InlineData(-1)]
    public void A_segment_cut_short_is_damage_and_not_an_endless_search(int length)
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        LogId id;
        using (LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider()))
        {
            Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
            id = log.Id;
            for (int i = 0; i < 200; i++)
            {
                log.Append(StoreFixture.Batch($"{i} {new string('x', 1000)}"), Durability.Disk);
            }
        }
        scheduler.Clear();
        string path = $"logs/{id.Value:x16}/{0:d20}.log";
        int batch = StoreFixture.Batch($"0 {new string('x', 1000)}").Length;
        using (IDiskFile file = disk.Open(path, DiskOpenMode.Existing))
        {
            // -1: exactly between two batches, of which the first ten have one digit less
            file.SetLength(length >= 0 ? length : (10 * batch) + (5 * (batch + 1)));
        }
        using LogStore again = StoreFixture.Open(disk, scheduler, new ManualTimeProvider());
        LogFailedException damage = Assert.Throws<LogFailedException>(() =>
        {
            Log log = again.FindLog(id)!;
            for (long offset = 0; offset < 200;)
            {
                using LogWindow window = log.LoadWindow(offset)!;
                offset = window.EndOffset;
            }
        });
        Assert.Contains(path, damage.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_segment_is_named_and_the_log_goes_on_behind_it()
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        LogId id;
        using (LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider()))
        {
            Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
            id = log.Id;
            log.Append(StoreFixture.Batch(new string('x', 100_000)), Durability.Disk);
        }
        scheduler.Clear();
        string path = $"logs/{id.Value:x16}/{0:d20}.log";
        disk.DeleteFile(path);
        for (int start = 0; start < 2; start++)
        {
            using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider());
            Log log = store.FindLog(id)!;
            Assert.Contains(path, Assert.Throws<LogFailedException>(() => log.LoadWindow(0)).Message, StringComparison.Ordinal);
            long offset = log.Append(StoreFixture.Batch($"after {start} {new string('y', 100_000)}"), Durability.Disk).BaseOffset;
            store.Checkpoint();
            Assert.Null(log.Failure);
            Assert.StartsWith($"after {start}", Assert.Single(StoreFixture.ReadAll(log, offset)).Value, StringComparison.Ordinal);
            store.Dispose();
            scheduler.Clear();
        }
    }

    [Fact]
    public void Damage_in_a_segment_isolates_its_range_and_verify_names_it()
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        LogStoreOptions options = new() { SegmentBytes = 64 << 10 };
        LogId id;
        using (LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), options))
        {
            Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
            id = log.Id;
            for (int i = 0; i < 200; i++)
            {
                log.Append(StoreFixture.Batch($"{i} {new string('x', 1000)}"), Durability.Disk);
            }
        }
        scheduler.Clear();
        Assert.Empty(StoreVerifier.Verify(options, disk, null, TestContext.Current.CancellationToken));
        string path = $"logs/{id.Value:x16}/{0:d20}.log";
        disk.FlipBit(path, 30_000, 2);
        VerifyFinding finding = Assert.Single(StoreVerifier.Verify(options, disk, null, TestContext.Current.CancellationToken), static f => f.Severity == VerifySeverity.Error);
        Assert.Equal(path, finding.File);
        using (LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), options))
        {
            Log log = store.FindLog(id)!;
            using LogReader reader = log.OpenReader(0);
            HashSet<long> read = [];
            int failures = 0;
            while (reader.TryPeek(out RecordView record) is var result && result != PeekResult.EndOfLog)
            {
                if (result == PeekResult.Record)
                {
                    read.Add(record.Offset);
                    reader.Advance();
                    continue;
                }
                try
                {
                    reader.Attach(log.LoadWindow(reader.NextOffset)!);
                }
                catch (LogFailedException e)
                {
                    failures++;
                    Assert.Contains(path, e.Message, StringComparison.Ordinal);
                    reader.Seek(e.ResumeOffset!.Value);
                }
            }
            Assert.Equal(1, failures);
            Assert.InRange(read.Count, 170, 199);
            Assert.Contains(0, read);
            Assert.Contains(199, read);
        }
    }

    [Fact]
    public void Appending_reading_and_settling_allocate_nothing_once_warm()
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider(), new LogStoreOptions { JournalBytesMax = 64 << 20 });
        Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        using LogReader reader = log.OpenReader(0);
        using RecordBatchBuilder builder = new();
        byte[] value = new byte[100];
        Turn(10_000);
        scheduler.RunAll();
        Turn(10_000);
        scheduler.RunAll();
        // The first append wakes the worker, which costs the test's scheduler an allocation.
        Turn(1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Turn(10_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(30_001, log.Cursor!.Floor);
        Assert.True(log.Tail.Bytes <= 1 << 20);

        void Turn(int count)
        {
            for (int i = 0; i < count; i++)
            {
                builder.Clear();
                builder.Append(1, value, default, 0);
                log.Append(builder.Seal(), Durability.OperatingSystem);
                if (reader.TryPeek(out RecordView record) != PeekResult.Record)
                {
                    throw new InvalidOperationException("The record just appended is not there.");
                }
                long offset = record.Offset;
                reader.Advance();
                log.Cursor!.Settle(offset);
            }
        }
    }

    [Fact]
    public void Who_is_told_that_its_entry_is_kept_may_append_and_wait_again()
    {
        FaultDisk disk = new(5);
        StepScheduler scheduler = new(5);
        using LogStore store = StoreFixture.Open(disk, scheduler, new ManualTimeProvider());
        Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        List<int> told = [];
        bool isElsewhere = false;
        disk.Fault = line =>
        {
            // While this thread writes, others come to wait for their own.
            if (line.StartsWith("sync journal/", StringComparison.Ordinal) && !isElsewhere)
            {
                isElsewhere = true;
                Thread other = new(() => Enumerable.Range(2000, 30).ToList().ForEach(AppendAndWait));
                other.Start();
                other.Join();
            }
            return null;
        };
        for (int i = 0; i < 40; i++)
        {
            AppendResult result = log.Append(StoreFixture.Batch($"m{i}"), Durability.Disk);
            store.NotifyWhenKept(result.Position, Durability.Disk, new Again(store, log, i, told));
        }
        scheduler.RunAll();
        Assert.Equal([.. Enumerable.Range(0, 40), .. Enumerable.Range(1000, 40), .. Enumerable.Range(2000, 30)], told.Order());
        Assert.Null(store.Failure);

        void AppendAndWait(int number)
        {
            AppendResult result = log.Append(StoreFixture.Batch($"m{number}"), Durability.OperatingSystem, isAwaited: true);
            store.NotifyWhenKept(result.Position, Durability.OperatingSystem, new Again(store, log, number, told));
        }
    }

    /// <summary>On being told, appends once more and waits for the write alone.</summary>
    private sealed class Again(LogStore store, Log log, int number, List<int> told) : IDurabilityListener
    {
        public void OnKept(JournalPosition through)
        {
            told.Add(number);
            if (number < 1000)
            {
                AppendResult result = log.Append(StoreFixture.Batch($"m{number + 1000}"), Durability.OperatingSystem, isAwaited: true);
                store.NotifyWhenKept(result.Position, Durability.OperatingSystem, new Again(store, log, number + 1000, told));
            }
        }

        public void OnFailed(Exception error) => Assert.Fail(error.Message);
    }

    private sealed class Thrower : IDurabilityListener
    {
        public void OnKept(JournalPosition through) => throw new InvalidOperationException("an error of the broker");

        public void OnFailed(Exception error) => throw new InvalidOperationException("an error of the broker");
    }

    private sealed class Told(FaultDisk disk, int number) : IDurabilityListener
    {
        public void OnKept(JournalPosition through) => disk.Note($"kept {number}");

        public void OnFailed(Exception error) => disk.Note($"failed {number}");
    }
}
