using Sluice.Client.Consuming;
using Sluice.Client.Producing;
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

    private static async Task<KafkaProducer<string?, string?>> StartAsync(ProducerOptions options)
    {
        var producer = new KafkaProducer<string?, string?>(options);
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
}
