using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Produce of idempotent producers (KIP-98, KIP-360), and InitProducerId without a transactional id.</summary>
public sealed class IdempotentProduceTests(BrokerFixture broker) : KafkaTest(broker)
{
    public static TheoryData<int> Versions => VersionsOf(KafkaApiKey.InitProducerId);

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task InitProducerId_gives_each_its_own_id(int version)
    {
        var ids = new HashSet<long>();
        for (int i = 0; i < 20; i++)
        {
            InitProducerIdResponse response = await Client.AskAsync<InitProducerIdResponse>(new InitProducerIdRequest { TransactionalId = null, TransactionTimeoutMs = int.MaxValue }, version);
            Assert.Equal((KafkaErrorCode.None, 0), (response.ErrorCode, response.ProducerEpoch));
            Assert.True(response.ProducerId >= 0);
            Assert.True(ids.Add(response.ProducerId));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public async Task InitProducerId_with_an_empty_transactional_id(int version)
    {
        InitProducerIdResponse response = await Client.AskAsync<InitProducerIdResponse>(new InitProducerIdRequest { TransactionalId = "", TransactionTimeoutMs = 1000 }, version);
        Assert.Equal((KafkaErrorCode.InvalidRequest, -1), (response.ErrorCode, response.ProducerId));
    }

    [Fact]
    public async Task InitProducerId_v3_with_an_id_or_an_epoch_alone()
    {
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await Client.AskAsync<InitProducerIdResponse>(new InitProducerIdRequest { TransactionalId = null, TransactionTimeoutMs = 1000, ProducerId = 5 }, 3)).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await Client.AskAsync<InitProducerIdResponse>(new InitProducerIdRequest { TransactionalId = null, TransactionTimeoutMs = 1000, ProducerEpoch = 5 }, 3)).ErrorCode);
        InitProducerIdResponse both = await Client.AskAsync<InitProducerIdResponse>(new InitProducerIdRequest { TransactionalId = null, TransactionTimeoutMs = 1000, ProducerId = 5, ProducerEpoch = 2 }, 3);
        Assert.Equal((KafkaErrorCode.None, 0), (both.ErrorCode, both.ProducerEpoch));
    }

    [Fact]
    public async Task KIP98_Produce_repeated_is_answered_with_its_first_offset_and_kept_once()
    {
        TestTopic topic = await TopicAsync();
        long id = await ProducerIdAsync();
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(2 * i, await AppendAsync(topic, BatchBuilder.Of(id, 0, 2 * i, $"{2 * i}", $"{(2 * i) + 1}")));
        }

        // The last five batches are remembered.
        for (int i = 0; i < 5; i++)
        {
            ProduceResponse.PartitionProduceResponse repeated = await ProduceAsync(topic, BatchBuilder.Of(id, 0, 2 * i, $"{2 * i}", $"{(2 * i) + 1}"));
            Assert.Equal((KafkaErrorCode.None, 2 * i), (repeated.ErrorCode, repeated.BaseOffset));
        }

        Assert.Equal(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], await ReadValuesAsync(topic));
        FetchedBatch last = (await ReadAsync(topic))[^1];
        Assert.Equal((id, 0, 8), (last.ProducerId, last.ProducerEpoch, last.BaseSequence));
        await AppendAsync(topic, BatchBuilder.Of(id, 0, 10, "10"));
        Assert.Equal(KafkaErrorCode.OutOfOrderSequenceNumber, (await ProduceAsync(topic, BatchBuilder.Of(id, 0, 0, "0", "1"))).ErrorCode);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    [InlineData(0, 3)]
    [InlineData(1, 2)]
    [InlineData(int.MaxValue, 1)]
    public async Task KIP98_Produce_out_of_order_is_refused(int sequence, int count)
    {
        TestTopic topic = await TopicAsync();
        long id = await ProducerIdAsync();
        await AppendAsync(topic, BatchBuilder.Of(id, 0, 0, "0", "1"));
        ProduceResponse.PartitionProduceResponse response = await ProduceAsync(topic, BatchBuilder.Of(id, 0, sequence, [.. Enumerable.Repeat("x", count)]));
        Assert.Equal((KafkaErrorCode.OutOfOrderSequenceNumber, -1), (response.ErrorCode, response.BaseOffset));
        Assert.Equal(2, await AppendAsync(topic, BatchBuilder.Of(id, 0, 2, "2")));
        Assert.Equal(["0", "1", "2"], await ReadValuesAsync(topic));
    }

    [Fact]
    public async Task KIP98_Produce_of_a_new_epoch_begins_at_0_and_fences_the_old()
    {
        TestTopic topic = await TopicAsync();
        long id = await ProducerIdAsync();
        await AppendAsync(topic, BatchBuilder.Of(id, 3, 0, "a", "b"));
        Assert.Equal(KafkaErrorCode.OutOfOrderSequenceNumber, (await ProduceAsync(topic, BatchBuilder.Of(id, 4, 2, "x"))).ErrorCode);
        await AppendAsync(topic, BatchBuilder.Of(id, 4, 0, "c"));
        Assert.Equal(KafkaErrorCode.InvalidProducerEpoch, (await ProduceAsync(topic, BatchBuilder.Of(id, 3, 2, "x"))).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidProducerEpoch, (await ProduceAsync(topic, BatchBuilder.Of(id, 3, 0, "a", "b"))).ErrorCode);
        await AppendAsync(topic, BatchBuilder.Of(id, 4, 1, "d"));
        Assert.Equal(["a", "b", "c", "d"], await ReadValuesAsync(topic));
    }

    [Fact]
    public async Task KIP360_Produce_of_a_producer_that_the_partition_does_not_know_may_begin_anywhere()
    {
        TestTopic topic = await TopicAsync();
        long id = await ProducerIdAsync();
        await AppendAsync(topic, BatchBuilder.Of(id, 2, 17, "a"));
        await AppendAsync(topic, BatchBuilder.Of(id, 2, 18, "b"));
        Assert.Equal(["a", "b"], await ReadValuesAsync(topic));
    }

    [Fact]
    public async Task KIP98_Produce_sequences_are_kept_per_partition_and_wrap_around()
    {
        TestTopic topic = await TopicAsync(partitions: 2);
        long id = await ProducerIdAsync();
        await AppendAsync(topic, BatchBuilder.Of(id, 0, 0, "p0"));
        await AppendAsync(topic, BatchBuilder.Of(id, 0, 0, "p1"), partition: 1);
        long other = await ProducerIdAsync();
        await AppendAsync(topic, BatchBuilder.Of(other, 0, int.MaxValue - 1, "a", "b", "c"));
        await AppendAsync(topic, BatchBuilder.Of(other, 0, 1, "d"));
        Assert.Equal(["p0", "a", "b", "c", "d"], await ReadValuesAsync(topic));
    }

    [Fact]
    public async Task KIP98_Produce_with_a_producer_id_and_no_sequence_or_epoch()
    {
        TestTopic topic = await TopicAsync();
        Assert.Equal(KafkaErrorCode.InvalidRecord, (await ProduceAsync(topic, BatchBuilder.Of(5, 0, -1, "a"))).ErrorCode);
        Assert.Empty(await ReadValuesAsync(topic));

        // Kafka takes the epoch for that of the producer, and fences nobody by it. Sluice refuses it: no producer has it.
        Assert.Equal(BrokerFixture.IsKafka ? KafkaErrorCode.None : KafkaErrorCode.InvalidRecord, (await ProduceAsync(topic, BatchBuilder.Of(5, -1, 0, "a"))).ErrorCode);
    }
}
