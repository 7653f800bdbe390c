using System.Collections.Concurrent;
using Sluice.Client.Connections;
using Sluice.Client.Metadata;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Producing;

/// <summary>
/// One loop that sends batches to the leaders of their partitions, at most so many requests at once to each, and sends again what may succeed later.
/// All of its state is the loop's alone; what happens elsewhere wakes it.
/// </summary>
internal sealed class Sender(ProducerOptions options, NodePool nodes, ClusterMetadata metadata, Accumulator accumulator, AsyncSignal signal)
{
    private readonly ConcurrentQueue<ProduceOutcome> _outcomes = new();
    private readonly List<PartitionQueue> _active = [];
    private readonly Dictionary<int, NodeLoad> _loads = [];
    private readonly long _lingerTicks = Ticks(options, options.Linger);
    private readonly long _deliveryTicks = Ticks(options, options.DeliveryTimeout);
    private int _inFlight;

    /// <summary>Idempotence and transactions.</summary>
    public ISequencing Sequencing { get; set; } = new NoSequencing();

    /// <summary>Runs until the accumulator is closed and all it held is acknowledged or has failed.</summary>
    public async Task RunAsync(CancellationToken giveUp)
    {
        while (true)
        {
            while (_outcomes.TryDequeue(out ProduceOutcome? outcome))
            {
                Take(outcome);
            }

            if (giveUp.IsCancellationRequested)
            {
                accumulator.FailQueued(new KafkaClientException(KafkaErrorCode.NetworkException, "The producer was closed before the record could be sent."));
            }

            if (accumulator.IsClosed && !accumulator.HasIncomplete)
            {
                return;
            }

            await signal.WaitAsync(Turn()).ConfigureAwait(false);
        }
    }

    private static long Ticks(ProducerOptions options, TimeSpan time) => (long)Math.Min(long.MaxValue / 4, time.TotalSeconds * options.Time.TimestampFrequency);

    /// <summary>Sends what can be sent. Returns when to look again at the latest.</summary>
    private TimeSpan? Turn()
    {
        long now = options.Time.GetTimestamp();
        long next = long.MaxValue;
        accumulator.TakeActivated(_active);
        bool mayTurn = Sequencing.Prepare(_inFlight == 0);
        bool isUrgent = accumulator.IsUrgent;
        int kept = 0;
        for (int i = 0; i < _active.Count; i++)
        {
            PartitionQueue queue = _active[i];
            Expire(queue, now);
            QueueState state = queue.Check(now, _lingerTicks, isUrgent, out long dueAt);
            if (state == QueueState.Empty)
            {
                continue;
            }

            _active[kept++] = queue;
            if (state == QueueState.Waiting)
            {
                next = Math.Min(next, dueAt);
            }
            else if (state == QueueState.Ready && mayTurn && Sequencing.PreparePartition(queue))
            {
                Assign(queue);
            }
        }

        _active.RemoveRange(kept, _active.Count - kept);
        foreach (NodeLoad load in _loads.Values)
        {
            Send(load);
        }

        TimeSpan? refresh = metadata.RefreshIfDue();
        if (_active.Count > 0)
        {
            // Whatever is missed, deadlines are looked at every second.
            next = Math.Min(next, now + options.Time.TimestampFrequency);
        }

        TimeSpan? due = next == long.MaxValue ? null : next <= now ? TimeSpan.Zero : options.Time.GetElapsedTime(now, next);
        return refresh is { } pause && (due is null || pause < due) ? pause : due;
    }

    private void Expire(PartitionQueue queue, long now)
    {
        while (queue.TakeExpired(now - _deliveryTicks) is { } batch)
        {
            string reason = metadata.LastError is { } error ? $" Last trouble: {error.Message}" : "";
            Fail(batch, new KafkaClientException(KafkaErrorCode.RequestTimedOut, $"{batch.Count} records for {queue.Partition} were not acknowledged within {options.DeliveryTimeout.TotalSeconds:0.###} s.{reason}"));
        }
    }

    /// <summary>Lists the queue with its leader's others.</summary>
    private void Assign(PartitionQueue queue)
    {
        if (metadata.View.Find(queue.Partition) is not { Leader: >= 0 } partition)
        {
            metadata.Track(queue.Partition.Topic);
            metadata.Invalidate();
            return;
        }

        if (!_loads.TryGetValue(partition.Leader, out NodeLoad? load))
        {
            _loads.Add(partition.Leader, load = new NodeLoad(partition.Leader));
        }

        load.Ready.Add(queue);
    }

    private void Send(NodeLoad load)
    {
        while (load.Ready.Count > 0 && load.InFlight < options.MaxInFlight)
        {
            KafkaClientException? failure = null;
            if (nodes.Find(load.NodeId)?.TryGet(out failure) is not { } connection)
            {
                // Woken when the connection is made. If it can't be made, somebody else may lead by then.
                metadata.Invalidate();
                if (failure is { IsRetriable: true })
                {
                    options.OnBackgroundError?.Invoke(failure);
                }
                else if (failure is not null)
                {
                    Fail(load, failure);
                }

                break;
            }

            ProduceOutcome produce = Drain(load);
            if (produce.Batches.Count == 0)
            {
                break;
            }

            load.InFlight++;
            _inFlight++;
            _ = SendAsync(connection, produce);
        }

        load.Ready.Clear();
    }

    /// <summary>The broker does not let the client in, or is not the one that it should be: to try again would not help.</summary>
    private void Fail(NodeLoad load, KafkaClientException error)
    {
        foreach (PartitionQueue queue in load.Ready)
        {
            while (queue.Take(int.MaxValue) is { } batch)
            {
                Fail(batch, error);
            }
        }
    }

    /// <summary>One batch from each ready queue, as far as a request may be large.</summary>
    private ProduceOutcome Drain(NodeLoad load)
    {
        var produce = new ProduceOutcome(load.NodeId);
        int room = options.RequestBytesMax;
        int kept = 0;
        for (int i = 0; i < load.Ready.Count; i++)
        {
            PartitionQueue queue = load.Ready[i];
            ProducerBatch? batch = queue.Take(produce.Batches.Count == 0 ? int.MaxValue : room);
            if (batch is not null)
            {
                room -= batch.ReservedBytes;
                Number(queue, batch);
                batch.Attempts++;
                queue.InFlight++;
                produce.Batches.Add(batch);
            }

            // A queue is drained again in the same turn only if it has a full batch waiting.
            if (batch is null || queue.HasFull)
            {
                load.Ready[kept++] = queue;
            }
        }

        load.Ready.RemoveRange(kept, load.Ready.Count - kept);
        return produce;
    }

    private void Number(PartitionQueue queue, ProducerBatch batch)
    {
        if (Sequencing.IsNumbered && batch.BaseSequence < 0)
        {
            queue.Number(batch);
        }

        if (batch.Attempts == 0 || Sequencing.IsNumbered)
        {
            ProducerIdentity identity = Sequencing.IdentityOf(queue);
            batch.Seal(options, identity.ProducerId, identity.Epoch);
        }
    }

    private async Task SendAsync(KafkaConnection connection, ProduceOutcome produce)
    {
        try
        {
            var request = new ProduceRequest
            {
                TransactionalId = options.TransactionalId,
                Acks = (short)options.Acks,
                TimeoutMs = (int)Math.Min(int.MaxValue, options.RequestTimeout.TotalMilliseconds),
                TopicData = produce.ToTopics(),
            };
            short version = connection.VersionOf(ApiUse.Produce);
            if (options.Acks == Acks.None)
            {
                await connection.SendOnlyAsync(ApiUse.Produce, version, request).ConfigureAwait(false);
            }
            else
            {
                using Answer<ProduceResponse> answer = await connection.SendAsync<ProduceResponse>(ApiUse.Produce, version, request, isPooled: false).ConfigureAwait(false);
                produce.Response = answer.Message;
            }
        }
        catch (KafkaClientException error)
        {
            produce.Error = error;
        }
#pragma warning disable CA1031 // Whatever it is, the records' senders must be told.
        catch (Exception error)
#pragma warning restore CA1031
        {
            produce.Error = new KafkaClientException(KafkaErrorCode.UnknownServerError, $"A produce request could not be sent: {error.Message}", error);
        }

        _outcomes.Enqueue(produce);
        signal.Set();
    }

    private void Take(ProduceOutcome outcome)
    {
        _loads[outcome.NodeId].InFlight--;
        _inFlight--;
        foreach (ProducerBatch batch in outcome.Batches)
        {
            batch.Queue.InFlight--;
            if (outcome.Error is { } error)
            {
                RetryOrFail(batch, error.ErrorCode, error);
            }
            else if (options.Acks == Acks.None)
            {
                accumulator.Complete(batch, -1, -1, null);
            }
            else if (outcome.Find(batch.Queue.Partition) is { } answer)
            {
                Take(batch, answer);
            }
            else
            {
                RetryOrFail(batch, KafkaErrorCode.UnknownServerError, new KafkaClientException($"The broker's answer lacks {batch.Queue.Partition}."));
            }
        }
    }

    private void Take(ProducerBatch batch, ProduceResponse.PartitionProduceResponse answer)
    {
        switch (answer.ErrorCode)
        {
            case KafkaErrorCode.None:
                batch.Queue.Finish(batch);
                accumulator.Complete(batch, answer.BaseOffset, answer.LogAppendTimeMs, null);
                break;
            case KafkaErrorCode.DuplicateSequenceNumber:
                // The broker has it, but no longer knows where.
                batch.Queue.Finish(batch);
                accumulator.Complete(batch, -1, -1, null);
                break;
            default:
                string? detail = answer.ErrorMessage ?? answer.RecordErrors.FirstOrDefault()?.BatchIndexErrorMessage;
                RetryOrFail(batch, answer.ErrorCode, KafkaClientException.Of(answer.ErrorCode, $"Sending {batch.Count} records to {batch.Queue.Partition}", detail));
                break;
        }
    }

    private void RetryOrFail(ProducerBatch batch, KafkaErrorCode code, KafkaClientException error)
    {
        if (code.IsStaleMetadata())
        {
            metadata.Invalidate();
        }

        bool isBehind = code == KafkaErrorCode.OutOfOrderSequenceNumber && batch.BaseSequence >= 0 && batch.Queue.MayGoAgain(batch);
        long now = options.Time.GetTimestamp();
        if ((code.IsRetriable() || isBehind) && now - batch.CreatedAt < _deliveryTicks)
        {
            batch.NotBefore = now + Ticks(options, options.Backoff(batch.Attempts));
            batch.Queue.PutBack(batch);
        }
        else
        {
            Fail(batch, error);
        }
    }

    private void Fail(ProducerBatch batch, KafkaClientException error)
    {
        batch.Queue.Drop(batch);
        Sequencing.OnFailed(batch, error);
        accumulator.Complete(batch, -1, -1, error);
    }

    /// <summary>What is on its way to a broker, and what may go next.</summary>
    private sealed class NodeLoad(int nodeId)
    {
        public int NodeId => nodeId;

        public int InFlight { get; set; }

        public List<PartitionQueue> Ready { get; } = [];
    }
}
