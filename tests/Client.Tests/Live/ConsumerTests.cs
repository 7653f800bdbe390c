using System.Globalization;
using System.Text;
using Sluice.Base.Compression;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;
using Sluice.Client.Serialization;
using Sluice.Client.Tests.Support;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Tests.Live;

public sealed class ConsumerTests(LiveBroker broker) : IClassFixture<LiveBroker>
{
    private ConsumerOptions Options => new() { BootstrapServers = broker.Address, AutoOffsetReset = AutoOffsetReset.Earliest };

    [Theory]
    [InlineData(CompressionType.None)]
    [InlineData(CompressionType.Gzip)]
    [InlineData(CompressionType.Snappy)]
    [InlineData(CompressionType.Lz4)]
    [InlineData(CompressionType.Zstd)]
    public async Task What_was_sent_comes_back_as_it_was(CompressionType type)
    {
        Assert.SkipUnless(Compressor.IsAvailable(type), $"the library of {type} is not installed");
        string topic = broker.NewName("echo");
        await using var producer = new KafkaProducer<string?, byte[]?>(new ProducerOptions { BootstrapServers = broker.Address, Compression = type });
        DateTimeOffset time = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123);
        await producer.SendAsync(new(topic, "key", "value"u8.ToArray()) { Timestamp = time, Headers = [new("h", Encoding.UTF8.GetBytes("one")), new("h", null), new("é", ReadOnlyMemory<byte>.Empty)] });
        await producer.SendAsync(new(topic, null, null) { Timestamp = time });
        await producer.SendAsync(new(topic, "", []));
        await Task.WhenAll(Enumerable.Range(0, 5000).Select(i => producer.SendAsync(new(topic, $"{i}", new byte[i % 300]))));

        await using var consumer = new KafkaConsumer<string?, byte[]?>(Options);
        consumer.Assign(new TopicPartition(topic, 0));
        List<ConsumedRecord<string?, byte[]?>> records = await TakeAsync(consumer, 5003);
        Assert.Equal(Enumerable.Range(0, 5003).Select(i => (long)i), records.Select(record => record.Offset));
        Assert.Equal(("key", "value", 1_700_000_000_123), (records[0].Key, Encoding.UTF8.GetString(records[0].Value!), records[0].TimestampMs));
        Assert.Equal(["h=one", "h=", "é="], records[0].Headers.Select(header => $"{header.Key}={(header.Value is { } value ? Encoding.UTF8.GetString(value.Span) : "")}"));
        Assert.Equal([false, true, false], records[0].Headers.Select(header => header.Value is null));
        Assert.Equal((null, null, -1, -1), (records[1].Key, records[1].Value, records[1].KeyBytes, records[1].ValueBytes));
        Assert.Equal(("", 0), (records[2].Key, records[2].Value!.Length));
        Assert.Equal(Enumerable.Range(0, 5000).Select(i => ($"{i}", i % 300)), records.Skip(3).Select(record => (record.Key!, record.Value!.Length)));
        Assert.Null(await consumer.ConsumeAsync(TimeSpan.FromMilliseconds(200)));
    }

    [Fact]
    public async Task A_record_that_cannot_be_deserialized_is_not_passed_over()
    {
        string topic = broker.NewName("strange");
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = broker.Address });
        foreach (string value in (string[])["1", "two", "3"])
        {
            await producer.SendAsync(new(topic, null, value));
        }

        await using var consumer = new KafkaConsumer<string?, int>(Options, valueDeserializer: new NumberReader());
        var partition = new TopicPartition(topic, 0);
        consumer.Assign(partition);
        Assert.Equal(1, (await consumer.ConsumeAsync())!.Value.Value);
        for (int i = 0; i < 2; i++)
        {
            RecordDeserializationException error = await Assert.ThrowsAsync<RecordDeserializationException>(async () => await consumer.ConsumeAsync());
            Assert.Equal(new TopicPartitionOffset(partition, 1), error.Record);
            Assert.IsType<FormatException>(error.InnerException);
            Assert.Equal(1, consumer.Position(partition));
        }

        consumer.Seek(partition, 2);
        Assert.Equal(3, (await consumer.ConsumeAsync())!.Value.Value);
    }

    [Fact]
    public async Task A_consumer_seeks_by_offset_and_time_and_pauses()
    {
        string topic = broker.NewName("seek");
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = broker.Address });
        for (int i = 0; i < 10; i++)
        {
            await producer.SendAsync(new(topic, null, $"{i}") { Timestamp = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_000 + (i * 1000)) });
        }

        await using var consumer = new KafkaConsumer<string?, string?>(Options);
        var partition = new TopicPartition(topic, 0);
        consumer.Assign(partition);
        Assert.Equal("0", (await TakeAsync(consumer, 1))[0].Value);
        Assert.Equal(1, consumer.Position(partition));
        consumer.Seek(partition, 7);
        Assert.Equal(["7", "8", "9"], (await TakeAsync(consumer, 3)).Select(record => record.Value));
        consumer.SeekToTime(partition, DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_003_500));
        Assert.Equal("4", (await TakeAsync(consumer, 1))[0].Value);
        consumer.SeekToBeginning(partition);
        Assert.Equal("0", (await TakeAsync(consumer, 1))[0].Value);
        consumer.Pause(partition);
        Assert.Null(await consumer.ConsumeAsync(TimeSpan.FromMilliseconds(300)));
        consumer.Resume(partition);
        Assert.Equal("1", (await TakeAsync(consumer, 1))[0].Value);

        consumer.SeekToTime(partition, DateTimeOffset.FromUnixTimeMilliseconds(1_800_000_000_000));
        while (consumer.Position(partition) is null)
        {
            Assert.Null(await consumer.ConsumeAsync(TimeSpan.FromMilliseconds(100)));
        }

        await producer.SendAsync(new(topic, null, "new"));
        Assert.Equal("new", (await TakeAsync(consumer, 1))[0].Value);

        Assert.Equal(11, (await consumer.EndOffsetsAsync([partition]))[partition]);
        Assert.Equal(0, (await consumer.BeginningOffsetsAsync([partition]))[partition]);
        IReadOnlyDictionary<TopicPartition, long> found = await consumer.OffsetsForTimesAsync(new Dictionary<TopicPartition, DateTimeOffset> { [partition] = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_002_000) });
        Assert.Equal(2, found[partition]);
    }

    [Fact]
    public async Task An_offset_that_is_not_there_is_answered_by_the_policy()
    {
        string topic = broker.NewName("range");
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = broker.Address });
        await producer.SendAsync(new(topic, null, "only"));
        var partition = new TopicPartition(topic, 0);
        await using var consumer = new KafkaConsumer<string?, string?>(Options);
        consumer.Assign(partition);
        consumer.Seek(partition, 1000);
        Assert.Equal("only", (await TakeAsync(consumer, 1))[0].Value);

        await using var strict = new KafkaConsumer<string?, string?>(Options with { AutoOffsetReset = AutoOffsetReset.None });
        strict.Assign(partition);
        KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(async () => await strict.ConsumeAsync(TimeSpan.FromSeconds(20)));
        Assert.Equal(KafkaErrorCode.OffsetOutOfRange, error.ErrorCode);
    }

    [Theory]
    [InlineData(GroupProtocol.Classic)]
    [InlineData(GroupProtocol.Consumer)]
    public async Task A_group_goes_on_where_it_was(GroupProtocol protocol)
    {
        string topic = broker.NewName("resume");
        ConsumerOptions options = Options with { GroupId = broker.NewName("group"), GroupProtocol = protocol };
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = broker.Address });
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => producer.SendAsync(new(topic, null, $"{i}"))));

        // Taken and committed when the consumer goes.
        await using (var first = new KafkaConsumer<string?, string?>(options))
        {
            first.Subscribe(topic);
            Assert.Equal("29", (await TakeAsync(first, 30))[^1].Value);
        }

        // Taken and not committed.
        await using (var second = new KafkaConsumer<string?, string?>(options with { EnableAutoCommit = false }))
        {
            second.Subscribe(topic);
            Assert.Equal("30", (await TakeAsync(second, 20))[0].Value);
        }

        await using var third = new KafkaConsumer<string?, string?>(options with { EnableAutoCommit = false });
        third.Subscribe(topic);
        List<ConsumedRecord<string?, string?>> records = await TakeAsync(third, 10);
        Assert.Equal("30", records[0].Value);
        await third.CommitAsync([records[4].Next]);
        IReadOnlyDictionary<TopicPartition, long> committed = await third.CommittedAsync([new TopicPartition(topic, 0)]);
        Assert.Equal(35, committed[new TopicPartition(topic, 0)]);
        await third.CommitAsync();
        Assert.Equal(40, (await third.CommittedAsync([new TopicPartition(topic, 0)]))[new TopicPartition(topic, 0)]);
    }

    internal static async Task<List<ConsumedRecord<TKey, TValue>>> TakeAsync<TKey, TValue>(KafkaConsumer<TKey, TValue> consumer, int count)
    {
        List<ConsumedRecord<TKey, TValue>> records = [];
        while (records.Count < count)
        {
            ConsumedRecord<TKey, TValue>? record = await consumer.ConsumeAsync(TimeSpan.FromSeconds(30));
            Assert.True(record is not null, $"only {records.Count} of {count} records came");
            records.Add(record.Value);
        }

        return records;
    }

    private sealed class NumberReader : IDeserializer<int>
    {
        public int Deserialize(ReadOnlySpan<byte> bytes, bool isNull) => int.Parse(bytes, CultureInfo.InvariantCulture);
    }
}
