using System.Text;
using Sluice.Base.Compression;
using Sluice.Storage.Records;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

/// <summary>Batches as Kafka clients send them: compressed, with control batches among them.</summary>
public sealed class KafkaBatchTests : IDisposable
{
    private static readonly LogStoreOptions Options = new() { TailBytesPerLogMax = 16 << 10, SegmentBytes = 32 << 10, DecompressedBatchBytesMax = 100_000 };

    private readonly FaultDisk _disk = new(1);
    private readonly StepScheduler _scheduler = new(1);
    private readonly LogStore _store;

    public KafkaBatchTests() => _store = StoreFixture.Open(_disk, _scheduler, new ManualTimeProvider(), Options);

    public static TheoryData<CompressionType> Types => [.. Enum.GetValues<CompressionType>()];

    public void Dispose()
    {
        _store.Dispose();
        Assert.Equal(0, _store.Context.Buffers.BlocksOut);
    }

    [Fact]
    public void Attributes_are_read_as_kafka_has_them()
    {
        byte[] batch = (KafkaBatch.Of("a", "b", "c") with { Compression = CompressionType.Zstd, IsLogAppendTime = true, IsTransactional = true, ProducerId = 77, ProducerEpoch = 5, BaseSequence = int.MaxValue - 1 }).Bytes();
        Assert.Equal((CompressionType.Zstd, true, true, false, false, false), (RecordBatch.CompressionType(batch), RecordBatch.IsLogAppendTime(batch), RecordBatch.IsTransactional(batch), RecordBatch.IsControl(batch), RecordBatch.HasDeleteHorizon(batch), RecordBatch.IsBrokerMessage(batch)));
        Assert.Equal((77L, (short)5, int.MaxValue - 1, 0), (RecordBatch.ProducerId(batch), RecordBatch.ProducerEpoch(batch), RecordBatch.BaseSequence(batch), RecordBatch.LastSequence(batch)));
        byte[] marker = KafkaBatch.Marker(77, 5, isCommit: true);
        Assert.Equal((true, true, -1), (RecordBatch.IsControl(marker), RecordBatch.IsTransactional(marker), RecordBatch.LastSequence(marker)));
        byte[] own = StoreFixture.Batch("own");
        Assert.Equal((true, CompressionType.None, RecordBatch.NoProducerId), (RecordBatch.IsBrokerMessage(own), RecordBatch.CompressionType(own), RecordBatch.ProducerId(own)));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Compressed_batches_are_kept_as_they_are_and_read_from_tail_and_file(CompressionType type)
    {
        Log log = NewLog();
        List<(long, string)> expected = [];
        for (int i = 0; i < 300; i++)
        {
            string[] values = [.. Enumerable.Range(0, 1 + (i % 4)).Select(n => $"{i}-{n} {new string((char)('a' + (i % 20)), 50)}")];
            long offset = log.Append((KafkaBatch.Of(values) with { Compression = i % 3 == 0 ? CompressionType.None : type }).Bytes(), Durability.Disk).BaseOffset;
            expected.AddRange(values.Select((value, n) => (offset + n, value)));
            if (i % 50 == 20)
            {
                log.Append(KafkaBatch.Marker(1, 0, isCommit: false), Durability.Disk);
            }
            _scheduler.RunOne();
        }
        Assert.Equal(expected, StoreFixture.ReadAll(log));
        _store.Checkpoint();
        _scheduler.RunAll();
        Assert.NotEmpty(log.Segments!);
        Assert.Equal(expected, StoreFixture.ReadAll(log));
        Assert.Equal(expected.Skip(301), StoreFixture.ReadAll(log, expected[301].Item1));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void A_reader_moves_within_a_compressed_batch_and_lets_go_of_it(CompressionType type)
    {
        Log log = NewLog();
        log.Append((KafkaBatch.Of("a", "b", "c", "d") with { Compression = type }).Bytes(), Durability.Disk);
        log.Append((KafkaBatch.Of("e", "f") with { Compression = type }).Bytes(), Durability.Disk);
        using LogReader reader = log.OpenReader(1);
        Assert.Equal("b", Peek(reader));
        reader.Seek(3);
        Assert.Equal("d", Peek(reader));
        reader.Advance();
        Assert.Equal("e", Peek(reader));
        reader.Seek(0);
        Assert.Equal("a", Peek(reader));
        reader.Advance();
        reader.LetGo();
        Assert.False(reader.HoldsMemory);
        Assert.Equal("b", Peek(reader));
        Assert.True(reader.HoldsMemory);
        reader.Seek(6);
        Assert.Equal(PeekResult.EndOfLog, reader.TryPeek(out _));
        Assert.False(reader.HoldsMemory);
    }

    [Fact]
    public void A_record_says_whose_it_is_and_its_key_and_time()
    {
        Log log = NewLog();
        KafkaBatch created = new() { Compression = CompressionType.Lz4, Records = { (5_000, "k", "v"), (5_007, "", null) } };
        log.Append(created.Bytes(), Durability.Disk);
        log.Append((created with { IsLogAppendTime = true, MaxTimestamp = 9_000 }).Bytes(), Durability.Disk);
        log.Append(StoreFixture.Batch(6_000, "own"), Durability.Disk);
        using LogReader reader = log.OpenReader(0);
        List<(bool, bool, string, bool, long)> seen = [];
        while (reader.TryPeek(out RecordView record) == PeekResult.Record)
        {
            seen.Add((record.IsBrokerMessage, record.HasKey, Encoding.UTF8.GetString(record.Key), record.HasValue, record.Timestamp));
            reader.Advance();
        }
        Assert.Equal([(false, true, "k", true, 5_000), (false, true, "", false, 5_007), (false, true, "k", true, 9_000), (false, true, "", false, 9_000), (true, false, "", true, 6_000)], seen);
    }

    [Fact]
    public void A_batch_without_a_leader_epoch_is_from_before_there_were_Kafka_clients()
    {
        using RecordBatchBuilder builder = new() { IsBrokerMessage = false };
        builder.Append(1, "old"u8, default, 0);
        byte[] batch = builder.Seal().ToArray();
        Assert.True(new RecordContext(batch).IsBrokerMessage);
        RecordBatch.SetLeaderEpoch(batch, 0);
        Assert.False(new RecordContext(batch).IsBrokerMessage);
    }

    [Fact]
    public void Control_batches_at_the_end_are_passed_too()
    {
        Log log = NewLog();
        log.Append(KafkaBatch.Of("a").Bytes(), Durability.Disk);
        log.Append(KafkaBatch.Marker(1, 0, isCommit: true), Durability.Disk);
        using LogReader reader = log.OpenReader(0);
        Assert.Equal("a", Peek(reader));
        reader.Advance();
        Assert.Equal(PeekResult.EndOfLog, reader.TryPeek(out _));
        Assert.Equal(2, reader.NextOffset);
        log.Append(KafkaBatch.Of("b").Bytes(), Durability.Disk);
        Assert.Equal("b", Peek(reader));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void An_offset_is_found_by_time_in_compressed_batches(CompressionType type)
    {
        Log log = NewLog();
        for (int i = 0; i < 2000; i++)
        {
            KafkaBatch batch = new() { Compression = type };
            batch.Records.Add((10_000 + (i * 20), null, new string('x', 30)));
            batch.Records.Add((10_010 + (i * 20), null, new string('y', 30)));
            log.Append(batch.Bytes(), Durability.OperatingSystem);
            if (i % 10 == 0)
            {
                _scheduler.RunOne();
            }
        }
        _scheduler.RunAll();
        Assert.NotEmpty(log.Segments!);
        Assert.NotNull(log.Tail.First);
        foreach (int record in (int[])[0, 1, 2, 17, 1999, 2000, 3989, 3998, 3999])
        {
            Assert.Equal(record, log.FindOffset(10_000 + (record * 10)));
            Assert.Equal(record, log.FindOffset(10_000 + (record * 10) - 9));
        }
        Assert.Equal(4000, log.FindOffset(10_000 + (3999 * 10) + 1));
    }

    [Fact]
    public void A_batch_that_cannot_be_opened_is_named_and_can_be_passed()
    {
        Log log = NewLog();
        log.Append(KafkaBatch.Of("a").Bytes(), Durability.Disk);
        log.Append((KafkaBatch.Of(new string('x', 200_000)) with { Compression = CompressionType.Gzip }).Bytes(), Durability.Disk);
        byte[] damaged = (KafkaBatch.Of("lost", "lost") with { Compression = CompressionType.Zstd }).Bytes();
        damaged[RecordBatch.HeaderBytes] ^= 1;
        RecordBatch.SetCrc(damaged);
        log.Append(damaged, Durability.Disk);
        log.Append(KafkaBatch.Of("z").Bytes(), Durability.Disk);
        using LogReader reader = log.OpenReader(0);
        Assert.Equal("a", Peek(reader));
        reader.Advance();
        for (int attempt = 0; attempt < 2; attempt++)
        {
            LogFailedException tooLarge = Assert.Throws<LogFailedException>(() => reader.TryPeek(out _));
            Assert.Equal((2L, 1L), (tooLarge.ResumeOffset, reader.NextOffset));
            Assert.Contains("100000", tooLarge.Message, StringComparison.Ordinal);
        }
        reader.Seek(2);
        LogFailedException broken = Assert.Throws<LogFailedException>(() => reader.TryPeek(out _));
        Assert.Equal(4L, broken.ResumeOffset);
        reader.Seek(broken.ResumeOffset!.Value);
        Assert.Equal("z", Peek(reader));
    }

    [Fact]
    public void A_batch_of_an_unknown_compression_type_is_refused()
    {
        byte[] batch = (KafkaBatch.Of("a") with { Compression = CompressionType.None }).Bytes();
        batch[22] = 5;
        RecordBatch.SetCrc(batch);
        Assert.Throws<ArgumentException>(() => NewLog().Append(batch, Durability.Disk));
    }

    private static string Peek(LogReader reader)
    {
        Assert.Equal(PeekResult.Record, reader.TryPeek(out RecordView record));
        return Encoding.UTF8.GetString(record.Value);
    }

    private Log NewLog() => _store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false));
}
