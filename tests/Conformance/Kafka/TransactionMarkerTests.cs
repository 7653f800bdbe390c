using RabbitMQ.Client;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>WriteTxnMarkers (KIP-98, KIP-1228), by which operators end what hangs, and what consumers and DescribeProducers (KIP-664) see of it.</summary>
public sealed class TransactionMarkerTests(BrokerFixture broker) : KafkaTest(broker)
{
    private const short Transactional = 0x10;

    public static TheoryData<int, bool> Markers => [.. VersionsOf(KafkaApiKey.WriteTxnMarkers).SelectMany(static version => new[] { (version.Data, true), (version.Data, false) })];

    [Theory]
    [MemberData(nameof(Markers))]
    public async Task KIP98_A_marker_ends_an_open_transaction(int version, bool isCommit)
    {
        TestTopic topic = await TopicAsync(2);
        InitProducerIdResponse producer = await BeginAsync(topic, [0, 1], "a", "b");
        foreach (int partition in new[] { 0, 1 })
        {
            Assert.Equal((0, 0), await CommittedAsync(topic, partition));
            Assert.Equal(0, Assert.Single(await ProducersAsync(topic, partition)).CurrentTxnStartOffset);
        }

        Assert.Equal([KafkaErrorCode.None, KafkaErrorCode.None], await WriteAsync(version, topic, producer.ProducerId, producer.ProducerEpoch, isCommit, 0, 1));
        foreach (int partition in new[] { 0, 1 })
        {
            Assert.Equal((isCommit ? 2 : 0, 3), await CommittedAsync(topic, partition));
            Assert.Equal(-1, Assert.Single(await ProducersAsync(topic, partition)).CurrentTxnStartOffset);

            // The marker: a control batch of one record, version 0 and type 0 or 1, with the epoch of the coordinator.
            FetchResponse.PartitionData data = await FetchAsync(topic, 2, partition: partition);
            byte[] batch = data.Records.Memory.ToArray();
            Assert.Equal(0x30, batch[22]);
            FetchedBatch marker = Assert.Single(FetchedBatch.ReadAll(batch));
            Assert.Equal((producer.ProducerId, producer.ProducerEpoch, -1), (marker.ProducerId, marker.ProducerEpoch, marker.BaseSequence));
            Assert.Equal(isCommit ? "\0\0\0\u0001" : "\0\0\0\0", Assert.Single(marker.Records).Key);
        }
    }

    [Fact]
    public async Task KIP98_A_marker_for_a_partition_that_is_not_there()
    {
        TestTopic topic = await TopicAsync();
        InitProducerIdResponse producer = await BeginAsync(topic, [0], "a");
        Assert.Equal([KafkaErrorCode.None, KafkaErrorCode.UnknownTopicOrPartition], await WriteAsync(1, topic, producer.ProducerId, producer.ProducerEpoch, isCommit: true, 0, 7));
        Assert.Equal([KafkaErrorCode.UnknownTopicOrPartition], await WriteAsync(1, new TestTopic(Name(), default), producer.ProducerId, producer.ProducerEpoch, isCommit: true, 0));
        Assert.Equal((1, 2), await CommittedAsync(topic, 0));
    }

    [Fact]
    public async Task KIP98_A_marker_of_an_earlier_epoch_is_refused()
    {
        TestTopic topic = await TopicAsync();
        InitProducerIdResponse producer = await BeginAsync(topic, [0], "a");
        Assert.Equal([KafkaErrorCode.None], await WriteAsync(1, topic, producer.ProducerId, (short)(producer.ProducerEpoch + 2), isCommit: false, 0));
        Assert.Equal([KafkaErrorCode.InvalidProducerEpoch], await WriteAsync(1, topic, producer.ProducerId, producer.ProducerEpoch, isCommit: true, 0));
        Assert.Equal((0, 2), await CommittedAsync(topic, 0));
    }

    [Fact]
    public async Task KIP1228_A_marker_of_version_2_of_transactions_has_a_later_epoch_than_the_transaction()
    {
        TestTopic topic = await TopicAsync();
        InitProducerIdResponse producer = await BeginAsync(topic, [0], "a");
        Assert.Equal([KafkaErrorCode.InvalidProducerEpoch], await WriteAsync(2, topic, producer.ProducerId, producer.ProducerEpoch, isCommit: true, transactionVersion: 2, 0));
        Assert.Equal((0, 0), await CommittedAsync(topic, 0));
        Assert.Equal([KafkaErrorCode.None], await WriteAsync(2, topic, producer.ProducerId, (short)(producer.ProducerEpoch + 1), isCommit: true, transactionVersion: 2, 0));
        Assert.Equal((1, 2), await CommittedAsync(topic, 0));
    }

    [Fact]
    public async Task KIP98_A_fetch_tells_of_the_aborted_transactions_of_its_records_and_no_others()
    {
        TestTopic topic = await TopicAsync();
        foreach (string value in new[] { "a", "b" })
        {
            InitProducerIdResponse producer = await BeginAsync(topic, [0], value);
            Assert.Equal([KafkaErrorCode.None], await WriteAsync(1, topic, producer.ProducerId, producer.ProducerEpoch, isCommit: false, 0));
        }

        FetchRequest all = Fetch(topic, (0, 0)), one = Fetch(topic, (0, 0));
        one.Topics = [FetchTopic(topic, 1, (0, 0))];
        all.IsolationLevel = one.IsolationLevel = 1;
        Assert.Equal("0 2", await AbortedAsync(all));
        Assert.Equal("0", await AbortedAsync(one));

        async Task<string> AbortedAsync(FetchRequest request) =>
            string.Join(' ', (await Client.AskAsync<FetchResponse>(request, 13)).Responses[0].Partitions[0].AbortedTransactions!.Select(static transaction => transaction.FirstOffset));
    }

    [Fact]
    public async Task A_queue_takes_no_markers()
    {
        Assert.SkipWhen(Broker.AmqpAddress is null, "the target serves no AMQP");
        string queue = Name();
        await using QueueProgram program = await QueueProgram.StartAsync(Broker.AmqpAddress!);
        await program.Channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false);
        await program.PublishAsync(queue, "a");
        Assert.Equal([KafkaErrorCode.PolicyViolation], await WriteAsync(1, new TestTopic(queue, default), 77, 0, isCommit: true, 0));
        Assert.Equal(1, (await ListOffsetAsync(new TestTopic(queue, default), -1)).Offset);
        await program.Channel.QueueDeleteAsync(queue);
    }

    /// <summary>A transaction with one batch in each partition.</summary>
    private async Task<InitProducerIdResponse> BeginAsync(TestTopic topic, int[] partitions, params string[] values)
    {
        string id = Name("transactional-id");
        var producer = new InitProducerIdResponse();
        await EventuallyAsync(
            async () =>
            {
                await Client.AskAsync<FindCoordinatorResponse>(new FindCoordinatorRequest { KeyType = 1, CoordinatorKeys = [id] }, 6);
                producer = await Client.AskAsync<InitProducerIdResponse>(new InitProducerIdRequest { TransactionalId = id, TransactionTimeoutMs = 60_000 }, 4);
                return producer.ErrorCode == KafkaErrorCode.None;
            },
            "transactions are served");
        AddPartitionsToTxnRequest add = new()
        {
            V3AndBelowTransactionalId = id,
            V3AndBelowProducerId = producer.ProducerId,
            V3AndBelowProducerEpoch = producer.ProducerEpoch,
            V3AndBelowTopics = [new AddPartitionsToTxnRequest.AddPartitionsToTxnTopic { Name = topic.Name, Partitions = partitions }],
        };
        await EventuallyAsync(
            async () => (await Client.AskAsync<AddPartitionsToTxnResponse>(add, 3)).ResultsByTopicV3AndBelow[0].ResultsByPartition.All(static partition => partition.PartitionErrorCode == KafkaErrorCode.None),
            "the partitions are added");
        byte[] batch = new BatchBuilder
        {
            Records = [.. values.Select(static value => new SentRecord(value))],
            ProducerId = producer.ProducerId,
            ProducerEpoch = producer.ProducerEpoch,
            BaseSequence = 0,
            Attributes = Transactional,
        }.Build();
        ProduceRequest produce = Produce(topic, -1, [.. partitions.Select(partition => (partition, (byte[]?)batch))]);
        produce.TransactionalId = id;
        ProduceResponse produced = await Client.AskAsync<ProduceResponse>(produce, 11);
        Assert.All(produced.Responses[0].PartitionResponses, static partition => Assert.Equal(KafkaErrorCode.None, partition.ErrorCode));
        return producer;
    }

    private Task<KafkaErrorCode[]> WriteAsync(int version, TestTopic topic, long producerId, short epoch, bool isCommit, params int[] partitions) =>
        WriteAsync(version, topic, producerId, epoch, isCommit, transactionVersion: (sbyte)0, partitions);

    private async Task<KafkaErrorCode[]> WriteAsync(int version, TestTopic topic, long producerId, short epoch, bool isCommit, sbyte transactionVersion, params int[] partitions)
    {
        WriteTxnMarkersRequest request = new()
        {
            Markers =
            [
                new WriteTxnMarkersRequest.WritableTxnMarker
                {
                    ProducerId = producerId,
                    ProducerEpoch = epoch,
                    TransactionResult = isCommit,
                    Topics = [new WriteTxnMarkersRequest.WritableTxnMarkerTopic { Name = topic.Name, PartitionIndexes = partitions }],
                    TransactionVersion = transactionVersion,
                },
            ],
        };
        WriteTxnMarkersResponse response = await Client.AskAsync<WriteTxnMarkersResponse>(request, version);
        WriteTxnMarkersResponse.WritableTxnMarkerResult result = Assert.Single(response.Markers);
        Assert.Equal(producerId, result.ProducerId);
        return [.. partitions.Select(index => Assert.Single(Assert.Single(result.Topics).Partitions, partition => partition.PartitionIndex == index).ErrorCode)];
    }

    /// <summary>What a consumer that reads committed records gets of a partition, and how far it is sure.</summary>
    private async Task<(int Records, long LastStableOffset)> CommittedAsync(TestTopic topic, int partition)
    {
        FetchRequest fetch = Fetch(topic, (partition, 0));
        fetch.IsolationLevel = 1;
        FetchResponse.PartitionData data = Assert.Single(Assert.Single((await Client.AskAsync<FetchResponse>(fetch, 13)).Responses).Partitions);
        Assert.Equal(KafkaErrorCode.None, data.ErrorCode);
        var aborted = (data.AbortedTransactions ?? []).Select(static transaction => transaction.ProducerId).ToHashSet();
        List<FetchedBatch> batches = data.Records.IsNull ? [] : FetchedBatch.ReadAll(data.Records.Memory);
        return (batches.Where(batch => batch.BaseSequence >= 0 && !aborted.Contains(batch.ProducerId)).Sum(static batch => batch.Records.Count), data.LastStableOffset);
    }

    private async Task<DescribeProducersResponse.ProducerState[]> ProducersAsync(TestTopic topic, int partition)
    {
        DescribeProducersRequest request = new() { Topics = [new DescribeProducersRequest.TopicRequest { Name = topic.Name, PartitionIndexes = [partition] }] };
        DescribeProducersResponse.PartitionResponse described = Assert.Single(Assert.Single((await Client.AskAsync<DescribeProducersResponse>(request, 0)).Topics).Partitions);
        Assert.Equal(KafkaErrorCode.None, described.ErrorCode);
        return described.ActiveProducers;
    }
}
