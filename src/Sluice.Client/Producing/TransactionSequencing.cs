using Sluice.Client.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Producing;

/// <summary>
/// A transactional producer: its id and epoch from the coordinator of its transactional id, partitions and offsets that are told to it before anything is sent to them, and the end.
/// One transaction after the other. The program calls from one side, the sender's loop from the other; the lock guards what both see.
/// </summary>
internal sealed class TransactionSequencing(ProducerOptions options, NodePool nodes, Accumulator accumulator, Action wake) : ISequencing
{
    private readonly Lock _sync = new();
    private readonly CoordinatorClient _coordinator = new(options, nodes, CoordinatorKind.Transaction, options.TransactionalId!);
    private readonly Dictionary<string, CoordinatorClient> _groups = new(StringComparer.Ordinal);
    private readonly HashSet<TopicPartition> _added = [];
    private readonly HashSet<TopicPartition> _wanted = [];
    private Task? _adding;
    private KafkaClientException? _error;
    private ProducerIdentity _identity = ProducerIdentity.None;
    private TransactionState _state = TransactionState.Uninitialized;
    private bool _hasOffsets;
    private bool _isFatal;
    private bool _needsNewEpoch;
    private bool _isNew;

    public bool IsNumbered => true;

    public ProducerIdentity IdentityOf(PartitionQueue queue)
    {
        lock (_sync)
        {
            return _identity;
        }
    }

    public bool Prepare(bool isIdle)
    {
        KafkaClientException? error;
        lock (_sync)
        {
            if (_isNew && isIdle)
            {
                _isNew = false;
                foreach (PartitionQueue queue in accumulator.Queues)
                {
                    queue.Renumber(_identity);
                }
            }

            error = _error ?? (_state == TransactionState.Aborting ? new KafkaClientException(KafkaErrorCode.TransactionAbortable, "The transaction was rolled back before the record was sent.") : null);
            if (error is null)
            {
                return _state is TransactionState.Open or TransactionState.Committing && !_isNew;
            }
        }

        if (accumulator.FailQueued(error))
        {
            lock (_sync)
            {
                _needsNewEpoch = true;
            }
        }

        return false;
    }

    public bool PreparePartition(PartitionQueue queue)
    {
        lock (_sync)
        {
            if (_added.Contains(queue.Partition))
            {
                return true;
            }

            _wanted.Add(queue.Partition);
            if (_adding is not { IsCompleted: false })
            {
                _adding = AddAsync();
                _ = WakeAfterAsync(_adding);
            }

            return false;
        }
    }

    public void OnFailed(ProducerBatch batch, KafkaClientException error)
    {
        lock (_sync)
        {
            _needsNewEpoch |= batch.BaseSequence >= 0;
        }

        // Also if it was never sent: the transaction is not to be committed without it.
        Fail(error);
    }

    /// <summary>A record, or a group's offsets, that the program gave to the open transaction will not be in it: it is not to be committed without.</summary>
    public void OnLeftOut(Exception error)
    {
        lock (_sync)
        {
            if (_state == TransactionState.Open)
            {
                Fail(error as KafkaClientException ?? new KafkaClientException(KafkaErrorCode.TransactionAbortable, $"Something was left out: {error.Message}", error));
            }
        }
    }

    /// <summary>Records may be sent now.</summary>
    /// <exception cref="InvalidOperationException">No transaction is open.</exception>
    /// <exception cref="KafkaClientException">It has failed.</exception>
    public void RequireOpen()
    {
        lock (_sync)
        {
            ThrowIfFailed();
            if (_state != TransactionState.Open)
            {
                throw new InvalidOperationException("A transactional producer sends within transactions only: begin one.");
            }
        }
    }

    /// <summary>Takes the transactional id over: whoever had it is fenced, and what it left open is rolled back.</summary>
    public async Task InitAsync(CancellationToken cancel)
    {
        lock (_sync)
        {
            ThrowIfFailed();
            if (_state != TransactionState.Uninitialized)
            {
                throw new InvalidOperationException("The producer was made ready for transactions already.");
            }
        }

        await TakeIdentityAsync(ProducerIdentity.None, cancel).ConfigureAwait(false);
        lock (_sync)
        {
            _state = TransactionState.Ready;
        }
    }

    public void Begin()
    {
        lock (_sync)
        {
            ThrowIfFailed();
            _state = _state switch
            {
                TransactionState.Ready => TransactionState.Open,
                TransactionState.Uninitialized => throw new InvalidOperationException("Make the producer ready for transactions first."),
                _ => throw new InvalidOperationException("A transaction is open already."),
            };
        }
    }

    /// <summary>Makes a group's offsets part of the transaction.</summary>
    public async Task SendOffsetsAsync(IReadOnlyCollection<TopicPartitionOffset> offsets, ConsumerGroupIdentity group, CancellationToken cancel)
    {
        RequireOpen();
        if (offsets.Count == 0)
        {
            return;
        }

        try
        {
            await AddOffsetsAsync(offsets, group, cancel).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            lock (_sync)
            {
                // The coordinator may have the group nevertheless.
                _needsNewEpoch = true;
            }

            OnLeftOut(error);
            throw;
        }
    }

    /// <summary>Sends what is left and commits.</summary>
    public async Task CommitAsync(CancellationToken cancel)
    {
        RequireOpen();
        await accumulator.FlushAsync(wake, cancel).ConfigureAwait(false);
        lock (_sync)
        {
            ThrowIfFailed();
            _state = TransactionState.Committing;
        }

        await EndAsync(isCommit: true, cancel).ConfigureAwait(false);
    }

    /// <summary>From now on what is there and what comes is dropped, until <see cref="AbortAsync"/> is done.</summary>
    /// <exception cref="InvalidOperationException">No transaction is open.</exception>
    public void BeginAbort()
    {
        lock (_sync)
        {
            if (_isFatal)
            {
                ThrowIfFailed();
            }

            if (_state is not (TransactionState.Open or TransactionState.Committing or TransactionState.Aborting))
            {
                throw new InvalidOperationException("No transaction is open.");
            }

            _state = TransactionState.Aborting;
        }

        wake();
    }

    /// <summary>Drops what is left and rolls back.</summary>
    public async Task AbortAsync(CancellationToken cancel)
    {
        await accumulator.FlushAsync(wake, cancel).ConfigureAwait(false);
        Task? adding;
        lock (_sync)
        {
            adding = _adding;
        }

        if (adding is not null)
        {
            await adding.WaitAsync(cancel).ConfigureAwait(false);
        }

        await EndAsync(isCommit: false, cancel).ConfigureAwait(false);
    }

    private static KafkaErrorCode FirstError(TxnOffsetCommitResponse response) =>
        response.Topics.SelectMany(topic => topic.Partitions).Select(partition => partition.ErrorCode).FirstOrDefault(code => code != KafkaErrorCode.None);

    private static KafkaErrorCode FirstError(AddPartitionsToTxnResponse response) =>
        response.ResultsByTopicV3AndBelow.SelectMany(topic => topic.ResultsByPartition).Select(partition => partition.PartitionErrorCode)
            .FirstOrDefault(code => code is not (KafkaErrorCode.None or KafkaErrorCode.OperationNotAttempted));

    private async Task AddOffsetsAsync(IReadOnlyCollection<TopicPartitionOffset> offsets, ConsumerGroupIdentity group, CancellationToken cancel)
    {
        ProducerIdentity identity;
        lock (_sync)
        {
            identity = _identity;
        }

        var add = new AddOffsetsToTxnRequest { TransactionalId = options.TransactionalId!, ProducerId = identity.ProducerId, ProducerEpoch = identity.Epoch, GroupId = group.GroupId };
        AddOffsetsToTxnResponse added = await _coordinator.AskUntilAnsweredAsync<AddOffsetsToTxnResponse>(ApiUse.AddOffsetsToTxn, add, static response => response.ErrorCode, cancel).ConfigureAwait(false);
        ThrowIf(added.ErrorCode, $"Adding the offsets of the group '{group.GroupId}' to the transaction");
        lock (_sync)
        {
            _hasOffsets = true;
        }

        if (!_groups.TryGetValue(group.GroupId, out CoordinatorClient? coordinator))
        {
            _groups.Add(group.GroupId, coordinator = new CoordinatorClient(options, nodes, CoordinatorKind.Group, group.GroupId));
        }

        var commit = new TxnOffsetCommitRequest
        {
            TransactionalId = options.TransactionalId!,
            GroupId = group.GroupId,
            ProducerId = identity.ProducerId,
            ProducerEpoch = identity.Epoch,
            GenerationId = group.Generation,
            MemberId = group.MemberId,
            GroupInstanceId = group.InstanceId,
            Topics =
            [
                .. offsets.GroupBy(offset => offset.Partition.Topic).Select(topic => new TxnOffsetCommitRequest.TxnOffsetCommitRequestTopic
                {
                    Name = topic.Key,
                    Partitions = [.. topic.Select(offset => new TxnOffsetCommitRequest.TxnOffsetCommitRequestPartition { PartitionIndex = offset.Partition.Partition, CommittedOffset = offset.Offset, CommittedMetadata = "" })],
                }),
            ],
        };
        TxnOffsetCommitResponse committed = await coordinator.AskUntilAnsweredAsync<TxnOffsetCommitResponse>(ApiUse.TxnOffsetCommit, commit, FirstError, cancel).ConfigureAwait(false);
        ThrowIf(FirstError(committed), $"Committing the offsets of the group '{group.GroupId}' within the transaction");
    }

    private async Task EndAsync(bool isCommit, CancellationToken cancel)
    {
        bool isEmpty;
        bool needsNewEpoch;
        ProducerIdentity identity;
        lock (_sync)
        {
            isEmpty = _added.Count == 0 && !_hasOffsets;
            needsNewEpoch = _needsNewEpoch;
            identity = _identity;
        }

        if (!isEmpty)
        {
            var request = new EndTxnRequest { TransactionalId = options.TransactionalId!, ProducerId = identity.ProducerId, ProducerEpoch = identity.Epoch, Committed = isCommit };
            EndTxnResponse response = await _coordinator.AskUntilAnsweredAsync<EndTxnResponse>(ApiUse.EndTxn, request, static response => response.ErrorCode, cancel).ConfigureAwait(false);
            ThrowIf(response.ErrorCode, isCommit ? "Committing the transaction" : "Rolling back the transaction");
        }

        if (needsNewEpoch)
        {
            // Some numbers never reached a broker: under the next epoch they begin anew. And what the coordinator may have of the transaction, unknown to this producer, ends.
            await TakeIdentityAsync(identity, cancel).ConfigureAwait(false);
        }

        lock (_sync)
        {
            _added.Clear();
            _wanted.Clear();
            _hasOffsets = false;
            _needsNewEpoch = false;
            _error = null;
            _state = TransactionState.Ready;
        }
    }

    private async Task TakeIdentityAsync(ProducerIdentity current, CancellationToken cancel)
    {
        var request = new InitProducerIdRequest
        {
            TransactionalId = options.TransactionalId,
            TransactionTimeoutMs = (int)options.TransactionTimeout.TotalMilliseconds,
            ProducerId = current.ProducerId,
            ProducerEpoch = current.Epoch,
        };
        InitProducerIdResponse response = await _coordinator.AskUntilAnsweredAsync<InitProducerIdResponse>(ApiUse.InitProducerId, request, static response => response.ErrorCode, cancel).ConfigureAwait(false);
        ThrowIf(response.ErrorCode, $"Taking the transactional id '{options.TransactionalId}'");
        lock (_sync)
        {
            _identity = new ProducerIdentity(response.ProducerId, response.ProducerEpoch);
            _isNew = true;
        }
    }

    private async Task AddAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        TopicPartition[] partitions;
        ProducerIdentity identity;
        lock (_sync)
        {
            partitions = [.. _wanted];
            identity = _identity;
        }

        var request = new AddPartitionsToTxnRequest
        {
            V3AndBelowTransactionalId = options.TransactionalId!,
            V3AndBelowProducerId = identity.ProducerId,
            V3AndBelowProducerEpoch = identity.Epoch,
            V3AndBelowTopics = [.. partitions.GroupBy(partition => partition.Topic).Select(topic => new AddPartitionsToTxnRequest.AddPartitionsToTxnTopic { Name = topic.Key, Partitions = [.. topic.Select(partition => partition.Partition)] })],
        };
        try
        {
            AddPartitionsToTxnResponse response = await _coordinator.AskUntilAnsweredAsync<AddPartitionsToTxnResponse>(ApiUse.AddPartitionsToTxn, request, FirstError, CancellationToken.None).ConfigureAwait(false);
            ThrowIf(FirstError(response), "Adding partitions to the transaction");
            lock (_sync)
            {
                _added.UnionWith(partitions);
                _wanted.ExceptWith(partitions);
            }
        }
        catch (KafkaClientException error)
        {
            // The coordinator may have them nevertheless: then they are to be rolled back.
            lock (_sync)
            {
                _added.UnionWith(partitions);
            }

            Fail(error);
        }
        catch (ObjectDisposedException)
        {
            // The producer is going.
        }
    }

    private async Task WakeAfterAsync(Task adding)
    {
        await adding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        wake();
    }

    private void Fail(KafkaClientException error)
    {
        lock (_sync)
        {
            _error ??= error;
            _isFatal |= error.IsFenced || error.ErrorCode is KafkaErrorCode.TransactionalIdAuthorizationFailed or KafkaErrorCode.UnsupportedVersion or KafkaErrorCode.InvalidProducerIdMapping;
        }
    }

    private void ThrowIf(KafkaErrorCode code, string doing)
    {
        if (code != KafkaErrorCode.None)
        {
            KafkaClientException error = KafkaClientException.Of(code, doing);
            Fail(error);
            throw error;
        }
    }

    private void ThrowIfFailed()
    {
        if (_error is { } error)
        {
            throw new KafkaClientException(error.ErrorCode, _isFatal ? $"The producer cannot go on: {error.Message}" : $"The transaction has failed and must be rolled back: {error.Message}", error);
        }
    }
}
