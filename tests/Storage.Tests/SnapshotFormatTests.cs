using System.Globalization;
using Sluice.Base.Disk;
using Sluice.Storage.Checkpoints;
using Sluice.Storage.Compaction;
using Sluice.Storage.Producers;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

public sealed class SnapshotFormatTests
{
    private const int LargeBytes = 70_000;
    private const long JournalPosition = 0x1234;

    /// <summary>Log 1, the metadata store's, which is empty; log 2 with settled ranges, a delivery count, a complete and an incomplete segment, and a tail.</summary>
    private static string Golden(long journalPosition = JournalPosition, int version = 2) =>
        "534C55494345534E" + $"0{version}000000" + Crc(Header(journalPosition)) + Header(journalPosition)
        + Section(
            "0100000000000000" + "0101000000000000" + Zeros(16)
            + "0000000000000000" + "0000000000000000" + "0000000000000000" + "00000000" + "00000000" + "00000000" + "00000000")
        + Section(
            "0200000000000000" + "01090000F0490200" + Zeros(16)
            + "0000000000000000" + "0700000000000000" + "0100000000000000" + "01000000" + "01000000" + "02000000" + "14010000"
            + "0400000000000000" + "0600000000000000"
            + "0600000000000000" + "0200000000000000"
            + "0000000000000000" + "0200000000000000" + "7023020000000000" + "7017000000000000" + "00000000" + "01000000"
            + "0200000000000000" + "0300000000000000" + "B811010000000000" + "581B000000000000" + "00000000" + "00000000"
            + Record(3, 'a') + Record(4, 'b') + Record(5, 'c') + Record(6, 'd'))
        + "FFFFFFFF" + Crc("0200000000000000") + "0200000000000000";

    private static string Header(long journalPosition) => Hex(journalPosition) + "0300000000000000" + Zeros(32);

    [Fact]
    public void Snapshot_has_these_bytes()
    {
        FaultDisk disk = new(1);
        using LogStore store = StoreFixture.Open(disk, new StepScheduler(1), new ManualTimeProvider());
        Log log = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue with { SegmentBytes = 150_000 });

        // What is larger than 64 KB goes to a segment at a checkpoint, the rest into the snapshot itself.
        foreach (long timestamp in (long[])[5_000, 6_000, 7_000])
        {
            log.Append(StoreFixture.Batch(timestamp, new string('x', LargeBytes)), Durability.Disk);
            store.Checkpoint();
        }
        foreach (string value in (string[])["a", "b", "c", "d"])
        {
            log.Append(StoreFixture.Batch(8_000, value), Durability.Disk);
        }
        log.Cursor!.Settle([0, 4, 5]);
        log.Cursor.SetDeliveryCount(6, 2);
        store.Checkpoint();
        string name = disk.List("").Single(SnapshotFormat.IsFileName);
        long position = long.Parse(name["snapshot-".Length..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        Assert.Equal(Golden(position), Convert.ToHexString(disk.ReadAll(name)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Snapshot_of_these_bytes_is_read(int version)
    {
        FaultDisk disk = DiskWith(Convert.FromHexString(Golden(version: version)));
        Assert.Null(SnapshotReader.Check(disk, "snapshot", out long position, out long nextLogId));
        Assert.Equal((JournalPosition, 3L), (position, nextLogId));
        List<long> ids = [];
        SnapshotReader.Read(disk, "snapshot", (in SnapshotLog log) =>
        {
            ids.Add(log.Id);
            if (log.Id == 1)
            {
                Assert.Equal((0L, 0L, 0L, 0), (log.Start, log.Next, log.Floor, log.Ranges.Length + log.DeliveryCounts.Length + log.Segments.Length + log.Tail.Length));
                return;
            }
            Assert.Equal((LogKind.Durable, RetentionPolicy.Queue with { SegmentBytes = 150_000 }), (log.Kind, log.Retention));
            Assert.Equal((0L, 7L, 1L), (log.Start, log.Next, log.Floor));
            Assert.Equal("0400000000000000" + "0600000000000000", Convert.ToHexString(log.Ranges));
            Assert.Equal("0600000000000000" + "0200000000000000", Convert.ToHexString(log.DeliveryCounts));
            Assert.True(log.Producers.IsEmpty);
            var complete = SnapshotReader.ParseSegment(2, log.Segments);
            Assert.Equal((0L, 2L, 140_144L, 6_000L, 0, true), (complete.BaseOffset, complete.EndOffset, complete.WrittenBytes, complete.MaxTimestamp, complete.Generation, complete.IsSealed));
            var last = SnapshotReader.ParseSegment(2, log.Segments[SnapshotFormat.SegmentBytes..]);
            Assert.Equal((2L, 3L, 70_072L, 7_000L, 0, false), (last.BaseOffset, last.EndOffset, last.WrittenBytes, last.MaxTimestamp, last.Generation, last.IsSealed));
            Assert.Equal(Record(3, 'a') + Record(4, 'b') + Record(5, 'c') + Record(6, 'd'), Convert.ToHexString(log.Tail));
        });
        Assert.Equal([1, 2], ids);
    }

    /// <summary>Producer 7 with one batch and a transaction that was rolled back; producer 9 with a transaction open.</summary>
    [Fact]
    public void Producers_have_these_bytes_and_are_read()
    {
        string producers = "02000000" + "01000000"
            + "0700000000000000" + "0300" + "01" + "00" + "05000000" + "D007000000000000" + "FFFFFFFFFFFFFFFF"
            + "0A000000" + "01000000" + "0000000000000000" + "E803000000000000"
            + "0900000000000000" + "0000" + "01" + "00" + "FFFFFFFF" + "E803000000000000" + "0300000000000000"
            + "FFFFFF7F" + "00000000" + "0300000000000000" + "E803000000000000"
            + "0700000000000000" + "0000000000000000" + "0200000000000000" + "0300000000000000";
        FaultDisk disk = new(1);
        LogStore store = StoreFixture.Open(disk, new StepScheduler(1), new ManualTimeProvider());
        Log log = store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false));
        log.Append((KafkaBatch.Of("a", "b") with { ProducerId = 7, ProducerEpoch = 3, BaseSequence = 10, IsTransactional = true }).Bytes(), Durability.Disk);
        log.Append(KafkaBatch.Marker(7, 3, isCommit: false, coordinatorEpoch: 5, timestamp: 2_000), Durability.Disk);
        log.Append((KafkaBatch.Of("c") with { ProducerId = 9, ProducerEpoch = 0, BaseSequence = int.MaxValue, IsTransactional = true }).Bytes(), Durability.Disk);
        var described = log.Producers!.Describe();
        store.Dispose();
        string name = disk.List("").Single(SnapshotFormat.IsFileName);
        string written = "";
        SnapshotReader.Read(disk, name, (in SnapshotLog state) => written += Convert.ToHexString(state.Producers));
        Assert.Equal(producers, written);
        Assert.Contains("01000000" + Hex(producers.Length / 2)[..8] + producers, Convert.ToHexString(disk.ReadAll(name)));

        using LogStore again = StoreFixture.Open(disk, new StepScheduler(1), new ManualTimeProvider());
        Log restored = again.FindLog(log.Id)!;
        Assert.Equal(described, restored.Producers!.Describe());
        Assert.Equal(3, restored.LastStableOffset);
        Assert.Equal(new AbortedTransaction(7, 0, 2, 3), Assert.Single(restored.Producers.CollectAborted(0, 10)));
    }

    [Fact]
    public void Compaction_has_these_bytes()
    {
        FaultDisk disk = new(1);
        using LogStore store = StoreFixture.Open(disk, new StepScheduler(1), new ManualTimeProvider());
        Log log = store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false, Compaction: new CompactionPolicy(0.5, 1, null, 3)));
        log.Compaction.CleanedTo = 9;
        store.Checkpoint();
        Assert.Contains(
            "0200000000000000" + "0110000000000000" + Zeros(16) + Zeros(40) + "02000000" + "30000000" + "000000000000E03F" + "0100000000000000" + "FFFFFFFFFFFFFFFF" + "0300000000000000" + "FFFFFFFFFFFFFFFF" + "0900000000000000" + "FFFFFFFF",
            Convert.ToHexString(disk.ReadAll(disk.List("").Single(SnapshotFormat.IsFileName))));
    }

    [Fact]
    public void Snapshot_cut_short_or_changed_anywhere_is_damaged()
    {
        byte[] golden = Convert.FromHexString(Golden());
        for (int length = 0; length < golden.Length; length++)
        {
            Assert.NotNull(SnapshotReader.Check(DiskWith(golden[..length]), "snapshot", out _, out _));
        }
        for (int at = 0; at < golden.Length; at++)
        {
            // Another version is no damage: a newer one is refused by name.
            if (at is >= 8 and < 12)
            {
                continue;
            }
            byte[] changed = [.. golden];
            changed[at] ^= 0x10;
            Assert.NotNull(SnapshotReader.Check(DiskWith(changed), "snapshot", out _, out _));
        }
    }

    [Fact]
    public void Snapshot_of_a_newer_format_is_refused_by_name()
    {
        byte[] newer = Convert.FromHexString(Golden());
        newer[8] = 3;
        StorageFormatException refused = Assert.Throws<StorageFormatException>(() => SnapshotReader.Check(DiskWith(newer), "snapshot", out _, out _));
        Assert.Contains("snapshot has format 3", refused.Message);
    }

    private static FaultDisk DiskWith(byte[] snapshot)
    {
        FaultDisk disk = new(1);
        using IDiskFile file = disk.Open("snapshot", DiskOpenMode.CreateNew);
        file.Write(0, snapshot);
        return disk;
    }

    private static string Section(string payload) => Hex(payload.Length / 2)[..8] + Crc(payload) + payload;

    /// <summary>A batch of one record with a value of one byte, at an offset; the bytes of batches are tested by themselves.</summary>
    private static string Record(long offset, char value)
    {
        string checkedPart = "0100" + "00000000" + "0000000000001F40" + "0000000000001F40" + "FFFFFFFFFFFFFFFF" + "FFFF" + "FFFFFFFF" + "00000001"
            + "0E" + "00" + "00" + "00" + "01" + "02" + ((int)value).ToString("X2", CultureInfo.InvariantCulture) + "00";
        return offset.ToString("X16", CultureInfo.InvariantCulture) + "00000039" + "00000000" + "02" + FormatTests.BitwiseCrc(Convert.FromHexString(checkedPart)).ToString("X8", CultureInfo.InvariantCulture) + checkedPart;
    }

    private static string Crc(string hex) => Convert.ToHexString(BitConverter.GetBytes(FormatTests.BitwiseCrc(Convert.FromHexString(hex))));

    private static string Hex(long value) => Convert.ToHexString(BitConverter.GetBytes(value));

    private static string Zeros(int bytes) => new('0', bytes * 2);
}
