using Sluice.Base.Buffers;
using Sluice.Client.Connections;
using Sluice.Client.Metadata;
using Sluice.Client.Producing;
using Sluice.Client.Records;
using Sluice.Client.Serialization;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client;

/// <summary>
/// Sends records to a Kafka broker: interceptors, serializers, partitioner, batches by partition, requests to the partitions' leaders. One producer
/// serves a whole program; all its methods are thread-safe but those of transactions, which follow one another.
/// </summary>
/// <typeparam name="TKey">Of the records' keys.</typeparam>
/// <typeparam name="TValue">Of the records' values.</typeparam>
public sealed class KafkaProducer<TKey, TValue> : IAsyncDisposable
{
    private readonly ProducerOptions _options;
    private readonly ISerializer<TKey> _keys;
    private readonly ISerializer<TValue> _values;
    private readonly IReadOnlyList<IProducerInterceptor<TKey, TValue>> _interceptors;
    private readonly Partitioner _partitioner;
    private readonly BufferPool _pool = new();
    private readonly AsyncSignal _signal;
    private readonly NodePool _nodes;
    private readonly ClusterMetadata _metadata;
    private readonly Accumulator _accumulator;
    private readonly Sender _sender;
    private readonly TransactionSequencing? _transactions;
    private readonly CancellationTokenSource _giveUp = new();
    private readonly Task _running;
    private readonly WaitingLanes _lanes = new();
    private Scratch? _scratch;
    private int _disposed;

    /// <summary>Starts a producer; it connects when it is first used.</summary>
    /// <param name="options">How it works.</param>
    /// <param name="keySerializer">Null: the one that comes with the client, for text, bytes and whole numbers.</param>
    /// <param name="valueSerializer">Likewise.</param>
    /// <param name="interceptors">Called in this order.</param>
    /// <exception cref="ArgumentException">An option is out of range, or a serializer is missing.</exception>
    public KafkaProducer(
        ProducerOptions options,
        ISerializer<TKey>? keySerializer = null,
        ISerializer<TValue>? valueSerializer = null,
        IReadOnlyList<IProducerInterceptor<TKey, TValue>>? interceptors = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _keys = keySerializer ?? Serdes.SerializerFor<TKey>();
        _values = valueSerializer ?? Serdes.SerializerFor<TValue>();
        _interceptors = interceptors ?? [];
        _partitioner = options.Partitioner ?? new DefaultPartitioner(options.BatchBytes, options.Random);
        _signal = new AsyncSignal(options.Time);
        _nodes = new NodePool(options, _pool);
        _metadata = new ClusterMetadata(_nodes, options, options.CreateTopics);
        _accumulator = new Accumulator(options, _pool);
        _sender = new Sender(options, _nodes, _metadata, _accumulator, _signal);
        if (options.IsTransactional)
        {
            _sender.Sequencing = _transactions = new TransactionSequencing(options, _nodes, _accumulator, _signal.Set);
        }
        else if (options.EnableIdempotence)
        {
            _sender.Sequencing = new IdempotentSequencing(options, _nodes, _accumulator, _signal.Set);
        }

        _nodes.Changed += _signal.Set;
        _metadata.Changed += _signal.Set;
        _running = RunAsync();
    }

    /// <summary>Bytes of batches that are not acknowledged yet.</summary>
    public long BufferedBytes => _accumulator.Memory.Used;

    /// <summary>Sends a record; done when the broker has acknowledged it.</summary>
    /// <param name="record">What to send.</param>
    /// <param name="cancel">Ends the wait for room or for the topic. A record that is on its way is not called back.</param>
    /// <exception cref="KafkaClientException">It was not kept, or nobody knows whether it was. The transaction that it belongs to can only be rolled back.</exception>
    public Task<RecordMetadata> SendAsync(ProducerRecord<TKey, TValue> record, CancellationToken cancel = default)
    {
        var completion = new SendCompletion();
        try
        {
            ValueTask enqueued = EnqueueAsync(record, completion, 0, cancel);
            return enqueued.IsCompletedSuccessfully ? completion.Task : SendSlowlyAsync(enqueued, completion);
        }
        catch (KafkaClientException error)
        {
            return Task.FromException<RecordMetadata>(error);
        }
    }

    /// <summary>
    /// Hands a record over; done when it is in a batch, at once as a rule. Allocates nothing for the record then. Records of one topic that are handed over one after the
    /// other keep their order, also if this is not awaited.
    /// </summary>
    /// <param name="record">What to send.</param>
    /// <param name="observer">Is told what became of it; null: nobody is.</param>
    /// <param name="token">Given to the observer.</param>
    /// <param name="cancel">Ends the wait for room or for the topic, and then the transaction that the record belongs to can only be rolled back.</param>
    /// <exception cref="KafkaClientException">The topic or partition does not exist, or the record is too large. The transaction can only be rolled back, also if this is not awaited.</exception>
    public ValueTask EnqueueAsync(in ProducerRecord<TKey, TValue> record, IDeliveryObserver? observer = null, long token = 0, CancellationToken cancel = default)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        _transactions?.RequireOpen();
        ProducerRecord<TKey, TValue> sent = record;
        foreach (IProducerInterceptor<TKey, TValue> interceptor in _interceptors)
        {
            sent = interceptor.OnSend(sent);
        }

        ArgumentException.ThrowIfNullOrEmpty(sent.Topic);
        if (_interceptors.Count > 0)
        {
            observer = new InterceptedDelivery<TKey, TValue>(_interceptors, observer);
        }

        Scratch scratch = TakeScratch();
        bool isKept = false;
        try
        {
            Serialize(sent, scratch);
            long timestampMs = (sent.Timestamp ?? _options.Time.GetUtcNow()).ToUnixTimeMilliseconds();
            var delivery = new Delivery(observer, token, timestampMs);
            int reserved = 0;
            if (!_lanes.IsBusy(sent.Topic) && _metadata.View.Topics.TryGetValue(sent.Topic, out TopicView? topic) && topic.Partitions.Length > 0
                && TryAdd(topic, Choose(topic, sent.Partition, scratch), scratch, delivery, ref reserved))
            {
                return ValueTask.CompletedTask;
            }

            isKept = true;
            return new ValueTask(AddSlowlyAsync(sent.Topic, sent.Partition, scratch, delivery, cancel));
        }
        catch (KafkaClientException error)
        {
            // As in Kafka's own client. What a serializer throws is its own affair: whoever called knows of it at once.
            _transactions?.OnLeftOut(error);
            throw;
        }
        finally
        {
            if (!isKept)
            {
                ReturnScratch(scratch);
            }
        }
    }

    /// <summary>Waits until all records handed over so far are acknowledged or have failed, those that wait for their topic or for room included.</summary>
    public async Task FlushAsync(CancellationToken cancel = default)
    {
        await _lanes.WhenEmptyAsync(cancel).ConfigureAwait(false);
        await _accumulator.FlushAsync(_signal.Set, cancel).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes the producer ready for transactions; once, before the first. Any producer that had the same transactional id before is fenced, and what it left open is rolled back.
    /// </summary>
    /// <exception cref="KafkaClientException">The broker refuses, or has no transactions.</exception>
    public Task InitTransactionsAsync(CancellationToken cancel = default) => Transactions.InitAsync(cancel);

    /// <summary>Opens a transaction: what is sent from now on is seen by consumers of committed records only when it is committed.</summary>
    public void BeginTransaction() => Transactions.Begin();

    /// <summary>Makes offsets of a group part of the transaction: they are committed with it, or not at all.</summary>
    /// <param name="offsets">Of the records to be read next, such as <see cref="Consuming.ConsumedRecord{TKey, TValue}.Next"/>.</param>
    /// <param name="group">Whose they are; see <see cref="KafkaConsumer{TKey, TValue}.GroupIdentity"/>.</param>
    /// <param name="cancel">Ends the wait; the transaction must be rolled back then.</param>
    public Task SendOffsetsToTransactionAsync(IReadOnlyCollection<TopicPartitionOffset> offsets, ConsumerGroupIdentity group, CancellationToken cancel = default) => Transactions.SendOffsetsAsync(offsets, group, cancel);

    /// <summary>Sends what is left, and commits.</summary>
    /// <exception cref="KafkaClientException">Something of the transaction has failed: roll it back. If the producer is fenced (<see cref="KafkaClientException.IsFenced"/>), dispose it.</exception>
    public async Task CommitTransactionAsync(CancellationToken cancel = default)
    {
        Transactions.RequireOpen();

        // What still waits for its topic or for room belongs to this transaction and to no later one.
        await _lanes.WhenEmptyAsync(cancel).ConfigureAwait(false);
        await Transactions.CommitAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>Drops what was not sent yet, and rolls back.</summary>
    public async Task AbortTransactionAsync(CancellationToken cancel = default)
    {
        Transactions.BeginAbort();
        await _lanes.WhenEmptyAsync(cancel).ConfigureAwait(false);
        await Transactions.AbortAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>How many partitions a topic has.</summary>
    /// <exception cref="KafkaClientException">It does not exist.</exception>
    public async Task<int> GetPartitionCountAsync(string topic, CancellationToken cancel = default) => (await _metadata.GetTopicAsync(topic, cancel).ConfigureAwait(false)).Partitions.Length;

    /// <summary>Sends what is left, for at most <see cref="ProducerOptions.DeliveryTimeout"/>, and closes all connections.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            await _running.ConfigureAwait(false);
            return;
        }

        _accumulator.Close();
        _signal.Set();
        _giveUp.CancelAfter(_options.DeliveryTimeout);
        await using (_giveUp.Token.UnsafeRegister(static signal => ((AsyncSignal)signal!).Set(), _signal).ConfigureAwait(false))
        {
            await _running.ConfigureAwait(false);
        }

        await _nodes.DisposeAsync().ConfigureAwait(false);
        _signal.Dispose();
        _giveUp.Dispose();
        Interlocked.Exchange(ref _scratch, null)?.Dispose();
    }

    private static async Task<RecordMetadata> SendSlowlyAsync(ValueTask enqueued, SendCompletion completion)
    {
        await enqueued.ConfigureAwait(false);
        return await completion.Task.ConfigureAwait(false);
    }

    private TransactionSequencing Transactions => _transactions ?? throw new InvalidOperationException($"Transactions need {nameof(ProducerOptions.TransactionalId)}.");

    private async Task RunAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await _sender.RunAsync(_giveUp.Token).ConfigureAwait(false);
    }

    private void Serialize(in ProducerRecord<TKey, TValue> record, Scratch scratch)
    {
        scratch.HasKey = _keys.TrySerialize(record.Key, scratch.Bytes);
        scratch.KeyLength = scratch.Bytes.WrittenCount;
        scratch.HasValue = _values.TrySerialize(record.Value, scratch.Bytes);
        scratch.Headers = record.Headers;
        scratch.HeadersBytes = RecordEncoder.HeadersSize(record.Headers);
        int most = RecordEncoder.SizeMax(scratch.KeyLength, scratch.Bytes.WrittenCount - scratch.KeyLength, scratch.HeadersBytes);
        if (most + BatchHeader.Bytes > _options.RequestBytesMax)
        {
            throw new KafkaClientException(KafkaErrorCode.MessageTooLarge, $"A record of {most} bytes does not fit into a request of {_options.RequestBytesMax} ({nameof(ProducerOptions.RequestBytesMax)}).");
        }
    }

    private int Choose(TopicView topic, int? partition, Scratch scratch)
    {
        int chosen = partition ?? _partitioner.Choose(new PartitionChoice(topic.Name, scratch.Key, scratch.HasKey, scratch.Value, topic.Partitions.Length));
        return (uint)chosen < (uint)topic.Partitions.Length ? chosen : throw new KafkaClientException(
            KafkaErrorCode.UnknownTopicOrPartition, $"Topic '{topic.Name}' has partitions 0 to {topic.Partitions.Length - 1}, not {chosen}.");
    }

    private bool TryAdd(TopicView topic, int partition, Scratch scratch, in Delivery delivery, ref int reserved)
    {
        PartitionQueue queue = _accumulator.Queue(topic.Name, partition, topic.Partitions.Length);
        switch (queue.TryAppend(Fields(scratch), delivery.TimestampMs, delivery, ref reserved))
        {
            case AppendResult.Added:
                return true;
            case AppendResult.AddedToNewBatch:
                _signal.Set();
                return true;
            case AppendResult.Closed:
                throw new ObjectDisposedException(nameof(KafkaProducer<,>));
            default:
                return false;
        }
    }

    private static RecordFields Fields(Scratch scratch) => new()
    {
        HasKey = scratch.HasKey,
        Key = scratch.Key,
        HasValue = scratch.HasValue,
        Value = scratch.Value,
        Headers = scratch.Headers,
        HeadersBytes = scratch.HeadersBytes,
    };

    /// <summary>Waits for the topic, or for room, behind those for the same topic that wait already. Owns the scratch.</summary>
    private async Task AddSlowlyAsync(string name, int? partition, Scratch scratch, Delivery delivery, CancellationToken cancel)
    {
        int reserved = 0;
        WaitingLanes.Lane lane = _lanes.Enter(name);
        bool isFirst = false;
        try
        {
            await lane.Turn.WaitAsync(cancel).ConfigureAwait(false);
            isFirst = true;
            TopicView topic = await _metadata.GetTopicAsync(name, cancel).ConfigureAwait(false);
            int chosen = Choose(topic, partition, scratch);
            while (!TryAdd(topic, chosen, scratch, delivery, ref reserved))
            {
                int bytes = _accumulator.BytesFor(Fields(scratch));
                Task room = _accumulator.Memory.ReserveAsync(bytes, cancel);
                _signal.Set();
                await room.ConfigureAwait(false);
                reserved = bytes;
            }
        }
        catch (Exception error)
        {
            // Before the lane is left, for which a commit waits.
            _transactions?.OnLeftOut(error);
            throw;
        }
        finally
        {
            if (reserved > 0)
            {
                _accumulator.Memory.Release(reserved);
            }

            ReturnScratch(scratch);
            _lanes.Leave(name, lane, isFirst);
        }
    }

    private Scratch TakeScratch() => Interlocked.Exchange(ref _scratch, null) ?? new Scratch(_pool);

    private void ReturnScratch(Scratch scratch)
    {
        scratch.Headers = null;
        if (scratch.Bytes.WrittenCount > Scratch.KeptBytesMax)
        {
            scratch.Bytes.Dispose();
        }

        scratch.Bytes.Clear();
        Interlocked.Exchange(ref _scratch, scratch)?.Dispose();
    }
}
