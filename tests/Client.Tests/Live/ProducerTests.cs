using Sluice.Base.Compression;
using Sluice.Client.Producing;
using Sluice.Client.Tests.Support;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Tests.Live;

public sealed class ProducerTests(LiveBroker broker) : IClassFixture<LiveBroker>
{
    private ProducerOptions Options => new() { BootstrapServers = broker.Address };

    [Theory]
    [InlineData(Acks.Leader, false)]
    [InlineData(Acks.All, false)]
    [InlineData(Acks.All, true)]
    public async Task Records_get_the_offsets_at_which_they_are(Acks acks, bool idempotent)
    {
        string topic = broker.NewName("offsets");
        await using var producer = new KafkaProducer<string?, string?>(Options with { Acks = acks, EnableIdempotence = idempotent });
        for (int i = 0; i < 5; i++)
        {
            RecordMetadata metadata = await producer.SendAsync(new(topic, $"k{i}", $"v{i}"));
            Assert.Equal(new TopicPartition(topic, 0), metadata.Partition);
            Assert.Equal(i, metadata.Offset);
        }

        Task<RecordMetadata>[] many = [.. Enumerable.Range(0, 10_000).Select(i => producer.SendAsync(new(topic, null, $"record {i}")))];
        await producer.FlushAsync();
        Assert.All(many, send => Assert.True(send.IsCompletedSuccessfully));
        Assert.Equal(Enumerable.Range(5, 10_000).Select(i => (long)i), many.Select(send => send.Result.Offset));
    }

    [Theory]
    [InlineData(CompressionType.Gzip)]
    [InlineData(CompressionType.Snappy)]
    [InlineData(CompressionType.Lz4)]
    [InlineData(CompressionType.Zstd)]
    public async Task Compressed_batches_are_taken(CompressionType type)
    {
        Assert.SkipUnless(Compressor.IsAvailable(type), $"the library of {type} is not installed");
        string topic = broker.NewName("compressed");
        await using var producer = new KafkaProducer<byte[]?, string?>(Options with { Compression = type, Linger = TimeSpan.FromMilliseconds(5) });
        RecordMetadata[] sent = await Task.WhenAll(Enumerable.Range(0, 1000).Select(i => producer.SendAsync(new(topic, null, $"record {i}"))));
        Assert.Equal(Enumerable.Range(0, 1000).Select(i => (long)i), sent.Select(record => record.Offset));
    }

    [Fact]
    public async Task A_flush_waits_for_a_record_whose_topic_is_not_known_yet()
    {
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = broker.Address, Linger = TimeSpan.FromSeconds(30) });
        Task<RecordMetadata> sent = producer.SendAsync(new(broker.NewName("flushed"), null, "x"));
        await producer.FlushAsync();

        // Without the flush it would lie there for the linger's half minute.
        await sent.WaitAsync(TimeSpan.FromSeconds(15));
    }

    [Fact]
    public async Task Acks_of_none_send_without_an_answer()
    {
        string topic = broker.NewName("unanswered");
        await using (var producer = new KafkaProducer<byte[]?, string?>(Options with { Acks = Acks.None, EnableIdempotence = false }))
        {
            Assert.Equal(-1, (await producer.SendAsync(new(topic, null, "lost perhaps"))).Offset);
        }

        await using var other = new KafkaProducer<byte[]?, string?>(Options);
        Assert.Equal(1, (await other.SendAsync(new(topic, null, "second"))).Offset);
    }

    [Fact]
    public async Task What_the_broker_refuses_is_an_error_of_its_code()
    {
        await using var producer = new KafkaProducer<string?, byte[]?>(Options with { RequestBytesMax = 4 << 20 });
        string topic = broker.NewName("refused");
        KafkaClientException large = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new(topic, null, new byte[2 << 20])));
        Assert.Equal(KafkaErrorCode.MessageTooLarge, large.ErrorCode);
        KafkaClientException name = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new("no good name", null, [1])));
        Assert.Equal(KafkaErrorCode.InvalidTopicException, name.ErrorCode);
        KafkaClientException partition = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new(topic, null, [1]) { Partition = 9 }));
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, partition.ErrorCode);

        // The batch that was refused does not stop those after it.
        Assert.Equal(0, (await producer.SendAsync(new(topic, null, [1]))).Offset);
    }

    [Fact]
    public async Task Nobody_there_is_said_in_time()
    {
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = "127.0.0.1:1", MaxBlock = TimeSpan.FromMilliseconds(300) });
        KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new("t", null, "v")));
        Assert.Contains("127.0.0.1:1", error.Message);
    }

    [Fact]
    public async Task More_than_the_buffer_holds_makes_senders_wait()
    {
        string topic = broker.NewName("buffer");
        ProducerOptions options = Options with { BufferBytes = 64 << 10, RequestBytesMax = 64 << 10, Linger = TimeSpan.FromSeconds(20) };
        await using var producer = new KafkaProducer<byte[]?, byte[]?>(options);
        var counter = new Counter();
        for (int i = 0; i < 2000; i++)
        {
            await producer.EnqueueAsync(new(topic, null, new byte[1000]), counter);
            Assert.InRange(producer.BufferedBytes, 0, 64 << 10);
        }

        await producer.FlushAsync();
        Assert.Equal((2000, 0), (counter.Delivered, counter.Failed));
        Assert.Equal(0, producer.BufferedBytes);
    }

    [Fact]
    public async Task Interceptors_see_and_change_records()
    {
        var interceptor = new Upper();
        await using var producer = new KafkaProducer<string?, string?>(Options, interceptors: [interceptor]);
        string topic = broker.NewName("intercepted");
        await producer.SendAsync(new(topic, "k", "value"));
        Assert.Equal(["send VALUE", $"delivered {topic}-0@0"], interceptor.Seen);
    }

    [Fact]
    public async Task Handing_a_record_over_allocates_nothing()
    {
        const int Count = 20_000;
        const int Rounds = 6;
        string topic = broker.NewName("allocations");
        await using var producer = new KafkaProducer<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>(Options);
        var counter = new Counter();
        ReadOnlyMemory<byte> value = new byte[100];
        long allocated = long.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            allocated = Math.Min(allocated, Enqueue(producer, topic, value, counter, Count));
            await producer.FlushAsync();
        }

        // Batches are, for many records each, until there are enough of them.
        Assert.InRange(allocated / Count, 0, 8);
        Assert.Equal((Rounds * Count, 0), (counter.Delivered, counter.Failed));
    }

    /// <summary>Returns the bytes allocated by this thread, which waits itself.</summary>
    private static long Enqueue(KafkaProducer<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> producer, string topic, ReadOnlyMemory<byte> value, Counter counter, int count)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < count; i++)
        {
            ValueTask enqueued = producer.EnqueueAsync(new(topic, default, value), counter, i);
            if (!enqueued.IsCompletedSuccessfully)
            {
                enqueued.AsTask().GetAwaiter().GetResult();
            }
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private sealed class Counter : IDeliveryObserver
    {
        private int _delivered;
        private int _failed;

        public int Delivered => _delivered;

        public int Failed => _failed;

        public void OnDelivery(in RecordMetadata metadata, Exception? error, long token) => Interlocked.Increment(ref error is null ? ref _delivered : ref _failed);
    }

    private sealed class Upper : IProducerInterceptor<string?, string?>
    {
        public List<string> Seen { get; } = [];

        public ProducerRecord<string?, string?> OnSend(in ProducerRecord<string?, string?> record)
        {
            ProducerRecord<string?, string?> changed = record with { Value = record.Value?.ToUpperInvariant() };
            Seen.Add($"send {changed.Value}");
            return changed;
        }

        public void OnDelivery(in RecordMetadata metadata, Exception? error) => Seen.Add($"delivered {metadata.Partition}@{metadata.Offset}");
    }
}
