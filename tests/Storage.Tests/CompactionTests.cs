using System.Globalization;
using System.Text;
using Sluice.Base.Compression;
using Sluice.Storage.Compaction;
using Sluice.Storage.Producers;
using Sluice.Storage.Records;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

public sealed class CompactionTests : IDisposable
{
    private const long Hour = 3_600_000;

    private static readonly LogStoreOptions Options = new() { TailBytesPerLogMax = 2 << 10, SegmentBytes = 4 << 10 };

    private static readonly CompactionPolicy Always = new(DirtyRatioMin: 0, DeleteRetentionMs: Hour);

    private readonly FaultDisk _disk = new(1);
    private readonly StepScheduler _scheduler = new(1);
    private readonly ManualTimeProvider _clock = new();
    private LogStore _store;

    public CompactionTests() => _store = StoreFixture.Open(_disk, _scheduler, _clock, Options);

    public static TheoryData<CompressionType> Types => [.. Enum.GetValues<CompressionType>()];

    private long Now => _clock.GetUtcNow().ToUnixTimeMilliseconds();

    public void Dispose()
    {
        _store.Dispose();
        Assert.Equal(0, _store.Context.Buffers.BlocksOut);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Of_each_key_the_newest_record_stays_at_its_offset(CompressionType type)
    {
        Log log = NewLog(Always);
        Dictionary<string, (long Offset, string Value)> newest = [];
        for (int i = 0; i < 600; i++)
        {
            KafkaBatch batch = new() { Compression = type };
            for (int n = 0; n <= i % 3; n++)
            {
                string key = $"k{(i * 7 * (n + 1)) % 23}";
                string value = $"v{i}.{n}";
                newest[key] = (log.NextOffset + n, value);
                batch.Records.Add((Now + i, key, value));
            }
            log.Append(batch.Bytes(), Durability.Disk);
            _scheduler.RunOne();
        }
        Compact(log);
        List<(long Offset, string? Key, string? Value)> left = Read(log);

        // What is not in complete segments is as it was.
        long end = log.Compaction.CleanedTo;
        Assert.True(end > 1000);
        Assert.Equal(left.Where(r => r.Offset < end).Select(static r => r.Key).Distinct().Count(), left.Count(r => r.Offset < end));
        Assert.Equal(log.NextOffset - end, left.Count(r => r.Offset >= end));
        foreach ((string key, (long offset, string value)) in newest)
        {
            Assert.Equal((offset, key, value), left.Last(r => r.Key == key));
        }
        Assert.True(log.Bytes < 4 * Options.SegmentBytes, $"{log.Bytes} bytes are left.");

        Reopen(ref log);
        Assert.Equal(end, log.Compaction.CleanedTo);
        Assert.Equal(left, Read(log));
        _store.Dispose();
        Assert.DoesNotContain(StoreVerifier.Verify(Options, _disk, null, TestContext.Current.CancellationToken), static f => f.Severity == VerifySeverity.Error);
    }

    [Fact]
    public void Records_without_a_key_and_the_broker_s_own_stay()
    {
        Log log = NewLog(Always);
        log.Append(StoreFixture.Batch("own"), Durability.Disk);
        log.Append(KafkaBatch.Of("a", "b").Bytes(), Durability.Disk);
        Append(log, "k", "old");
        Append(log, "k", "new");
        Seal(log);
        Compact(log);
        Assert.Equal([(0, null, "own"), (1, null, "a"), (2, null, "b"), (4, "k", "new")], Read(log).Take(4));
    }

    [Fact]
    public void KIP_534_A_tombstone_stays_until_its_horizon_and_takes_older_values_with_it()
    {
        Log log = NewLog(Always);
        Append(log, "a", "1");
        Append(log, "b", "1");
        log.Append(new KafkaBatch { Compression = CompressionType.Lz4, Records = { (5_000, "a", null), (6_000, "c", "1") } }.Bytes(), Durability.Disk);
        Seal(log);
        long cleaned = Now;
        Compact(log);
        Assert.Equal([(1, "b", "1"), (2, "a", null), (3, "c", "1")], Read(log).Take(3));
        byte[] batch = StoreFixture.RawBatches(log).Single(static b => RecordBatch.HasDeleteHorizon(b));
        Assert.True(RecordBatch.IsIntact(batch));
        Assert.Equal((cleaned + Hour, 2L, 2, 6_000L, CompressionType.Lz4), (RecordBatch.BaseTimestamp(batch), RecordBatch.BaseOffset(batch), RecordBatch.RecordCount(batch), RecordBatch.MaxTimestamp(batch), RecordBatch.CompressionType(batch)));
        Assert.Equal([5_000, 6_000], Timestamps(log, 2, 4));

        _clock.Advance(TimeSpan.FromMilliseconds(Hour - 1));
        Fill(log);
        Compact(log);
        Assert.Contains((2, "a", null), Read(log));
        _clock.Advance(TimeSpan.FromMilliseconds(2));
        Fill(log);
        Compact(log);
        Assert.DoesNotContain(Read(log), static r => r.Key == "a");
        Assert.Contains((3, "c", "1"), Read(log));
        Assert.Equal([6_000], Timestamps(log, 3, 4));
    }

    [Fact]
    public void Timestamps_of_append_time_and_the_last_offset_of_a_batch_stay()
    {
        Log log = NewLog(Always);
        log.Append(new KafkaBatch { IsLogAppendTime = true, MaxTimestamp = 9_000, Compression = CompressionType.Gzip, Records = { (1, "a", "1"), (2, "b", "1"), (3, "a", null), (4, "b", "2") } }.Bytes(), Durability.Disk);
        Append(log, "b", "3");
        Seal(log);
        Compact(log);
        byte[] batch = StoreFixture.RawBatches(log)[0];
        Assert.Equal((0L, 4L, 1, 9_000L), (RecordBatch.BaseOffset(batch), RecordBatch.EndOffset(batch), RecordBatch.RecordCount(batch), RecordBatch.MaxTimestamp(batch)));
        Assert.Equal([9_000], Timestamps(log, 0, 4));
        Assert.Equal((2, "a", null), Read(log)[0]);
    }

    [Fact]
    public void Records_rolled_back_go_and_their_marker_after_them()
    {
        Log log = NewLog(Always);
        log.Append(Transactional(7, 0, ("a", "aborted")), Durability.Disk);
        log.Append(Transactional(8, 0, ("a", "committed"), ("b", "committed")), Durability.Disk);
        log.Append(KafkaBatch.Marker(8, 0, isCommit: true), Durability.Disk);
        log.Append(Transactional(7, 1, ("b", "aborted"), ("c", "aborted")), Durability.Disk);
        log.Append(KafkaBatch.Marker(7, 0, isCommit: false), Durability.Disk);
        log.Append(Transactional(7, 3, ("x", "1")), Durability.Disk);
        log.Append(KafkaBatch.Marker(7, 0, isCommit: true), Durability.Disk);
        log.Append(Transactional(8, 2, ("y", "1")), Durability.Disk);
        log.Append(KafkaBatch.Marker(8, 0, isCommit: true), Durability.Disk);
        SealOnly(log);
        Compact(log);
        Assert.Equal([(1, "a", "committed"), (2, "b", "committed"), (7, "x", "1"), (9, "y", "1")], Read(log).Take(4));
        Assert.Contains(Controls(log), static m => m == (6, false));
        Assert.Single(log.Producers!.CollectAborted(0, 100));

        // The second pass meets the marker without its batches and gives it a horizon, after which it goes.
        Fill(log);
        Compact(log);
        Assert.Contains(Controls(log), static m => m == (6, false));
        Assert.Empty(log.Producers.CollectAborted(0, 100));
        _clock.Advance(TimeSpan.FromMilliseconds(Hour + 1));
        Fill(log);
        Compact(log);
        Assert.DoesNotContain(Controls(log), static m => m == (6, false));
        Assert.Contains(Controls(log), static m => m == (3, true));
    }

    [Fact]
    public void What_no_transaction_has_decided_is_not_touched()
    {
        Log log = NewLog(Always);
        Append(log, "a", "1");
        Append(log, "a", "2");
        Seal(log);
        log.Append(Transactional(7, 0, ("a", "3")), Durability.Disk);
        Seal(log);
        long open = log.LastStableOffset;
        Compact(log);
        Assert.InRange(log.Compaction.CleanedTo, 2, open);
        Assert.Contains(Read(log), r => r.Offset == open);
        Assert.DoesNotContain(Read(log), static r => r.Offset == 0);
        log.Append(KafkaBatch.Marker(7, 0, isCommit: true), Durability.Disk);
        Seal(log);
        Compact(log);
        Assert.True(log.Compaction.CleanedTo > open);
        Assert.Equal("3", Read(log).Single(static r => r.Key == "a").Value);
    }

    [Fact]
    public void The_last_sequence_number_of_a_producer_stays_as_an_empty_batch()
    {
        Log log = NewLog(Always);
        log.Append(new KafkaBatch { ProducerId = 7, ProducerEpoch = 2, BaseSequence = 0, Records = { (1, "a", "1") } }.Bytes(), Durability.Disk);
        log.Append(new KafkaBatch { ProducerId = 7, ProducerEpoch = 2, BaseSequence = 1, Compression = CompressionType.Zstd, Records = { (1, "a", "2"), (2, "a", "3") } }.Bytes(), Durability.Disk);
        Append(log, "a", "4");
        Seal(log);
        Compact(log);
        byte[] empty = StoreFixture.RawBatches(log)[0];
        Assert.True(RecordBatch.IsIntact(empty));
        Assert.Equal((RecordBatch.HeaderBytes, 0, 1L, 3L, 7L, (short)2, 1, 2, CompressionType.None), (empty.Length, RecordBatch.RecordCount(empty), RecordBatch.BaseOffset(empty), RecordBatch.EndOffset(empty), RecordBatch.ProducerId(empty), RecordBatch.ProducerEpoch(empty), RecordBatch.BaseSequence(empty), RecordBatch.LastSequence(empty), RecordBatch.CompressionType(empty)));
        Assert.Equal((3, "a", "4"), Read(log)[0]);
        log.Producers!.RemoveExpired(long.MaxValue);
        Fill(log);
        Compact(log);
        Assert.Equal(3, RecordBatch.BaseOffset(StoreFixture.RawBatches(log)[0]));
    }

    [Fact]
    public void A_log_of_which_nothing_is_left_still_tells_its_end()
    {
        Log log = NewLog(Always with { DeleteRetentionMs = 0 });
        Append(log, "a", "1");
        Append(log, "a", null);
        SealOnly(log);
        Compact(log);
        SealOnly(log);
        Reopen(ref log);
        log.Compaction.CleanedTo = 0;
        _clock.Advance(TimeSpan.FromSeconds(20));
        Compact(log);
        Assert.Empty(Read(log));
        byte[] last = Assert.Single(StoreFixture.RawBatches(log));
        Assert.Equal((0, 2L), (RecordBatch.RecordCount(last), RecordBatch.EndOffset(last)));
        using LogReader reader = log.OpenReader(0);
        Assert.Equal(PeekResult.NeedsLoad, reader.TryPeek(out _));
        reader.Attach(log.LoadWindow(0)!);
        Assert.Equal((PeekResult.EndOfLog, 2L), (reader.TryPeek(out _), reader.NextOffset));
    }

    [Fact]
    public void More_keys_than_the_map_holds_take_several_passes()
    {
        _store.Dispose();
        _scheduler.Clear();
        _store = StoreFixture.Open(_disk, _scheduler, _clock, Options with { CompactionMapBytesMax = 24 * 40 });
        Log log = NewLog(Always);
        for (int i = 0; i < 1000; i++)
        {
            Append(log, $"k{i % 250}", $"v{i}");
            _scheduler.RunOne();
        }
        Seal(log);
        Compact(log);
        List<(long Offset, string? Key, string? Value)> left = Read(log);
        Assert.Equal(Enumerable.Range(750, 250).Select(static i => ((long)i, $"k{i % 250}", $"v{i}")), left.Where(static r => r.Key!.StartsWith('k')).Select(static r => (r.Offset, r.Key!, r.Value!)));
    }

    [Fact]
    public void Young_records_wait_and_old_ones_do_not_wait_for_the_ratio()
    {
        Log log = NewLog(new CompactionPolicy(DirtyRatioMin: 1, LagMsMin: 10_000, LagMsMax: 60_000));
        log.Append(new KafkaBatch { Records = { (Now, "a", "1"), (Now, "a", "2") } }.Bytes(), Durability.Disk);
        _clock.Advance(TimeSpan.FromSeconds(30));
        _scheduler.RunAll();
        Assert.Equal(2, Read(log).Count);
        log.Append(new KafkaBatch { Records = { (Now, "b", "1") } }.Bytes(), Durability.Disk);
        _clock.Advance(TimeSpan.FromSeconds(25));
        _scheduler.RunAll();
        Assert.Equal(3, Read(log).Count);

        // Nothing was in a complete segment: what is too old is put into one.
        _clock.Advance(TimeSpan.FromSeconds(16));
        _scheduler.RunAll();
        Assert.Equal([(1, "a", "2"), (2, "b", "1")], Read(log));
        Assert.Equal(3, log.Compaction.CleanedTo);
        int segments = log.Segments!.Count;
        _clock.Advance(TimeSpan.FromSeconds(300));
        _scheduler.RunAll();
        Assert.Equal(segments, log.Segments.Count);
    }

    [Fact]
    public void A_segment_that_is_open_for_too_long_is_completed_and_the_ratio_decides()
    {
        Log log = NewLog(new CompactionPolicy(DirtyRatioMin: 0.5, SegmentMs: 60_000));
        log.Append(new KafkaBatch { Records = { (Now, "a", "1"), (Now, "a", "2") } }.Bytes(), Durability.Disk);
        _clock.Advance(TimeSpan.FromSeconds(50));
        _scheduler.RunAll();
        Assert.Equal(2, Read(log).Count);
        _clock.Advance(TimeSpan.FromSeconds(30));
        _scheduler.RunAll();
        Assert.Equal([(1, "a", "2")], Read(log));

        // What is compacted is not completed again.
        int segments = log.Segments!.Count;
        _clock.Advance(TimeSpan.FromSeconds(300));
        _scheduler.RunAll();
        Assert.Equal(segments, log.Segments.Count);
    }

    [Fact]
    public void Old_records_that_wait_for_a_transaction_are_not_put_into_ever_more_segments()
    {
        Log log = NewLog(new CompactionPolicy(DirtyRatioMin: 1, LagMsMax: 60_000));
        log.Append(Transactional(7, 0, ("a", "1")), Durability.Disk);
        for (int second = 0; second < 600; second += 5)
        {
            Append(log, "b", "x");
            _clock.Advance(TimeSpan.FromSeconds(5));
            _scheduler.RunAll();
        }
        Assert.InRange(log.Segments!.Count, 1, 15);
        log.Append(KafkaBatch.Marker(7, 0, isCommit: true), Durability.Disk);
        _clock.Advance(TimeSpan.FromSeconds(100));
        _scheduler.RunAll();
        Assert.Equal([(0, "a", "1"), (120, "b", "x")], Read(log));
    }

    [Fact]
    public void The_ratio_of_what_is_not_compacted_decides()
    {
        Log log = NewLog(new CompactionPolicy(DirtyRatioMin: 0.5));
        Fill(log, keys: 100);
        Compact(log);
        long cleaned = log.Compaction.CleanedTo;
        Assert.True(cleaned > 0);
        Fill(log, keys: 20);
        Compact(log);
        Assert.Equal(cleaned, log.Compaction.CleanedTo);
        log.SetRetention(new RetentionPolicy(BehindCursor: false, Compaction: new CompactionPolicy(DirtyRatioMin: 0.05)));
        Compact(log);
        Assert.True(log.Compaction.CleanedTo > cleaned);
    }

    [Fact]
    public void Compaction_and_deletion_by_age_go_together()
    {
        Log log = _store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false, AgeMsMax: Hour, Compaction: Always));
        log.Append(new KafkaBatch { Records = { (Now, "a", "1"), (Now, "a", "2"), (Now, "b", "1") } }.Bytes(), Durability.Disk);
        SealOnly(log);
        Compact(log);
        Assert.Equal([(1, "a", "2"), (2, "b", "1")], Read(log));
        _clock.Advance(TimeSpan.FromMilliseconds(2 * Hour));
        _scheduler.RunAll();
        Assert.Empty(Read(log));
        Assert.Equal(3, log.StartOffset);
    }

    [Fact]
    public void What_cannot_be_read_or_written_leaves_the_log_as_it_is()
    {
        Log log = NewLog(Always);
        Append(log, "a", "1");
        Append(log, "a", "2");
        _disk.Fault = static line => line.StartsWith("write logs", StringComparison.Ordinal) && line.EndsWith(".1.log", StringComparison.Ordinal) ? new IOException("No space left on device") : null;
        Seal(log);
        Compact(log);
        Assert.Equal([(0, "a", "1"), (1, "a", "2")], Read(log).Take(2));
        Assert.Equal(0, log.Compaction.CleanedTo);
        Assert.Null(log.Failure);
        Assert.DoesNotContain(_disk.List($"logs/{log.Id.Value:x16}"), static n => n.Contains(".1.", StringComparison.Ordinal));
        _disk.Fault = null;
        Fill(log);
        Compact(log);
        Assert.Equal("2", Read(log).Single(static r => r.Key == "a").Value);
    }

    [Fact]
    public void Compaction_is_not_for_logs_with_a_cursor()
    {
        Assert.Throws<ArgumentException>(() => _store.CreateLog(LogKind.Durable, RetentionPolicy.Queue with { Compaction = Always }));
        Log queue = _store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        Assert.Throws<ArgumentException>(() => queue.SetRetention(RetentionPolicy.Queue with { Compaction = Always }));
    }

    [Fact]
    public void The_policy_survives_restarts_from_journal_and_checkpoint()
    {
        CompactionPolicy policy = new(0.25, 1_000, 2_000, 3_000);
        Log created = _store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false, Compaction: policy));
        Log changed = _store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false));
        changed.SetRetention(new RetentionPolicy(BehindCursor: false, BytesMax: 5, Compaction: policy with { LagMsMax = null }));
        changed.Append(StoreFixture.Batch("x"), Durability.Disk);
        _store.Context.Journal.WriteNow(sync: true);
        _store.Abandon();
        for (int i = 0; i < 2; i++)
        {
            _scheduler.Clear();
            _store = StoreFixture.Open(_disk, _scheduler, _clock, Options);
            Assert.Equal(new RetentionPolicy(BehindCursor: false, Compaction: policy), _store.FindLog(created.Id)!.Retention);
            Assert.Equal(new RetentionPolicy(BehindCursor: false, BytesMax: 5, Compaction: policy with { LagMsMax = null }), _store.FindLog(changed.Id)!.Retention);
            _store.Dispose();
        }
        _store = StoreFixture.Open(_disk, _scheduler, _clock, Options);
    }

    [Fact]
    public void The_map_keeps_the_newest_offset_and_says_when_it_is_full()
    {
        OffsetMap map = new(1_000_000, bytesMax: 24 * 100);
        int held = 0;
        for (; map.TryPut(Key(held), held); held++)
        {
        }
        Assert.Equal(75, held);
        Assert.True(map.TryPut(Key(3), 1_003));
        for (int i = 0; i < held; i++)
        {
            Assert.Equal(i == 3 ? 1_003 : i, map.Find(Key(i)));
        }
        Assert.Equal(-1, map.Find(Key(held)));

        static byte[] Key(int n) => Encoding.UTF8.GetBytes(n.ToString(CultureInfo.InvariantCulture));
    }

    private static byte[] Transactional(long producer, int sequence, params (string Key, string Value)[] records)
    {
        KafkaBatch batch = new() { ProducerId = producer, ProducerEpoch = 0, BaseSequence = sequence, IsTransactional = true };
        batch.Records.AddRange(records.Select(static r => (1_000L, (string?)r.Key, (string?)r.Value)));
        return batch.Bytes();
    }

    private static List<(long Offset, string? Key, string? Value)> Read(Log log)
    {
        List<(long, string?, string?)> records = [];
        StoreFixture.ForEach(log, (in RecordView r) => records.Add((r.Offset, r.HasKey ? Encoding.UTF8.GetString(r.Key) : null, r.HasValue ? Encoding.UTF8.GetString(r.Value) : null)));
        return records;
    }

    private static List<long> Timestamps(Log log, long from, long to)
    {
        List<long> timestamps = [];
        StoreFixture.ForEach(log, (in RecordView r) =>
        {
            if (r.Offset >= from && r.Offset < to)
            {
                timestamps.Add(r.Timestamp);
            }
        });
        return timestamps;
    }

    /// <summary>The markers that a log has with their record: offset, and whether of a commit.</summary>
    private static List<(long Offset, bool IsCommit)> Controls(Log log) => [.. StoreFixture.RawBatches(log)
        .Where(static b => RecordBatch.IsControl(b) && RecordBatch.RecordCount(b) > 0)
        .Select(static b => (RecordBatch.BaseOffset(b), EndTransactionMarker.TryRead(b, out EndTransactionMarker marker) && marker.IsCommit))];

    private Log NewLog(CompactionPolicy policy) => _store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false, Compaction: policy));

    private void Append(Log log, string key, string? value) => log.Append(new KafkaBatch { Records = { (Now, key, value) } }.Bytes(), Durability.Disk);

    /// <summary>Appends until what was there before is in a complete segment; keys of their own.</summary>
    private void Fill(Log log, int keys = 10)
    {
        for (int i = 0; i < keys; i++)
        {
            Append(log, $"fill{log.NextOffset}", new string('f', 1000));
            _scheduler.RunOne();
        }
        _store.Context.Journal.WriteNow(sync: true);
        log.Store.Queue(log);
        _scheduler.RunAll();
    }

    private void Seal(Log log) => Fill(log);

    /// <summary>Makes a complete segment of what there is, adding nothing.</summary>
    private void SealOnly(Log log)
    {
        new Tails.TailFlusher(_store.Context, new Segments.SegmentWriter(_store.Context)).FlushAll(log);
        if (log.Segments is { Count: > 0 } segments && !segments[^1].IsSealed)
        {
            new Segments.SegmentWriter(_store.Context).Seal(segments[^1]);
        }
    }

    private void Compact(Log log)
    {
        _store.Context.RetentionChanged();
        _scheduler.RunAll();
        Assert.False(log.Compaction.IsPending);
    }

    private void Reopen(ref Log log)
    {
        _store.Dispose();
        _scheduler.Clear();
        _store = StoreFixture.Open(_disk, _scheduler, _clock, Options);
        log = _store.FindLog(log.Id)!;
    }
}
