using Sluice.BlackBox;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;
using Sluice.Client.Tests.Support;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Tests.Live;

/// <summary>Connections that break, answers that are lost, a broker that dies: what an idempotent producer sends is there once and in order.</summary>
public sealed class FaultTests
{
    private const int Records = 20_000;

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Lost_answers_neither_double_nor_reorder_records(int partitions)
    {
        int port = FreePorts.Next();
        await using BrokerProcess broker = await BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Kafka__AdvertisedPort"] = $"{port}" });
        await using var proxy = new CuttingProxy(port, () => broker.KafkaPort);
        await Administration.CreateTopicAsync($"127.0.0.1:{port}", "cut", partitions);
        var observer = new Observer();
        await using (var producer = new KafkaProducer<byte[]?, long>(new ProducerOptions { BootstrapServers = $"127.0.0.1:{port}", RetryBackoff = TimeSpan.FromMilliseconds(10), BatchBytes = 1024 }))
        {
            for (int i = 0; i < Records; i++)
            {
                await producer.EnqueueAsync(new("cut", null, i) { Partition = i % partitions }, observer);
                switch (i % 2000)
                {
                    case 500:
                        proxy.Cut();
                        break;
                    case 1000:
                        proxy.SwallowAnswers();
                        break;
                    case 1400:
                        // By now requests have gone whose answers are gone.
                        proxy.Cut();
                        break;
                    case 1999:
                        await producer.FlushAsync();
                        break;
                }
            }

            await producer.FlushAsync();
        }

        Assert.Equal((Records, 0), (observer.Delivered, observer.Failed));
        Assert.True(proxy.Cuts >= 10);
        await AssertThereOnceInOrderAsync($"127.0.0.1:{port}", "cut", partitions);
        Assert.Empty(broker.ErrorLines);
    }

    [Fact]
    public async Task A_broker_that_dies_and_comes_back_has_every_record_once()
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        string address = $"127.0.0.1:{broker.KafkaPort}";
        var observer = new Observer();
        await using (var producer = new KafkaProducer<byte[]?, long>(new ProducerOptions { BootstrapServers = address, BatchBytes = 1024 }))
        {
            for (int i = 0; i < Records; i++)
            {
                await producer.EnqueueAsync(new("killed", null, i), observer);
                if (i is 5000 or 12_000)
                {
                    await broker.KillAsync();
                    await broker.RestartAsync();
                }
            }

            await producer.FlushAsync();
        }

        Assert.Equal((Records, 0), (observer.Delivered, observer.Failed));
        await AssertThereOnceInOrderAsync(address, "killed", 1);
    }

    [Fact]
    public async Task What_is_not_acknowledged_in_time_fails_and_what_follows_goes_on()
    {
        int port = FreePorts.Next();
        await using BrokerProcess broker = await BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Kafka__AdvertisedPort"] = $"{port}" });
        await using var proxy = new CuttingProxy(port, () => broker.KafkaPort);
        var options = new ProducerOptions { BootstrapServers = $"127.0.0.1:{port}", RequestTimeout = TimeSpan.FromSeconds(1), DeliveryTimeout = TimeSpan.FromSeconds(2) };
        await using var producer = new KafkaProducer<byte[]?, long>(options);
        Assert.Equal(0, (await producer.SendAsync(new("late", null, 1))).Offset);
        proxy.SwallowAnswers();
        KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new("late", null, 2)));
        Assert.True(error.IsRetriable);
        proxy.Cut();
        Assert.True((await producer.SendAsync(new("late", null, 3))).Offset >= 1);
    }

    [Fact]
    public async Task A_transaction_is_not_committed_without_a_record_that_was_never_sent()
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        var options = new ProducerOptions { BootstrapServers = $"127.0.0.1:{broker.KafkaPort}", TransactionalId = "unsent", RequestTimeout = TimeSpan.FromSeconds(1), DeliveryTimeout = TimeSpan.FromSeconds(2) };
        await using var producer = new KafkaProducer<byte[]?, long>(options);
        await producer.InitTransactionsAsync();
        producer.BeginTransaction();
        await producer.SendAsync(new("kept", null, 1));
        await broker.KillAsync();
        Task<RecordMetadata> unsent = producer.SendAsync(new("kept", null, 2));
        await Assert.ThrowsAsync<KafkaClientException>(() => unsent);
        await broker.RestartAsync();
        Assert.Contains("must be rolled back", (await Assert.ThrowsAsync<KafkaClientException>(() => producer.CommitTransactionAsync())).Message);
        await producer.AbortTransactionAsync();
    }

    [Fact]
    public async Task What_is_refused_in_one_topic_does_not_double_what_goes_again_to_another()
    {
        int port = FreePorts.Next();
        await using BrokerProcess broker = await BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Kafka__AdvertisedPort"] = $"{port}" });
        await using var proxy = new CuttingProxy(port, () => broker.KafkaPort);
        string address = $"127.0.0.1:{port}";
        await Administration.CreateTopicAsync(address, "narrow", 1, ("max.message.bytes", "500"));
        await Administration.CreateTopicAsync(address, "lost", 1);

        // What is lost goes again so late that the other record has been refused by then.
        var options = new ProducerOptions { BootstrapServers = address, RetryBackoff = TimeSpan.FromSeconds(3), RetryBackoffMax = TimeSpan.FromSeconds(3) };
        await using (var producer = new KafkaProducer<byte[]?, byte[]?>(options))
        {
            await producer.SendAsync(new("narrow", null, new byte[100]));
            await producer.SendAsync(new("lost", null, new byte[100]));
            proxy.SwallowAnswers();
            Task<RecordMetadata> lost = producer.SendAsync(new("lost", null, new byte[100]));
            await proxy.Swallowed;
            proxy.Cut();
            KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new("narrow", null, new byte[1000])));
            Assert.Equal(KafkaErrorCode.MessageTooLarge, error.ErrorCode);
            Assert.Equal(1, (await lost).Offset);
            Assert.Equal(1, (await producer.SendAsync(new("narrow", null, new byte[100]))).Offset);
        }

        await using var consumer = new KafkaConsumer<byte[]?, byte[]?>(new ConsumerOptions { BootstrapServers = address });
        Assert.Equal(2, (await consumer.EndOffsetsAsync([new TopicPartition("lost", 0)]))[new TopicPartition("lost", 0)]);
    }

    [Fact]
    public async Task What_follows_a_refused_record_in_its_partition_is_there_once_and_in_order()
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        string address = $"127.0.0.1:{broker.KafkaPort}";
        await Administration.CreateTopicAsync(address, "refusing", 1, ("max.message.bytes", "500"));
        await using var producer = new KafkaProducer<byte[]?, byte[]?>(new ProducerOptions { BootstrapServers = address, BatchBytes = 400, RetryBackoff = TimeSpan.FromMilliseconds(10) });
        await producer.SendAsync(new("refusing", null, new byte[300]));
        Task<RecordMetadata>[] sent = [.. Enumerable.Range(0, 40).Select(i => producer.SendAsync(new("refusing", null, new byte[i % 8 == 3 ? 1000 : 300])))];
        await Task.WhenAll(sent).ContinueWith(static _ => { }, TaskScheduler.Default);
        Assert.Equal(Enumerable.Range(0, 40).Select(i => i % 8 == 3), sent.Select(task => task.IsFaulted));
        Assert.Equal(Enumerable.Range(1, 35).Select(i => (long)i), sent.Where(task => !task.IsFaulted).Select(task => task.Result.Offset));
    }

    private static async Task AssertThereOnceInOrderAsync(string address, string topic, int partitions)
    {
        await using var consumer = new KafkaConsumer<Serialization.Ignored, long>(new ConsumerOptions { BootstrapServers = address, AutoOffsetReset = AutoOffsetReset.Earliest });
        consumer.Assign(await consumer.PartitionsAsync(topic));
        var next = Enumerable.Range(0, partitions).Select(i => (long)i).ToArray();
        foreach (ConsumedRecord<Serialization.Ignored, long> record in await ConsumerTests.TakeAsync(consumer, Records))
        {
            Assert.Equal(next[record.Partition.Partition], record.Value);
            next[record.Partition.Partition] += partitions;
        }

        Assert.Null(await consumer.ConsumeAsync(TimeSpan.FromMilliseconds(700)));
    }

    private sealed class Observer : IDeliveryObserver
    {
        private int _delivered;
        private int _failed;

        public int Delivered => _delivered;

        public int Failed => _failed;

        public void OnDelivery(in RecordMetadata metadata, Exception? error, long token) => Interlocked.Increment(ref error is null ? ref _delivered : ref _failed);
    }
}
