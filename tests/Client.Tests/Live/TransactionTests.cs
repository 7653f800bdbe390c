using System.Buffers;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;
using Sluice.Client.Serialization;
using Sluice.Client.Tests.Support;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Tests.Live;

/// <summary>Transactions, where the broker has them.</summary>
public sealed class TransactionTests(LiveBroker broker) : IClassFixture<LiveBroker>
{
    private ProducerOptions Options => new() { BootstrapServers = broker.Address, TransactionalId = broker.NewName("id") };

    [Fact]
    public async Task What_is_committed_is_seen_and_what_is_rolled_back_is_not()
    {
        string topic = broker.NewName("transactions");
        await using KafkaProducer<string?, string?> producer = await StartAsync(Options);
        producer.BeginTransaction();
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => producer.SendAsync(new(topic, null, $"a{i}"))));
        await producer.CommitTransactionAsync();
        producer.BeginTransaction();
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => producer.SendAsync(new(topic, null, $"b{i}"))));
        await producer.AbortTransactionAsync();
        producer.BeginTransaction();
        await producer.EnqueueAsync(new(topic, null, "c"));
        await producer.CommitTransactionAsync();

        // Nothing was in it.
        producer.BeginTransaction();
        await producer.CommitTransactionAsync();
        producer.BeginTransaction();
        await producer.SendAsync(new(topic, null, "open"));

        Assert.Equal([.. Enumerable.Range(0, 100).Select(i => $"a{i}"), "c"], await ReadAsync(topic, IsolationLevel.ReadCommitted));
        Assert.Equal(202, (await ReadAsync(topic, IsolationLevel.ReadUncommitted)).Count);
        await producer.AbortTransactionAsync();
    }

    [Fact]
    public async Task Records_that_were_never_sent_go_with_the_roll_back()
    {
        string topic = broker.NewName("unsent");
        await using KafkaProducer<string?, string?> producer = await StartAsync(Options with { Linger = TimeSpan.FromSeconds(30) });
        producer.BeginTransaction();
        Task<RecordMetadata> unsent = producer.SendAsync(new(topic, null, "unsent"));
        await producer.AbortTransactionAsync();
        Assert.Equal(KafkaErrorCode.TransactionAbortable, (await Assert.ThrowsAsync<KafkaClientException>(() => unsent)).ErrorCode);
        producer.BeginTransaction();
        Task<RecordMetadata> sent = producer.SendAsync(new(topic, null, "sent"));
        await producer.CommitTransactionAsync();
        await sent;
        Assert.Equal(["sent"], await ReadAsync(topic, IsolationLevel.ReadCommitted));
    }

    [Fact]
    public async Task A_producer_that_was_replaced_is_fenced()
    {
        string topic = broker.NewName("fenced");
        ProducerOptions options = Options;
        await using KafkaProducer<string?, string?> old = await StartAsync(options);
        old.BeginTransaction();
        await old.SendAsync(new(topic, null, "left open"));
        await using KafkaProducer<string?, string?> young = await StartAsync(options);
        KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(async () =>
        {
            await old.SendAsync(new(topic, null, "too late"));
            await old.CommitTransactionAsync();
        });
        Assert.True(error.IsFenced, error.Message);
        young.BeginTransaction();
        await young.SendAsync(new(topic, null, "young"));
        await young.CommitTransactionAsync();
        Assert.Equal(["young"], await ReadAsync(topic, IsolationLevel.ReadCommitted));
    }

    [Fact]
    public async Task Consumed_offsets_are_committed_with_what_was_made_of_the_records()
    {
        string source = broker.NewName("source");
        string target = broker.NewName("target");
        string group = broker.NewName("group");
        await using KafkaProducer<string?, string?> producer = await StartAsync(Options);
        producer.BeginTransaction();
        await Task.WhenAll(Enumerable.Range(0, 10).Select(i => producer.SendAsync(new(source, null, $"{i}"))));
        await producer.CommitTransactionAsync();
        await using var consumer = new KafkaConsumer<string?, string?>(new ConsumerOptions { BootstrapServers = broker.Address, GroupId = group, EnableAutoCommit = false, AutoOffsetReset = AutoOffsetReset.Earliest });
        consumer.Subscribe(source);
        foreach (ConsumedRecord<string?, string?> record in await ConsumerTests.TakeAsync(consumer, 10))
        {
            producer.BeginTransaction();
            await producer.EnqueueAsync(new(target, null, $"made of {record.Value}"));
            await producer.SendOffsetsToTransactionAsync([record.Next], consumer.GroupIdentity);
            if (record.Offset % 2 == 0)
            {
                await producer.CommitTransactionAsync();
            }
            else
            {
                await producer.AbortTransactionAsync();
            }
        }

        Assert.Equal(["made of 0", "made of 2", "made of 4", "made of 6", "made of 8"], await ReadAsync(target, IsolationLevel.ReadCommitted));
        Assert.Equal(9, (await consumer.CommittedAsync([new TopicPartition(source, 0)]))[new TopicPartition(source, 0)]);
    }

    [Theory]
    [InlineData("topic")]
    [InlineData("topic's name")]
    [InlineData("partition")]
    [InlineData("partition of a topic that is not known yet")]
    [InlineData("size")]
    [InlineData("nothing, but the wait is cancelled")]
    public async Task A_transaction_is_not_committed_without_a_record_that_got_into_no_batch(string wrong)
    {
        string topic = broker.NewName("whole"), other = broker.NewName("other");
        await Administration.CreateTopicAsync(broker.Address, topic, 1);
        await Administration.CreateTopicAsync(broker.Address, other, 1);
        await using KafkaProducer<string?, string?> producer = await StartAsync(Options with { CreateTopics = false, MaxBlock = TimeSpan.FromSeconds(5) });
        producer.BeginTransaction();
        await producer.SendAsync(new(topic, null, "first"));
        Task<RecordMetadata> leftOut = wrong switch
        {
            "topic" => producer.SendAsync(new(broker.NewName("nosuch"), null, "left out")),
            "topic's name" => producer.SendAsync(new("no such topic", null, "left out")),
            "partition" => producer.SendAsync(new(topic, null, "left out") { Partition = 1 }),
            "partition of a topic that is not known yet" => producer.SendAsync(new(other, null, "left out") { Partition = 1 }),
            "size" => producer.SendAsync(new(topic, null, new string('x', 2 << 20))),
            _ => producer.SendAsync(new(other, null, "left out"), new CancellationToken(canceled: true)),
        };
        KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(() => producer.CommitTransactionAsync());
        Assert.Contains("must be rolled back", error.Message);
        await Assert.ThrowsAnyAsync<Exception>(() => leftOut);
        await producer.AbortTransactionAsync();
        producer.BeginTransaction();
        await producer.SendAsync(new(topic, null, "second"));
        await producer.CommitTransactionAsync();
        Assert.Equal(["second"], await ReadAsync(topic, IsolationLevel.ReadCommitted));
    }

    /// <summary>As with Kafka's own client: it is thrown at once, and so cannot be missed.</summary>
    [Fact]
    public async Task What_cannot_be_serialized_does_not_end_the_transaction()
    {
        string topic = broker.NewName("picky");
        await using KafkaProducer<string?, string?> producer = await StartAsync(Options, new PickySerializer());
        producer.BeginTransaction();
        Assert.Throws<FormatException>(() => { _ = producer.SendAsync(new(topic, null, "")); });
        await producer.SendAsync(new(topic, null, "sent"));
        await producer.CommitTransactionAsync();
        Assert.Equal(["sent"], await ReadAsync(topic, IsolationLevel.ReadCommitted));
    }

    [Fact]
    public async Task A_transaction_is_not_committed_without_its_offsets()
    {
        var partition = new TopicPartition(broker.NewName("consumed"), 0);
        var group = new ConsumerGroupIdentity(broker.NewName("group"));
        await Administration.CreateTopicAsync(broker.Address, partition.Topic, 1);
        await using KafkaProducer<string?, string?> producer = await StartAsync(Options);
        producer.BeginTransaction();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => producer.SendOffsetsToTransactionAsync([new(partition, 1)], group, new CancellationToken(canceled: true)));
        Assert.Contains("must be rolled back", (await Assert.ThrowsAsync<KafkaClientException>(() => producer.CommitTransactionAsync())).Message);
        await producer.AbortTransactionAsync();
        producer.BeginTransaction();
        await producer.SendAsync(new(partition.Topic, null, "sent"));
        await producer.SendOffsetsToTransactionAsync([new(partition, 2)], group);
        await producer.CommitTransactionAsync();
        await using var consumer = new KafkaConsumer<string?, string?>(new ConsumerOptions { BootstrapServers = broker.Address, GroupId = group.GroupId });
        Assert.Equal(2, (await consumer.CommittedAsync([partition]))[partition]);
    }

    private static async Task<KafkaProducer<string?, string?>> StartAsync(ProducerOptions options, ISerializer<string?>? serializer = null)
    {
        var producer = new KafkaProducer<string?, string?>(options, valueSerializer: serializer);
        try
        {
            await producer.InitTransactionsAsync();
        }
        catch (KafkaClientException error) when (error.ErrorCode == KafkaErrorCode.UnsupportedVersion)
        {
            await producer.DisposeAsync();
            Assert.Skip("the broker has no transactions");
        }

        return producer;
    }

    private async Task<List<string?>> ReadAsync(string topic, IsolationLevel isolation)
    {
        await using var consumer = new KafkaConsumer<string?, string?>(new ConsumerOptions { BootstrapServers = broker.Address, IsolationLevel = isolation, AutoOffsetReset = AutoOffsetReset.Earliest });
        consumer.Assign(await consumer.PartitionsAsync(topic));
        List<string?> values = [];
        while (await consumer.ConsumeAsync(TimeSpan.FromSeconds(1)) is { } record)
        {
            values.Add(record.Value);
        }

        return values;
    }

    /// <summary>Takes no empty text.</summary>
    private sealed class PickySerializer : ISerializer<string?>
    {
        private readonly ISerializer<string?> _inner = Serdes.SerializerFor<string?>();

        public bool TrySerialize(string? value, IBufferWriter<byte> output) => value is "" ? throw new FormatException("nothing to say") : _inner.TrySerialize(value, output);
    }
}
