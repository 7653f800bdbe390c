using System.Text;
using Sluice.Base.Scheduling;
using Sluice.Storage.Records;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

public sealed class LogSliceTests
{
    private static readonly LogStoreOptions SmallOptions = new() { TailBytesPerLogMax = 32 << 10, SegmentBytes = 64 << 10, JournalBytesMax = 1 << 20 };

    [Theory]
    [InlineData(1)]
    [InlineData(5_000)]
    [InlineData(1 << 20)]
    public void Slices_end_to_end_are_the_whole_log_from_files_and_the_tail(int bytesMax)
    {
        StepScheduler scheduler = new(1);
        using LogStore store = StoreFixture.Open(new FaultDisk(1), scheduler, new ManualTimeProvider(), SmallOptions);
        (Log log, List<byte[]> batches) = Fill(store, scheduler, 2000);
        Assert.True(log.Segments!.Count > 2 && log.Tail.First is not null, "The log is not both in files and in memory.");
        long offset = 0;
        int at = 0;
        while (offset < log.NextOffset)
        {
            using LogSlice slice = log.Read(offset, bytesMax)!;
            byte[] bytes = Bytes(slice);
            Assert.True(bytes.Length <= Math.Max(bytesMax, batches[at].Length));
            int taken = 0;
            while (taken < bytes.Length)
            {
                int size = Math.Min(batches[at].Length, bytes.Length - taken);
                Assert.Equal(AsPlaced(batches[at]).AsSpan(8, Math.Max(0, size - 8)).ToArray(), bytes.AsSpan(taken + 8, Math.Max(0, size - 8)).ToArray());
                taken += size;
                if (size == batches[at].Length)
                {
                    offset = RecordBatch.EndOffset(bytes.AsSpan(taken - size));
                    at++;
                }
            }

            Assert.True(slice.EndOffset == -1 || slice.EndOffset == offset);
        }

        Assert.Equal(batches.Count, at);
        Assert.Null(log.Read(log.NextOffset, bytesMax));
    }

    [Fact]
    public void Every_offset_is_found_in_the_slice_asked_for_it()
    {
        StepScheduler scheduler = new(1);
        using LogStore store = StoreFixture.Open(new FaultDisk(1), scheduler, new ManualTimeProvider(), SmallOptions);
        (Log log, _) = Fill(store, scheduler, 1200);
        for (long offset = 0; offset < log.NextOffset; offset++)
        {
            using LogSlice slice = log.Read(offset, 1)!;
            byte[] bytes = Bytes(slice);
            Assert.Equal(slice.FirstOffset, RecordBatch.BaseOffset(bytes));
            Assert.InRange(offset, slice.FirstOffset, RecordBatch.EndOffset(bytes) - 1);
            Assert.Equal(bytes.Length, RecordBatch.Size(bytes));
            Assert.Equal(RecordBatch.EndOffset(bytes), slice.EndOffset == -1 ? RecordBatch.EndOffset(bytes) : slice.EndOffset);
        }
    }

    [Fact]
    public void Nothing_is_taken_that_begins_at_the_end_asked_for()
    {
        StepScheduler scheduler = new(1);
        using LogStore store = StoreFixture.Open(new FaultDisk(1), scheduler, new ManualTimeProvider(), SmallOptions);
        (Log log, List<byte[]> batches) = Fill(store, scheduler, 1200);
        long start = 0;
        foreach (byte[] batch in batches)
        {
            long end = start + RecordBatch.LastOffsetDelta(batch) + 1;
            if (start > 0)
            {
                Assert.Null(log.Read(start, 1 << 20, start));
            }

            long from = Math.Max(0, start - 7);
            long reached = from;
            while (log.Read(reached, 1 << 20, end) is { } slice)
            {
                using (slice)
                {
                    byte[] bytes = Bytes(slice);
                    for (int at = 0; at < bytes.Length; at += RecordBatch.Size(bytes.AsSpan(at)))
                    {
                        reached = RecordBatch.EndOffset(bytes.AsSpan(at));
                    }
                }
            }

            Assert.Equal(end, reached);
            start = end;
        }
    }

    [Fact]
    public void A_slice_outlives_the_segment_it_points_at()
    {
        StepScheduler scheduler = new(1);
        using LogStore store = StoreFixture.Open(new FaultDisk(1), scheduler, new ManualTimeProvider(), SmallOptions);
        (Log log, List<byte[]> batches) = Fill(store, scheduler, 2000);
        using LogSlice slice = log.Read(0, 1)!;
        Assert.False(slice.IsInMemory);
        log.SetRetention(new RetentionPolicy(BehindCursor: false, BytesMax: 1));
        log.Append(StoreFixture.Batch("next"), Durability.Disk);
        scheduler.RunAll();

        Assert.True(log.StartOffset > slice.FirstOffset);
        Assert.Equal(AsPlaced(batches[0]).AsSpan(8).ToArray(), Bytes(slice).AsSpan(8).ToArray());
        using LogSlice first = log.Read(0, 1)!;
        Assert.Equal(log.StartOffset, first.FirstOffset);
    }

    /// <summary>A log writes its leader epoch, 0, into the batch.</summary>
    private static byte[] AsPlaced(byte[] batch)
    {
        byte[] placed = [.. batch];
        RecordBatch.SetLeaderEpoch(placed, 0);
        return placed;
    }

    private static byte[] Bytes(LogSlice slice)
    {
        byte[] bytes = new byte[slice.Length];
        Assert.Equal(bytes.Length, slice.Read(0, bytes));
        if (slice.IsInMemory)
        {
            Assert.Equal(bytes, slice.Memory.ToArray());
        }

        return bytes;
    }

    private static (Log Log, List<byte[]> Batches) Fill(LogStore store, StepScheduler scheduler, int count)
    {
        Log log = store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false));
        List<byte[]> batches = [];
        Random random = new(7);
        for (int i = 0; i < count; i++)
        {
            using RecordBatchBuilder builder = new();
            for (int records = random.Next(1, 5); records > 0; records--)
            {
                builder.Append(1_000 + i, Encoding.UTF8.GetBytes($"record {i} {new string('x', random.Next(i % 97 == 0 ? 20_000 : 200))}"), default, 0);
            }

            batches.Add(builder.Seal().ToArray());
            log.Append(batches[^1], Durability.Disk);
            if (i % 50 == 0)
            {
                scheduler.RunAll();
            }
        }

        return (log, batches);
    }
}
