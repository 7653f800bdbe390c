using System.Buffers.Binary;
using Sluice.Base.Disk;
using Sluice.Base.Scheduling;
using Sluice.Storage.Records;

namespace Sluice.Storage.Tests;

public sealed class ConcurrencyTests
{
    [Fact]
    public async Task Publishers_consumers_flushes_and_checkpoints_at_once_lose_nothing_and_keep_order()
    {
        const int Queues = 3;
        const int Messages = 30_000;
        string root = Directory.CreateTempSubdirectory("sluice-storage-").FullName;
        try
        {
            LogStoreOptions options = new() { TailBytesPerLogMax = 64 << 10, TailBytesMax = 128 << 10, SegmentBytes = 256 << 10, JournalBytesMax = 1 << 20, JournalBacklogBytesMax = 256 << 10 };
            LogStore store = StoreFixture.Open(new SystemDisk(root), new SystemScheduler(), TimeProvider.System, options);
            List<Task> tasks = [];
            for (int queue = 0; queue < Queues; queue++)
            {
                Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
                Lock owner = new();
                int seed = queue;
                tasks.Add(Task.Run(() => Publish(store, log, owner, seed, Messages)));
                tasks.Add(Task.Run(() => Consume(log, owner, seed, Messages)));
            }
            Task all = Task.WhenAll(tasks);
            while (!all.IsCompleted)
            {
                store.Checkpoint();
                await Task.WhenAny(all, Task.Delay(5));
            }
            await all;
            Assert.Null(store.Failure);
            store.Dispose();
            Assert.Equal(0, store.Context.Buffers.BlocksOut);
            using LogStore again = StoreFixture.Open(new SystemDisk(root), new SystemScheduler(), TimeProvider.System, options);
            for (int queue = 0; queue < Queues; queue++)
            {
                Log log = again.FindLog(new LogId(2 + queue))!;
                Assert.Equal(Messages, log.NextOffset);
                Assert.Equal(Messages, log.Cursor!.Floor);
            }
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static async Task Publish(LogStore store, Log log, Lock owner, int seed, int count)
    {
        Random random = new(seed);
        using RecordBatchBuilder builder = new();
        byte[] value = new byte[300];
        for (int i = 0; i < count;)
        {
            builder.Clear();
            for (int n = random.Next(1, 40); n > 0 && i < count; n--, i++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(value, i);
                builder.Append(i, value.AsSpan(0, random.Next(4, value.Length)), default, 0);
            }
            await store.WaitForRoomAsync(CancellationToken.None);
            AppendResult result;
            lock (owner)
            {
                result = log.Append(builder.Seal(), (Durability)random.Next(3));
            }
            if (random.Next(100) == 0)
            {
                await store.WhenKeptAsync(result.Position, Durability.Disk);
            }
        }
    }

    private static async Task Consume(Log log, Lock owner, int seed, int count)
    {
        Random random = new(seed + 100);
        using LogReader reader = log.OpenReader(0);
        List<long> held = [];
        for (int next = 0; next < count;)
        {
            PeekResult result;
            lock (owner)
            {
                result = reader.TryPeek(out RecordView record);
                for (int n = 0; n < 50 && result == PeekResult.Record; n++)
                {
                    Assert.Equal(next, record.Offset);
                    Assert.Equal(next, BinaryPrimitives.ReadInt32LittleEndian(record.Value));
                    reader.Advance();
                    held.Add(next++);
                    result = reader.TryPeek(out record);
                }
                if (held.Count > 500 || next == count)
                {
                    // Out of order, and one straggler in a thousand stays until the end.
                    long[] settled = [.. held.Where(o => next == count || o % 1000 != 0).OrderBy(_ => random.Next())];
                    Assert.Equal(settled.Length, log.Cursor!.Settle(settled));
                    held.RemoveAll(o => next == count || o % 1000 != 0);
                }
            }
            if (result == PeekResult.NeedsLoad)
            {
                LogWindow? window = log.LoadWindow(reader.NextOffset, 32 << 10);
                lock (owner)
                {
                    if (window is not null)
                    {
                        reader.Attach(window);
                    }
                }
            }
            else if (result == PeekResult.EndOfLog)
            {
                await Task.Yield();
            }
            if (random.Next(200) == 0)
            {
                await Task.Delay(2);
            }
        }
    }

    [Fact]
    public void An_idle_log_with_its_reader_is_small()
    {
        using LogStore store = StoreFixture.Open(new TestKit.Disk.FaultDisk(1), new TestKit.Scheduling.StepScheduler(1), new TestKit.Time.ManualTimeProvider());
        object[] kept = new object[20_000];
        for (int i = 0; i < 100; i++)
        {
            store.CreateLog(LogKind.Volatile, RetentionPolicy.Queue).OpenReader(0);
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < kept.Length; i++)
        {
            kept[i] = store.CreateLog(LogKind.Volatile, RetentionPolicy.Queue).OpenReader(0);
        }
        long each = (GC.GetAllocatedBytesForCurrentThread() - before) / kept.Length;
        GC.KeepAlive(kept);
        TestContext.Current.SendDiagnosticMessage("An idle log with cursor and reader: {0} bytes", each);

        // Includes the store's table of logs, with the garbage of its growing.
        Assert.InRange(each, 100, 520);
    }
}
