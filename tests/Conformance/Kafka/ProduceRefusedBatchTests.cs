using Sluice.Base.Compression;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Produce of record batches that are damaged, lie or are not allowed: nothing of them is kept.</summary>
public sealed class ProduceRefusedBatchTests(BrokerFixture broker) : KafkaTest(broker)
{
    /// <summary>Damage, Kafka's error.</summary>
    public static TheoryData<string, KafkaErrorCode> Damages => new()
    {
        { "null", KafkaErrorCode.InvalidRecord },
        { "empty", KafkaErrorCode.InvalidRecord },
        { "one byte", KafkaErrorCode.InvalidRecord },
        { "header cut off", KafkaErrorCode.InvalidRecord },
        { "last byte cut off", KafkaErrorCode.InvalidRecord },
        // Kafka throws away what is no whole batch. Sluice takes nothing then: something is wrong with the producer.
        { "a byte too many", BrokerFixture.IsKafka ? KafkaErrorCode.None : KafkaErrorCode.InvalidRecord },
        { "record damaged", KafkaErrorCode.CorruptMessage },
        { "checksum damaged", KafkaErrorCode.CorruptMessage },
        { "attributes damaged", KafkaErrorCode.CorruptMessage },
        { "magic 0", KafkaErrorCode.InvalidRecord },
        { "magic 1", KafkaErrorCode.InvalidRecord },
        { "magic 3", KafkaErrorCode.CorruptMessage },
        { "size 0", KafkaErrorCode.CorruptMessage },
        { "size -1", KafkaErrorCode.CorruptMessage },
        { "size one less", KafkaErrorCode.CorruptMessage },
        { "size one more", KafkaErrorCode.InvalidRecord },
        { "size huge", KafkaErrorCode.InvalidRecord },
        { "two batches", KafkaErrorCode.InvalidRecord },
        { "count 0 and no records", KafkaErrorCode.InvalidRecord },
        { "count 0", KafkaErrorCode.InvalidRecord },
        { "count one less", KafkaErrorCode.InvalidRecord },
        { "count one more", KafkaErrorCode.InvalidRecord },
        { "count -1", KafkaErrorCode.InvalidRecord },
        { "count and last offset delta one less", KafkaErrorCode.InvalidRecord },
        { "count and last offset delta one more", KafkaErrorCode.InvalidRecord },
        { "last offset delta one more", KafkaErrorCode.InvalidRecord },
        { "last offset delta -1", KafkaErrorCode.InvalidRecord },
        { "base offset 5", KafkaErrorCode.InvalidRecord },
        { "control batch", KafkaErrorCode.InvalidRecord },
        // Kafka makes it the topic's. No producer sends it.
        { "timestamp type set by the producer", BrokerFixture.IsKafka ? KafkaErrorCode.None : KafkaErrorCode.InvalidTimestamp },
        { "record length too long", KafkaErrorCode.InvalidRecord },
        { "record length 0", KafkaErrorCode.InvalidRecord },
        { "record length negative", KafkaErrorCode.InvalidRecord },
        { "value longer than the record", KafkaErrorCode.InvalidRecord },
        { "header count too many", KafkaErrorCode.InvalidRecord },
        { "header count negative", KafkaErrorCode.InvalidRecord },
        { "bytes after the last record", KafkaErrorCode.InvalidRecord },
        { "compression type 7", BrokerFixture.IsKafka ? KafkaErrorCode.UnknownServerError : KafkaErrorCode.InvalidRecord },
    };

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Produce_of_a_damaged_batch(string damage, KafkaErrorCode expected)
    {
        Assert.SkipWhen(BrokerFixture.IsKafka && damage == "null", "Kafka 4.3 never answers it");
        TestTopic topic = await TopicAsync();
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, Damaged(damage));
        Assert.Equal(expected, response.ErrorCode);
        await IsWholeAsync(topic, expected == KafkaErrorCode.None ? ["one", "two"] : []);
    }

    [Theory]
    [InlineData(CompressionType.Gzip)]
    [InlineData(CompressionType.Snappy)]
    [InlineData(CompressionType.Lz4)]
    [InlineData(CompressionType.Zstd)]
    public async Task Produce_of_compressed_records_that_are_damaged(CompressionType type)
    {
        TestTopic topic = await TopicAsync();
        foreach (Func<byte[], byte[]> damage in (Func<byte[], byte[]>[])
            [
                static bytes => [],
                static bytes => bytes[..(bytes.Length / 2)],
                static bytes => [.. bytes.Select(static octet => (byte)(octet ^ 0xA5))],
                static bytes => [0xFF, 0xFF, 0xFF, 0xFF, .. bytes[4..]],
            ])
        {
            byte[] batch = new BatchBuilder { Records = [new SentRecord("one"), new SentRecord(new string('x', 2000))], Compression = type, ChangeCompressed = damage }.Build();
            ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, batch);

            // What Kafka answers depends on what its codec throws; the connection stays and nothing is kept in any case.
            Assert.Contains(response.ErrorCode, BrokerFixture.IsKafka
                ? new[] { KafkaErrorCode.InvalidRecord, KafkaErrorCode.UnknownServerError, KafkaErrorCode.CorruptMessage }
                : [KafkaErrorCode.InvalidRecord]);
        }

        await IsWholeAsync(topic, []);
    }

    [Theory]
    [InlineData(CompressionType.Gzip)]
    [InlineData(CompressionType.Snappy)]
    [InlineData(CompressionType.Lz4)]
    [InlineData(CompressionType.Zstd)]
    public async Task Produce_of_compressed_records_that_lie(CompressionType type)
    {
        TestTopic topic = await TopicAsync();
        BatchBuilder tooFew = new() { Records = [new SentRecord("one")], RecordCount = 2, LastOffsetDelta = 1, Compression = type };
        BatchBuilder tooMany = new() { Records = [new SentRecord("one"), new SentRecord("two")], RecordCount = 1, LastOffsetDelta = 0, Compression = type };
        BatchBuilder garbage = new() { Records = [new SentRecord("one")], ChangeRecords = static bytes => [.. bytes.Select(static octet => (byte)0x7F)], Compression = type };
        foreach (BatchBuilder lie in (BatchBuilder[])[tooFew, tooMany, garbage])
        {
            Assert.Equal(KafkaErrorCode.InvalidRecord, (await ProduceAsync(topic, lie.Build())).ErrorCode);
        }

        await IsWholeAsync(topic, []);
    }

    [Fact]
    public async Task Produce_of_wrong_offset_deltas()
    {
        TestTopic topic = await TopicAsync();
        byte[] plain = new BatchBuilder { Records = [new SentRecord("one"), new SentRecord("two", OffsetDelta: 7)] }.Build();
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, plain);

        // Kafka keeps the lie and hands it to consumers, who skip offsets or read them twice. Sluice refuses it.
        Assert.Equal(BrokerFixture.IsKafka ? KafkaErrorCode.None : KafkaErrorCode.InvalidRecord, response.ErrorCode);
    }

    [Fact]
    public async Task Produce_of_a_batch_too_large_for_the_topic()
    {
        TestTopic topic = await TopicAsync(1, ("max.message.bytes", "500"));
        byte[] fits = BatchBuilder.Of(new string('x', 500 - 61 - 9));
        Assert.Equal(500, fits.Length);
        await AppendAsync(topic, fits);
        byte[] large = BatchBuilder.Of(new string('x', 500 - 61 - 8));
        Assert.Equal(501, large.Length);
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, large);
        Assert.Equal((KafkaErrorCode.MessageTooLarge, -1), (response.ErrorCode, response.BaseOffset));
    }

    [Fact]
    public async Task Produce_of_a_batch_that_fits_only_compressed()
    {
        TestTopic topic = await TopicAsync(1, ("max.message.bytes", "500"));
        byte[] batch = new BatchBuilder { Records = [new SentRecord(new string('x', 5000))], Compression = CompressionType.Gzip }.Build();
        Assert.True(batch.Length <= 500);
        await AppendAsync(topic, batch);
        Assert.Equal(5000, Assert.Single(await ReadValuesAsync(topic))!.Length);
    }

    [Theory]
    [InlineData("uncompressed", KafkaErrorCode.MessageTooLarge)]
    [InlineData("zstd", KafkaErrorCode.None)]
    public async Task Produce_of_a_batch_that_fits_only_in_another_form_than_the_topics(string form, KafkaErrorCode expected)
    {
        TestTopic topic = await TopicAsync(1, ("max.message.bytes", "500"), ("compression.type", form));
        byte[] batch = new BatchBuilder { Records = [new SentRecord(new string('x', 5000))], Compression = CompressionType.Gzip }.Build();
        Assert.True(batch.Length <= 500);
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, batch);
        Assert.Equal(expected, response.ErrorCode);
        Assert.Equal(expected == KafkaErrorCode.None ? 1 : 0, (await ReadAsync(topic)).Count);
    }

    [Theory]
    [InlineData(3, KafkaErrorCode.UnsupportedCompressionType)]
    [InlineData(6, KafkaErrorCode.UnsupportedCompressionType)]
    [InlineData(7, KafkaErrorCode.None)]
    public async Task KIP110_Produce_of_zstd_is_for_v7_and_later(int version, KafkaErrorCode expected)
    {
        TestTopic topic = await TopicAsync();
        byte[] batch = new BatchBuilder { Records = [new SentRecord("one")], Compression = CompressionType.Zstd }.Build();
        Assert.Equal(expected, (await ProduceAsync(topic, batch, version)).ErrorCode);
    }

    private static byte[] Damaged(string damage)
    {
        byte[] good = BatchBuilder.Of("one", "two");
        List<SentRecord> records = [new SentRecord("one"), new SentRecord("two")];
        return damage switch
        {
            "null" => null!,
            "empty" => [],
            "one byte" => [0],
            "header cut off" => good[..40],
            "last byte cut off" => good[..^1],
            "a byte too many" => [.. good, 0],
            "record damaged" => With(good, good.Length - 1, 0xEE),
            "checksum damaged" => With(good, 17, (byte)(good[17] ^ 1)),
            "attributes damaged" => With(good, 22, 8),
            "magic 0" => With(good, 16, 0),
            "magic 1" => With(good, 16, 1),
            "magic 3" => With(good, 16, 3),
            "size 0" => With(good, 11, 0),
            "size -1" => With(With(With(With(good, 8, 0xFF), 9, 0xFF), 10, 0xFF), 11, 0xFF),
            "size one less" => With(good, 11, (byte)(good[11] - 1)),
            "size one more" => With(good, 11, (byte)(good[11] + 1)),
            "size huge" => With(good, 8, 0x7F),
            "two batches" => [.. good, .. good],
            "count 0 and no records" => new BatchBuilder { LastOffsetDelta = 0 }.Build(),
            "count 0" => new BatchBuilder { Records = records, RecordCount = 0 }.Build(),
            "count one less" => new BatchBuilder { Records = records, RecordCount = 1 }.Build(),
            "count one more" => new BatchBuilder { Records = records, RecordCount = 3 }.Build(),
            "count -1" => new BatchBuilder { Records = records, RecordCount = -1 }.Build(),
            "count and last offset delta one less" => new BatchBuilder { Records = records, RecordCount = 1, LastOffsetDelta = 0 }.Build(),
            "count and last offset delta one more" => new BatchBuilder { Records = records, RecordCount = 3, LastOffsetDelta = 2 }.Build(),
            "last offset delta one more" => new BatchBuilder { Records = records, LastOffsetDelta = 2 }.Build(),
            "last offset delta -1" => new BatchBuilder { Records = records, LastOffsetDelta = -1 }.Build(),
            "base offset 5" => new BatchBuilder { Records = records, BaseOffset = 5 }.Build(),
            "control batch" => new BatchBuilder { Records = [new SentRecord("\0\0\0\0\0\0", "\0\0\0\u0001")], Attributes = 0x20 }.Build(),
            "timestamp type set by the producer" => new BatchBuilder { Records = records, Attributes = 8 }.Build(),
            "record length too long" => Records(records, static bytes => [0x7E, .. bytes[1..]]),
            "record length 0" => Records(records, static bytes => [0, .. bytes[1..]]),
            "record length negative" => Records(records, static bytes => [1, .. bytes[1..]]),
            "value longer than the record" => Records(records, static bytes => [.. bytes[..5], 0x7E, .. bytes[6..]]),
            "header count too many" => Records(records, static bytes => [.. bytes[..^1], 0x08]),
            "header count negative" => Records(records, static bytes => [.. bytes[..^1], 0x01]),
            "bytes after the last record" => Records(records, static bytes => [.. bytes, 0, 0, 0]),
            "compression type 7" => new BatchBuilder { Records = records, Attributes = 7 }.Build(),
            _ => throw new ArgumentException(damage),
        };
    }

    private static byte[] Records(List<SentRecord> records, Func<byte[], byte[]> change) => new BatchBuilder { Records = records, ChangeRecords = change }.Build();

    private static byte[] With(byte[] bytes, int at, byte value)
    {
        byte[] changed = [.. bytes];
        changed[at] = value;
        return changed;
    }

    /// <summary>The partition has these records and takes another.</summary>
    private async Task IsWholeAsync(TestTopic topic, string[] values)
    {
        Assert.Equal(values, await ReadValuesAsync(topic));
        Assert.Equal(values.Length, await AppendAsync(topic, BatchBuilder.Of("next")));
        Assert.Equal([.. values, "next"], await ReadValuesAsync(topic));
    }
}
