using System.Buffers;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Buffers;
using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Transactions;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.Storage.Producers;
using Sluice.Storage.Records;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Protocols.Kafka.Tests.Transactions;

/// <summary>Coordinators of transactions and groups over a broker on a disk in memory, with virtual time and work that runs when the test says so.</summary>
internal sealed class TransactionFixture : IDisposable
{
    public const int TimeoutMs = 60_000;

    /// <summary>Of transactions, as a client speaks it.</summary>
    public const short Old = 0, New = 2;

    private int _ids;

    public TransactionFixture() => Open();

    public FaultDisk Disk { get; } = new(1);

    public ManualTimeProvider Clock { get; } = new();

    public StepScheduler Scheduler { get; private set; } = null!;

    public LogStore Store { get; private set; } = null!;

    public MessageBroker Broker { get; private set; } = null!;

    public GroupCoordinator Groups { get; private set; } = null!;

    public TransactionCoordinator Transactions { get; private set; } = null!;

    public VirtualHost Host => Broker.FindVirtualHost("/")!;

    private ProducerIds ProducerIds { get; set; } = null!;

    public static string Text(Transaction state) =>
        $"{state.Id}: {state.ProducerId}/{state.Epoch} before {state.PreviousProducerId}/{state.LastEpoch} {state.TimeoutMs} ms {state.Status} {state.StartMs} {state.UpdateMs} {state.ClientVersion} "
        + string.Join(' ', state.Partitions.Select(static partition => $"{partition.Topic}:{partition.Partition}").Order(StringComparer.Ordinal));

    public void Dispose()
    {
        Close();
        Store.Dispose();
    }

    /// <summary>Kills the process or cuts the power, and starts anew on what the disk kept.</summary>
    public void Crash(CrashKind kind)
    {
        Close();
        Scheduler.Clear();
        Clock.Clear();
        Disk.Crash(kind);
        Open();
    }

    /// <summary>Runs what is ready, and gives the result that must be there now.</summary>
    public T Run<T>(Task<T> task)
    {
        for (int i = 0; !task.IsCompleted && i < 10_000; i++)
        {
            Scheduler.RunAll();
            Task.WaitAny([task], 1);
        }

        Assert.True(task.IsCompleted, "The answer has not come.");
        return task.GetAwaiter().GetResult();
    }

    public void Advance(long milliseconds)
    {
        Clock.Advance(TimeSpan.FromMilliseconds(milliseconds));
        Scheduler.RunAll();
    }

    public Topic CreateTopic(string name, int partitions = 1) =>
        Run(Host.CreateTopicAsync(new TopicDefinition(name, NewId(), new Dictionary<string, string>()), partitions).AsTask()).Value!;

    public ProducerIdentity Initialize(string id, ProducerIdentity? expected = null)
    {
        InitProducerIdResponse response = Run(Transactions.InitializeAsync(id, TimeoutMs, expected));
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        return new ProducerIdentity(response.ProducerId, response.ProducerEpoch);
    }

    public KafkaErrorCode InitializeError(string id, ProducerIdentity? expected = null, int timeoutMs = TimeoutMs) => Run(Transactions.InitializeAsync(id, timeoutMs, expected)).ErrorCode;

    public KafkaErrorCode Add(string id, ProducerIdentity producer, string topic, int partition, short version = Old) => Run(Transactions.AddAsync(id, producer, [new TopicIndex(topic, partition)], version));

    /// <summary>One record of a transaction; the producer's partition begins with it if need be.</summary>
    public KafkaErrorCode Write(string id, ProducerIdentity producer, string topic, int partition, string value, int sequence = 0, bool adds = true)
    {
        using var builder = new RecordBatchBuilder { IsBrokerMessage = false, Producer = new BatchProducer(producer.Id, producer.Epoch, sequence, IsTransactional: true) };
        builder.Append(Clock.GetUtcNow().ToUnixTimeMilliseconds(), false, default, true, new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(value)), default, 0);
        KafkaErrorCode error = Transactions.Append(id, Host.FindTopic(topic)!.Partitions[partition], adds, builder.Seal(), Durability.Disk, out AppendOutcome outcome);
        return error != KafkaErrorCode.None ? error : KafkaErrors.Of(outcome.Status);
    }

    public async Task<KafkaErrorCode> CommitOffsetAsync(string id, ProducerIdentity producer, string group, string topic, int partition, long offset, bool adds = true, int generation = -1, string member = "")
    {
        var request = new TxnOffsetCommitRequest { TransactionalId = id, GroupId = group, ProducerId = producer.Id, ProducerEpoch = producer.Epoch, GenerationId = generation, MemberId = member };
        var result = new OffsetCommitResponse.OffsetCommitResponsePartition { PartitionIndex = partition };
        var item = new CommitItem(Groups.Topics.Find(topic)!.Value, new OffsetCommitRequest.OffsetCommitRequestPartition { PartitionIndex = partition, CommittedOffset = offset }, result);
        await Transactions.CommitOffsetsAsync(request, adds, [item]);
        return result.ErrorCode;
    }

    public KafkaErrorCode CommitOffset(string id, ProducerIdentity producer, string group, string topic, int partition, long offset, bool adds = true, int generation = -1, string member = "") =>
        Run(CommitOffsetAsync(id, producer, group, topic, partition, offset, adds, generation, member));

    public EndTxnResponse End(string id, ProducerIdentity producer, bool isCommit, short version = New) => Run(Transactions.EndAsync(id, producer, isCommit, version));

    /// <summary>The group's offset; null if transactions are about to change it.</summary>
    public long? Offset(string group, string topic, int partition, bool requiresStable = true)
    {
        var wanted = new OffsetFetchRequest.OffsetFetchRequestGroup { GroupId = group, Topics = [new() { Name = topic, PartitionIndexes = [partition] }] };
        OffsetFetchResponse.OffsetFetchResponseGroup fetched = Run(Groups.FetchAsync(wanted, requiresStable));
        OffsetFetchResponse.OffsetFetchResponsePartitions found = fetched.Topics[0].Partitions[0];
        Assert.True(found.ErrorCode is KafkaErrorCode.None or KafkaErrorCode.UnstableOffsetCommit);
        return found.ErrorCode == KafkaErrorCode.None ? found.CommittedOffset : null;
    }

    /// <summary>The values in a partition that are committed, as a client finds them: with the aborted transactions that the broker names.</summary>
    public string[] Committed(string topic, int partition)
    {
        TopicPartition log = Host.FindTopic(topic)!.Partitions[partition];
        long stable = log.LastStableOffset;
        var aborted = new Queue<AbortedTransaction>(log.CollectAborted(0, stable).OrderBy(static transaction => transaction.FirstOffset));
        var skipped = new HashSet<long>();
        var values = new List<string>();
        BatchScan.ReadAll(log, batch =>
        {
            ReadOnlySpan<byte> bytes = batch.Span;
            if (RecordBatch.BaseOffset(bytes) >= stable)
            {
                return;
            }

            while (aborted.TryPeek(out AbortedTransaction next) && next.FirstOffset <= RecordBatch.BaseOffset(bytes))
            {
                skipped.Add(aborted.Dequeue().ProducerId);
            }

            if (RecordBatch.IsControl(bytes))
            {
                skipped.Remove(RecordBatch.ProducerId(bytes));
            }
            else if (!skipped.Contains(RecordBatch.ProducerId(bytes)))
            {
                var reader = new RecordBatchReader(bytes);
                while (reader.TryRead(out RecordView record))
                {
                    values.Add(Encoding.UTF8.GetString(record.Value));
                }
            }
        });
        return [.. values];
    }

    public Transaction State(string id) => Run(Transactions.DescribeAsync(id)).State!;

    /// <summary>All transactional ids, as text.</summary>
    public string Everything()
    {
        Assert.Equal(KafkaErrorCode.None, Transactions.List(out IReadOnlyList<Transaction> all));
        return string.Join('\n', all.Select(Text).Order(StringComparer.Ordinal));
    }

    /// <summary>Producers with a transaction open in some partition of which the coordinator does not know.</summary>
    public IReadOnlyList<string> Hanging()
    {
        Assert.Equal(KafkaErrorCode.None, Transactions.List(out IReadOnlyList<Transaction> all));
        return [.. from topic in Host.ListTopics()
                   from partition in topic.Partitions
                   from producer in partition.DescribeProducers()
                   where producer.TransactionFirstOffset >= 0
                       && !all.Any(state => state.ProducerId == producer.ProducerId && state.Status == TransactionStatus.Ongoing && state.Partitions.Contains(new TopicIndex(topic.Name, partition.Index)))
                   select $"{topic.Name}:{partition.Index} producer {producer.ProducerId}"];
    }

    private Guid NewId() => new(++_ids, 0, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, 0);

    private void Close()
    {
        Transactions.Dispose();
        Groups.Dispose();
        ProducerIds.Dispose();
    }

    private void Open()
    {
        Scheduler = new StepScheduler(1);
        Store = LogStore.Open(new LogStoreOptions(), Disk, Scheduler, Clock, NullLoggerFactory.Instance);
        Broker = MessageBroker.Open(Store, new BrokerOptions(), [], Scheduler, Clock, new Random(1), NullLoggerFactory.Instance);
        Scheduler.RunAll();
        var buffers = new BufferPool();
        ProducerIds = new ProducerIds(Store.Metadata);
        Groups = new GroupCoordinator(new GroupOptions { OffsetsTopicPartitions = 3 }, Broker, () => Broker.FindVirtualHost("/"), buffers, Scheduler, Clock, NullLogger.Instance, NewId);
        Transactions = new TransactionCoordinator(new TransactionOptions { StateTopicPartitions = 3 }, Broker, () => Broker.FindVirtualHost("/"), ProducerIds, Groups, buffers, Scheduler, Clock, NullLogger.Instance, NewId);
        Groups.Start();
        Transactions.Start();
        Scheduler.RunAll();
    }
}
