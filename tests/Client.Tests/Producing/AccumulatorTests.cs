using Sluice.Base.Buffers;
using Sluice.Client.Producing;
using Sluice.Client.Records;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Tests.Producing;

public sealed class AccumulatorTests
{
    private static readonly ProducerOptions s_options = new() { BootstrapServers = "none:1", BatchBytes = 1024, BufferBytes = 4096, RequestBytesMax = 2048 };

    private readonly BufferPool _pool = new();

    [Fact]
    public void A_full_batch_is_followed_by_another()
    {
        var accumulator = new Accumulator(s_options, _pool);
        PartitionQueue queue = accumulator.Queue("t", 0, 1);
        Assert.Equal(AppendResult.AddedToNewBatch, Add(queue, 400));
        Assert.Equal(AppendResult.Added, Add(queue, 400));
        Assert.Equal(AppendResult.AddedToNewBatch, Add(queue, 400));
        ProducerBatch first = queue.Take(int.MaxValue)!;
        Assert.Equal(2, first.Count);
        first.Seal(s_options, -1, -1);
        Assert.InRange(first.Sealed.Length, 800, 1024);
        ProducerBatch second = queue.Take(int.MaxValue)!;
        Assert.Equal(1, second.Count);
        accumulator.Complete(first, 0, -1, null);
        accumulator.Complete(second, 0, -1, null);
        Assert.Equal(0, _pool.BlocksOut);
    }

    [Fact]
    public void A_record_larger_than_a_batch_goes_alone()
    {
        var accumulator = new Accumulator(s_options, _pool);
        PartitionQueue queue = accumulator.Queue("t", 0, 1);
        Add(queue, 3000);
        Assert.Equal(AppendResult.NoMemory, Add(queue, 1));
        Assert.Equal(1, queue.Take(int.MaxValue)!.Count);
    }

    [Fact]
    public async Task Whoever_finds_no_memory_gets_it_in_the_order_of_asking()
    {
        var memory = new BufferMemory(100);
        Assert.True(memory.TryReserve(80));
        Task large = memory.ReserveAsync(90, CancellationToken.None);
        Task small = memory.ReserveAsync(10, CancellationToken.None);
        Assert.False(memory.TryReserve(1));
        Assert.True(memory.HasWaiters);
        memory.Release(40);
        Assert.False(large.IsCompleted || small.IsCompleted);
        memory.Release(40);
        await large;
        await small;
        Assert.Equal(100, memory.Used);
        Assert.False(memory.HasWaiters);
    }

    [Fact]
    public async Task Who_gives_up_waiting_for_memory_does_not_hold_up_the_next()
    {
        var memory = new BufferMemory(100);
        Assert.True(memory.TryReserve(50));
        using var cancel = new CancellationTokenSource();
        Task large = memory.ReserveAsync(90, cancel.Token);
        Task small = memory.ReserveAsync(10, CancellationToken.None);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => large);
        await small;
        Assert.Equal(60, memory.Used);
    }

    [Fact]
    public void A_batch_waits_for_more_unless_it_is_full_or_wanted()
    {
        var accumulator = new Accumulator(s_options, _pool);
        PartitionQueue queue = accumulator.Queue("t", 0, 1);
        Assert.Equal(QueueState.Empty, queue.Check(0, 10, isUrgent: true, out _));
        Add(queue, 500);
        long created = accumulator.Now;
        Assert.Equal(QueueState.Waiting, queue.Check(created, created, isUrgent: false, out long dueAt));
        Assert.InRange(dueAt, created + 1, created * 2);
        Assert.Equal(QueueState.Ready, queue.Check(created, created, isUrgent: true, out _));
        Assert.Equal(QueueState.Ready, queue.Check(dueAt, created, isUrgent: false, out _));
        Add(queue, 600);
        Assert.Equal(QueueState.Ready, queue.Check(created, created, isUrgent: false, out _));
    }

    [Fact]
    public void Repetitions_go_one_by_one_in_the_order_of_their_numbers()
    {
        var accumulator = new Accumulator(s_options, _pool);
        PartitionQueue queue = accumulator.Queue("t", 0, 1);
        ProducerBatch[] batches = new ProducerBatch[3];
        for (int i = 0; i < 3; i++)
        {
            Add(queue, 900);
        }

        for (int i = 0; i < 3; i++)
        {
            batches[i] = queue.Take(int.MaxValue)!;
            queue.Number(batches[i]);
            batches[i].Attempts = 1;
        }

        queue.PutBack(batches[2]);
        Assert.Equal(QueueState.Blocked, queue.Check(1, 0, isUrgent: true, out _));
        queue.PutBack(batches[0]);
        queue.PutBack(batches[1]);
        Assert.Equal(QueueState.Ready, queue.Check(1, 0, isUrgent: true, out _));
        Assert.Same(batches[0], queue.Take(int.MaxValue));
        Assert.Equal(QueueState.Blocked, queue.Check(1, 0, isUrgent: true, out _));
        queue.Finish(batches[0]);
        Assert.Same(batches[1], queue.Take(int.MaxValue));
        queue.Finish(batches[1]);
        Assert.Same(batches[2], queue.Take(int.MaxValue));
        Assert.Equal([0, 1, 2], batches.Select(batch => batch.BaseSequence));
    }

    [Fact]
    public void A_queue_is_on_the_sender_s_list_once()
    {
        var accumulator = new Accumulator(s_options, _pool);
        PartitionQueue queue = accumulator.Queue("t", 0, 1);
        List<PartitionQueue> active = [];
        Add(queue, 100);
        accumulator.TakeActivated(active);
        queue.Take(int.MaxValue);
        Assert.False(queue.HasFull);
        Add(queue, 100);
        accumulator.TakeActivated(active);
        Assert.Single(active);
        queue.Take(int.MaxValue);
        Assert.Equal(QueueState.Empty, queue.Check(0, 0, isUrgent: true, out _));
        active.Clear();
        Add(queue, 100);
        accumulator.TakeActivated(active);
        Assert.Single(active);
    }

    [Fact]
    public async Task A_flush_is_done_when_what_was_there_is()
    {
        var accumulator = new Accumulator(s_options, _pool);
        PartitionQueue queue = accumulator.Queue("t", 0, 1);
        Add(queue, 100);
        bool isWoken = false;
        Task flush = accumulator.FlushAsync(() => isWoken = true, CancellationToken.None);
        Assert.True(isWoken && accumulator.IsUrgent && !flush.IsCompleted);
        ProducerBatch batch = queue.Take(int.MaxValue)!;
        Add(queue, 100);
        accumulator.Complete(batch, 5, -1, null);
        await flush;
        Assert.False(accumulator.IsUrgent);
    }

    [Fact]
    public void Observers_are_told_offsets_or_errors()
    {
        var accumulator = new Accumulator(s_options, _pool);
        PartitionQueue queue = accumulator.Queue("t", 3, 4);
        var observer = new Recorder();
        Add(queue, 10, observer, 100);
        Add(queue, 10, observer, 101);
        accumulator.Complete(queue.Take(int.MaxValue)!, 40, -1, null);
        Add(queue, 10, observer, 102);
        accumulator.Complete(queue.Take(int.MaxValue)!, -1, -1, new KafkaClientException(KafkaErrorCode.RequestTimedOut, "late"));
        Assert.Equal(["100 t-3@40", "101 t-3@41", "102 t-3@-1 late"], observer.Told);
    }

    private static AppendResult Add(PartitionQueue queue, int bytes, IDeliveryObserver? observer = null, long token = 0)
    {
        int reserved = 0;
        return queue.TryAppend(new RecordFields { HasValue = true, Value = new byte[bytes] }, 1000, new Delivery(observer, token, 1000), ref reserved);
    }

    private sealed class Recorder : IDeliveryObserver
    {
        public List<string> Told { get; } = [];

        public void OnDelivery(in RecordMetadata metadata, Exception? error, long token) =>
            Told.Add($"{token} {metadata.Partition}@{metadata.Offset}{(error is null ? "" : " " + error.Message)}");
    }
}
