using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Base.Scheduling;
using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>Serves the requests about transactions: finds the shard of each transactional id and has it done there. Whoever calls has seen to permissions. Thread-safe.</summary>
internal sealed class TransactionCoordinator : IDisposable
{
    private readonly TransactionContext _context;
    private readonly CoordinatorShards<TransactionShard> _shards;
    private readonly ProducerIds _producerIds;
    private readonly GroupCoordinator _groups;

    public TransactionCoordinator(TransactionOptions options, MessageBroker broker, Func<VirtualHost?> host, ProducerIds producerIds, GroupCoordinator groups, BufferPool buffers, IScheduler scheduler, TimeProvider clock, ILogger logger, Func<Guid> newId)
    {
        // A record of a transaction must not be lost where one of its batches is not, so it is always in the journal.
        Durability durable = broker.Options.DurablePromise;
        Durability promise = durable < Durability.OperatingSystem ? Durability.OperatingSystem : durable;
        Markers = new TransactionMarkers(broker.Store, groups, clock);
        _context = new TransactionContext(options, broker.Store, promise, Markers, host, buffers, clock, logger);
        _producerIds = producerIds;
        _groups = groups;
        var kept = new InternalTopic(InternalTopics.Transactions, options.StateTopicPartitions);
        _shards = new CoordinatorShards<TransactionShard>(host, kept, scheduler, logger, newId, partition => new TransactionShard(partition, _context));
    }

    public TransactionMarkers Markers { get; }

    /// <summary>Where transactional ids are kept.</summary>
    public InternalTopic Kept => _shards.Kept;

    /// <summary>Of whatever is kept of transactions.</summary>
    public Durability Promise => _context.Promise;

    /// <summary>Starts to read the transactional ids that there are, so that transactions of before the start are ended in time.</summary>
    public void Start() => _ = _shards.All;

    /// <summary>A producer begins, or goes on after an error (KIP-360).</summary>
    /// <param name="id">The transactional id; null: the producer uses no transactions.</param>
    /// <param name="timeoutMs">Of its transactions.</param>
    /// <param name="expected">Whom it takes itself for; null: it begins.</param>
    public async Task<InitProducerIdResponse> InitializeAsync(string? id, int timeoutMs, ProducerIdentity? expected)
    {
        if (id is null)
        {
            return new InitProducerIdResponse { ProducerId = await _producerIds.NextAsync().ConfigureAwait(false) };
        }

        KafkaErrorCode error = id.Length == 0 ? KafkaErrorCode.InvalidRequest
            : timeoutMs <= 0 || timeoutMs > _context.Options.TimeoutMaxMs ? KafkaErrorCode.InvalidTransactionTimeout
            : KafkaErrorCode.None;
        if (error != KafkaErrorCode.None)
        {
            return new InitProducerIdResponse { ErrorCode = error };
        }

        if (await _shards.OpenAsync(id).ConfigureAwait(false) is not { } shard)
        {
            return new InitProducerIdResponse { ErrorCode = KafkaErrorCode.CoordinatorNotAvailable };
        }

        (error, Transaction? state) = await RunAsync(shard, id, (current, newProducerId) => TransactionRules.Initialize(current, id, timeoutMs, expected, newProducerId, _context.NowMs)).ConfigureAwait(false);
        return error == KafkaErrorCode.None
            ? new InitProducerIdResponse { ProducerId = state!.ProducerId, ProducerEpoch = state.Epoch }
            : new InitProducerIdResponse { ErrorCode = error };
    }

    /// <summary>A producer's transaction gets partitions.</summary>
    public async Task<KafkaErrorCode> AddAsync(string id, ProducerIdentity producer, IReadOnlyCollection<TopicIndex> partitions, short clientVersion)
    {
        if (Find(id, out KafkaErrorCode error) is not { } shard)
        {
            return error;
        }

        return (await RunAsync(shard, id, (current, _) => TransactionRules.AddPartitions(current, producer, partitions, clientVersion, _context.NowMs)).ConfigureAwait(false)).Error;
    }

    /// <summary>Whether a producer's transaction has these partitions; for each why not.</summary>
    public async Task<KafkaErrorCode[]> VerifyAsync(string id, ProducerIdentity producer, IReadOnlyList<TopicIndex> partitions)
    {
        var errors = new KafkaErrorCode[partitions.Count];
        if (Find(id, out KafkaErrorCode error) is { } shard)
        {
            (error, _) = await RunAsync(
                shard,
                id,
                (current, _) =>
                {
                    for (int i = 0; i < errors.Length; i++)
                    {
                        errors[i] = TransactionRules.Verify(current, producer, partitions[i]);
                    }

                    return TransactionStep.Done;
                }).ConfigureAwait(false);
        }

        if (error != KafkaErrorCode.None)
        {
            Array.Fill(errors, error);
        }

        return errors;
    }

    /// <summary>The partition in which a group's offsets are kept becomes a part of a producer's transaction.</summary>
    public async Task<KafkaErrorCode> AddOffsetsAsync(string id, ProducerIdentity producer, string groupId) =>
        await _groups.OpenShardAsync(groupId).ConfigureAwait(false) is { } group
            ? await AddAsync(id, producer, [new TopicIndex(group.Partition.Topic.Name, group.Partition.Index)], clientVersion: 0).ConfigureAwait(false)
            : KafkaErrorCode.CoordinatorNotAvailable;

    /// <summary>A producer commits or rolls back its transaction.</summary>
    public async Task<EndTxnResponse> EndAsync(string id, ProducerIdentity producer, bool isCommit, short clientVersion)
    {
        if (Find(id, out KafkaErrorCode error) is not { } shard)
        {
            return new EndTxnResponse { ErrorCode = error };
        }

        (error, Transaction? state) = await RunAsync(shard, id, (current, newProducerId) => TransactionRules.End(current, producer, isCommit, clientVersion, newProducerId, _context.NowMs)).ConfigureAwait(false);
        return error == KafkaErrorCode.None
            ? new EndTxnResponse { ProducerId = state!.ProducerId, ProducerEpoch = state.Epoch }
            : new EndTxnResponse { ErrorCode = error };
    }

    /// <summary>Writes into each item's result what became of it; done when what was committed is kept.</summary>
    /// <param name="request">Of which only the items are looked at that are allowed.</param>
    /// <param name="adds">The transaction begins with it if need be (KIP-890).</param>
    /// <param name="items">What is to be committed.</param>
    public async Task CommitOffsetsAsync(TxnOffsetCommitRequest request, bool adds, IReadOnlyList<CommitItem> items)
    {
        KafkaErrorCode error = KafkaErrorCode.CoordinatorNotAvailable;
        if (request.GroupId.Length == 0)
        {
            error = KafkaErrorCode.InvalidGroupId;
        }
        else if (await _groups.OpenShardAsync(request.GroupId).ConfigureAwait(false) is { } group && Find(request.TransactionalId, out error) is { } shard)
        {
            var answer = new GroupAnswer<KafkaErrorCode>(static code => code);
            var producer = new BatchProducer(request.ProducerId, request.ProducerEpoch, BaseSequence: -1, IsTransactional: true);
            error = shard.Append(request.TransactionalId, new ProducerIdentity(producer.Id, producer.Epoch), group.Partition, adds, () => group.Begin(answer, producer, turn =>
            {
                group.TransactionalCommits.Commit(request, items, turn);
                turn.Answer(answer, KafkaErrorCode.None);
            }));
            error = error == KafkaErrorCode.None ? await answer.Task.ConfigureAwait(false) : error;
        }

        if (error != KafkaErrorCode.None)
        {
            foreach (CommitItem item in items)
            {
                item.Result.ErrorCode = error;
            }
        }
    }

    /// <summary>Appends a batch of a producer's transaction; see <see cref="TransactionShard.Append(string, ProducerIdentity, TopicPartition, bool, ReadOnlySpan{byte}, Durability, out AppendOutcome)"/>.</summary>
    public KafkaErrorCode Append(string id, TopicPartition partition, bool adds, ReadOnlySpan<byte> batch, Durability promise, out AppendOutcome result)
    {
        result = default;
        return Find(id, out KafkaErrorCode error) is { } shard
            ? shard.Append(id, new ProducerIdentity(RecordBatch.ProducerId(batch), RecordBatch.ProducerEpoch(batch)), partition, adds, batch, promise, out result)
            : error;
    }

    /// <summary>What is known of a transactional id; null: nothing.</summary>
    public async Task<(KafkaErrorCode Error, Transaction? State)> DescribeAsync(string id)
    {
        return id.Length == 0 ? (KafkaErrorCode.InvalidRequest, null)
            : _shards.Find(id) is not { } shard ? (KafkaErrorCode.None, null)
            : await RunAsync(shard, id, static (_, _) => TransactionStep.Done).ConfigureAwait(false);
    }

    /// <summary>All transactional ids, or why they can't be told.</summary>
    public KafkaErrorCode List(out IReadOnlyList<Transaction> transactions)
    {
        var all = new List<Transaction>();
        KafkaErrorCode error = KafkaErrorCode.None;
        foreach (TransactionShard shard in _shards.All)
        {
            KafkaErrorCode refusal = shard.Collect(all);
            error = refusal == KafkaErrorCode.None ? error : refusal;
        }

        transactions = all;
        return error;
    }

    public void Dispose() => _shards.Dispose();

    /// <summary>The id's shard; null: why there is none.</summary>
    private TransactionShard? Find(string id, out KafkaErrorCode error)
    {
        TransactionShard? shard = id.Length == 0 ? null : _shards.Find(id);
        error = id.Length == 0 ? KafkaErrorCode.InvalidRequest : shard is null ? KafkaErrorCode.InvalidProducerIdMapping : KafkaErrorCode.None;
        return shard;
    }

    /// <summary>Takes a step, with a new producer id at hand if it wants one.</summary>
    private async Task<(KafkaErrorCode Error, Transaction? State)> RunAsync(TransactionShard shard, string id, Func<Transaction?, long?, TransactionStep> decide)
    {
        long? newProducerId = null;
        while (true)
        {
            (TransactionStep step, Transaction? state) = await shard.RunAsync(id, current => decide(current, newProducerId)).ConfigureAwait(false);
            if (!step.WantsProducerId)
            {
                return (step.Error, state);
            }

            newProducerId = await _producerIds.NextAsync().ConfigureAwait(false);
        }
    }
}
