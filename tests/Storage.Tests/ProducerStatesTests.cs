using Sluice.Storage.Producers;
using Sluice.Storage.Records;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

/// <summary>What a log knows of its producers: KIP-98 (sequences, transactions), KIP-360 (unknown producers), KIP-890 (epochs bumped by markers).</summary>
public sealed class ProducerStatesTests : IDisposable
{
    private const long Producer = 4_000;

    private readonly FaultDisk _disk = new(1);
    private readonly StepScheduler _scheduler = new(1);
    private readonly ManualTimeProvider _clock = new();
    private readonly LogStore _store;
    private readonly Log _log;

    public ProducerStatesTests()
    {
        _store = StoreFixture.Open(_disk, _scheduler, _clock, new LogStoreOptions { TailBytesPerLogMax = 4 << 10, SegmentBytes = 8 << 10 });
        _log = _store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false));
    }

    public void Dispose() => _store.Dispose();

    [Fact]
    public void KIP_98_A_batch_sent_again_is_a_duplicate_while_it_is_among_the_last_five()
    {
        Assert.Null(_log.Producers);
        for (int i = 0; i < 6; i++)
        {
            Append(Batch(i * 2, 2));
        }
        for (int i = 1; i < 6; i++)
        {
            Assert.Equal((ProducerCheck.Duplicate, i * 2), Check(Batch(i * 2, 2)));
        }
        Assert.Equal((ProducerCheck.OutOfOrderSequence, -1), Check(Batch(0, 2)));
        Assert.Equal((ProducerCheck.OutOfOrderSequence, -1), Check(Batch(10, 1)));
        Assert.Equal((ProducerCheck.OutOfOrderSequence, -1), Check(Batch(13, 1)));
        Assert.Equal((ProducerCheck.Ok, -1), Check(Batch(12, 3)));
        Assert.Equal((ProducerCheck.Ok, -1), Check(StoreFixture.Batch("without an id")));
    }

    [Fact]
    public void A_batch_with_the_numbers_of_one_that_was_rolled_back_is_not_stored_yet()
    {
        Append(Batch(0, 2, transactional: true));
        Assert.Equal((ProducerCheck.Duplicate, 0), Check(Batch(0, 2, transactional: true)));
        Append(KafkaBatch.Marker(Producer, 0, isCommit: false));
        Assert.Equal((ProducerCheck.OutOfOrderSequence, -1), Check(Batch(0, 2, transactional: true)));
        Append(Batch(2, 1, transactional: true));
        Assert.Equal((ProducerCheck.OutOfOrderSequence, -1), Check(Batch(0, 2, transactional: true)));
        Assert.Equal((ProducerCheck.Duplicate, 3), Check(Batch(2, 1, transactional: true)));
    }

    [Fact]
    public void KIP_98_Sequences_wrap_to_zero()
    {
        Append(Batch(int.MaxValue - 1, 2));
        Assert.Equal(ProducerCheck.OutOfOrderSequence, Check(Batch(1, 1)).Check);
        Append(Batch(0, 2));
        Append(Batch(2, 1));
        Assert.Equal((ProducerCheck.Duplicate, 0), Check(Batch(int.MaxValue - 1, 2)));

        Append(new KafkaBatch { ProducerId = 9, ProducerEpoch = 0, BaseSequence = int.MaxValue, Records = { (1, null, "a"), (1, null, "b"), (1, null, "c") } }.Bytes());
        Assert.Equal(1, _log.Producers!.Describe()[0].LastSequence);
        Assert.Equal(ProducerCheck.Ok, Check(new KafkaBatch { ProducerId = 9, ProducerEpoch = 0, BaseSequence = 2, Records = { (1, null, "d") } }.Bytes()).Check);
    }

    [Fact]
    public void A_reader_of_what_is_committed_waits_for_open_transactions_and_passes_over_those_rolled_back()
    {
        using LogReader committed = _log.OpenCommittedReader(0);
        using LogReader all = _log.OpenReader(0);
        Append(StoreFixture.Batch("plain 1"));
        Append((KafkaBatch.Of("rolled back 1") with { ProducerId = 1, ProducerEpoch = 0, BaseSequence = 0, IsTransactional = true }).Bytes());
        Append((KafkaBatch.Of("committed") with { ProducerId = 2, ProducerEpoch = 0, BaseSequence = 0, IsTransactional = true }).Bytes());
        Append(StoreFixture.Batch("plain 2"));
        Append((KafkaBatch.Of("rolled back 2") with { ProducerId = 1, ProducerEpoch = 0, BaseSequence = 1, IsTransactional = true }).Bytes());
        Assert.Equal(["plain 1"], Read(committed));
        Append(KafkaBatch.Marker(2, 0, isCommit: true));
        Assert.Empty(Read(committed));
        Append(KafkaBatch.Marker(1, 0, isCommit: false));
        Assert.Equal(["committed", "plain 2"], Read(committed));
        Append((KafkaBatch.Of("later") with { ProducerId = 1, ProducerEpoch = 0, BaseSequence = 2, IsTransactional = true }).Bytes());
        Assert.Empty(Read(committed));
        Append(KafkaBatch.Marker(1, 0, isCommit: true));
        Assert.Equal(["later"], Read(committed));
        Assert.Equal(["plain 1", "rolled back 1", "committed", "plain 2", "rolled back 2", "later"], Read(all));

        static List<string> Read(LogReader reader)
        {
            List<string> values = [];
            while (reader.TryPeek(out RecordView record) == PeekResult.Record)
            {
                values.Add(System.Text.Encoding.UTF8.GetString(record.Value));
                reader.Advance();
            }
            return values;
        }
    }

    [Fact]
    public void KIP_360_A_producer_of_which_nothing_is_known_may_begin_anywhere()
    {
        Assert.Equal(ProducerCheck.Ok, Check(Batch(77, 1, epoch: 3)).Check);
        Append(Batch(77, 1, epoch: 3));
        Assert.Equal(ProducerCheck.OutOfOrderSequence, Check(Batch(79, 1, epoch: 3)).Check);
        Append(Batch(78, 1, epoch: 3));
    }

    [Fact]
    public void KIP_98_A_new_epoch_begins_with_zero_and_fences_the_old()
    {
        Append(Batch(0, 3, epoch: 1));
        Assert.Equal(ProducerCheck.OutOfOrderSequence, Check(Batch(3, 1, epoch: 2)).Check);
        Append(Batch(0, 1, epoch: 2));
        Assert.Equal(ProducerCheck.InvalidEpoch, Check(Batch(3, 1, epoch: 1)).Check);
        Assert.Equal(ProducerCheck.InvalidEpoch, Check(Batch(0, 3, epoch: 1)).Check);
        Assert.Equal((ProducerCheck.Duplicate, 3), Check(Batch(0, 1, epoch: 2)));
    }

    [Fact]
    public void A_coordinators_batch_has_no_sequence_and_only_its_epoch_counts()
    {
        Append(Batch(0, 1, epoch: 2));
        Assert.Equal(ProducerCheck.Ok, Check(Batch(-1, 2, epoch: 2)).Check);
        Assert.Equal(ProducerCheck.InvalidEpoch, Check(Batch(-1, 2, epoch: 1)).Check);
        Append(Batch(-1, 2, epoch: 2));
        Append(Batch(-1, 2, epoch: 2));
    }

    [Fact]
    public void KIP_98_A_transaction_holds_the_last_stable_offset_until_its_marker()
    {
        Append(StoreFixture.Batch("before"));
        Append(Batch(0, 2, transactional: true));
        Append(StoreFixture.Batch("between"));
        Append(Batch(2, 1, transactional: true));
        Assert.Equal((1, 5), (_log.LastStableOffset, _log.NextOffset));
        Assert.Equal(1, Assert.Single(_log.Producers!.Describe()).TransactionFirstOffset);
        Assert.Equal(ProducerCheck.InvalidTransactionState, Check(Batch(3, 1)).Check);
        Append(KafkaBatch.Marker(Producer, 0, isCommit: true, coordinatorEpoch: 7, timestamp: 2_000));
        Assert.Equal(6, _log.LastStableOffset);
        Assert.Empty(_log.Producers.CollectAborted(0, 100));
        Assert.Equal(new ProducerInfo(Producer, 0, 7, 2, 2_000, -1), Assert.Single(_log.Producers.Describe()));
        Assert.Equal((ProducerCheck.Duplicate, 4), Check(Batch(2, 1, transactional: true)));
        Append(Batch(3, 1));
    }

    [Fact]
    public void KIP_98_Transactions_rolled_back_are_told_to_who_reads_their_range()
    {
        Append(Batch(0, 2, transactional: true));
        Append(Batch(0, 1, id: 2, transactional: true));
        Append(KafkaBatch.Marker(Producer, 0, isCommit: false));
        Append(Batch(1, 1, id: 2, transactional: true));
        Append(KafkaBatch.Marker(2, 0, isCommit: false));
        Append(Batch(2, 1, transactional: true));
        Append(KafkaBatch.Marker(Producer, 0, isCommit: true));
        Append(KafkaBatch.Marker(2, 0, isCommit: false));
        AbortedTransaction first = new(Producer, 0, 3, 2);
        AbortedTransaction second = new(2, 2, 5, 6);
        Assert.Equal([first, second], _log.Producers!.CollectAborted(0, 10));
        Assert.Equal([first, second], _log.Producers.CollectAborted(3, 10));
        Assert.Equal([second], _log.Producers.CollectAborted(4, 10));
        Assert.Equal([first], _log.Producers.CollectAborted(0, 2));
        Assert.Equal([first, second], _log.Producers.CollectAborted(0, 3));
        Assert.Empty(_log.Producers.CollectAborted(6, 10));
        Assert.Equal(_log.NextOffset, _log.LastStableOffset);
    }

    [Fact]
    public void KIP_98_Markers_of_old_epochs_and_of_replaced_coordinators_are_fenced()
    {
        Append(Batch(0, 1, epoch: 4, transactional: true));
        Assert.Equal(ProducerCheck.InvalidEpoch, Check(KafkaBatch.Marker(Producer, 3, isCommit: true)).Check);
        Append(KafkaBatch.Marker(Producer, 4, isCommit: true, coordinatorEpoch: 5));
        Assert.Equal(ProducerCheck.CoordinatorFenced, Check(KafkaBatch.Marker(Producer, 4, isCommit: true, coordinatorEpoch: 4)).Check);
        Assert.Equal(ProducerCheck.Ok, Check(KafkaBatch.Marker(Producer, 4, isCommit: true, coordinatorEpoch: 5)).Check);
    }

    [Fact]
    public void KIP_890_A_marker_of_a_bumped_epoch_begins_the_sequences_again()
    {
        Append(Batch(0, 3, epoch: 1, transactional: true));
        Append(KafkaBatch.Marker(Producer, 2, isCommit: true));
        Assert.Equal(ProducerCheck.InvalidEpoch, Check(Batch(3, 1, epoch: 1, transactional: true)).Check);
        Assert.Equal(ProducerCheck.OutOfOrderSequence, Check(Batch(3, 1, epoch: 2, transactional: true)).Check);
        Append(Batch(0, 1, epoch: 2, transactional: true));
    }

    [Fact]
    public void Idle_producers_are_forgotten_but_never_one_with_an_open_transaction()
    {
        Append(Batch(0, 1, timestamp: 5_000));
        Append(Batch(0, 1, id: 2, transactional: true, timestamp: 5_000));
        Append(Batch(0, 1, id: 3, timestamp: 5_001));
        Assert.Equal(0, _log.Producers!.RemoveExpired(4_999));
        Assert.Equal(1, _log.Producers.RemoveExpired(5_000));
        Assert.Equal([2, 3], _log.Producers.Describe().Select(static p => p.ProducerId));
        Assert.Equal(ProducerCheck.Ok, Check(Batch(50, 1)).Check);
    }

    [Fact]
    public void Transactions_rolled_back_go_with_the_log_s_start()
    {
        Append(Batch(0, 1, transactional: true));
        Append(KafkaBatch.Marker(Producer, 0, isCommit: false));
        for (int i = 0; i < 300; i++)
        {
            Append(StoreFixture.Batch(new string('x', 100)));
        }
        Append(Batch(1, 1, transactional: true));
        Append(KafkaBatch.Marker(Producer, 0, isCommit: false));
        Assert.Equal(2, _log.Producers!.CollectAborted(0, long.MaxValue).Count);
        _log.SetRetention(new RetentionPolicy(BehindCursor: false, BytesMax: 10_000));
        _scheduler.RunAll();
        Assert.True(_log.StartOffset > 1);
        Assert.Equal(302, Assert.Single(_log.Producers.CollectAborted(0, long.MaxValue)).FirstOffset);
    }

    [Fact]
    public void A_log_with_a_cursor_knows_no_producers()
    {
        Log queue = _store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        queue.Append(Batch(0, 1), Durability.Disk);
        Assert.Null(queue.Producers);
        Assert.Equal(1, queue.LastStableOffset);
    }

    private static byte[] Batch(int sequence, int count, short epoch = 0, long id = Producer, bool transactional = false, long timestamp = 1_000)
    {
        KafkaBatch batch = new() { ProducerId = id, ProducerEpoch = epoch, BaseSequence = sequence, IsTransactional = transactional };
        for (int i = 0; i < count; i++)
        {
            batch.Records.Add((timestamp, null, "x"));
        }
        return batch.Bytes();
    }

    private (ProducerCheck Check, long Duplicate) Check(byte[] batch) => (_log.CheckProducer(batch, out long duplicate), duplicate);

    private void Append(byte[] batch)
    {
        Assert.Equal(ProducerCheck.Ok, Check(batch).Check);
        _log.Append(batch, Durability.Disk);
    }
}
