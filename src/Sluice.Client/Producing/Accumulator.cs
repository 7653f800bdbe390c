using System.Collections.Concurrent;
using Sluice.Base.Buffers;
using Sluice.Client.Records;

namespace Sluice.Client.Producing;

/// <summary>Gathers records into batches by partition, within a limit of memory. Thread-safe; the sender alone takes batches out.</summary>
internal sealed class Accumulator(ProducerOptions options, BufferPool pool)
{
    /// <summary>Batches kept for use again.</summary>
    private const int BatchesKeptMax = 1024;

    private readonly ConcurrentDictionary<string, PartitionQueue[]> _topics = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<PartitionQueue> _activated = new();
    private readonly Stack<ProducerBatch> _free = new();
    private readonly HashSet<ProducerBatch> _incomplete = [];
    private readonly Lock _sync = new();
    private int _flushes;
    private volatile bool _isClosed;

    public BufferMemory Memory { get; } = new(options.BufferBytes);

    public int BatchBytes => options.BatchBytes;

    public long Now => options.Time.GetTimestamp();

    public bool IsClosed => _isClosed;

    /// <summary>Batches should go although they are not full.</summary>
    public bool IsUrgent => Volatile.Read(ref _flushes) > 0 || _isClosed || Memory.HasWaiters;

    /// <summary>All queues there are; they stay as long as the producer.</summary>
    public IEnumerable<PartitionQueue> Queues => _topics.Values.SelectMany(queues => queues);

    public bool HasIncomplete
    {
        get
        {
            lock (_sync)
            {
                return _incomplete.Count > 0;
            }
        }
    }

    /// <summary>The queue of a partition of a topic that has so many.</summary>
    public PartitionQueue Queue(string topic, int partition, int partitionCount) =>
        _topics.TryGetValue(topic, out PartitionQueue[]? queues) && partition < queues.Length ? queues[partition] : AddQueues(topic, partitionCount)[partition];

    /// <summary>Memory for a batch that begins with this record.</summary>
    public int BytesFor(in RecordFields fields) =>
        BufferPool.SizeFor(Math.Max(options.BatchBytes, BatchHeader.Bytes + RecordEncoder.SizeMax(fields.Key.Length, fields.Value.Length, fields.HeadersBytes)));

    public ProducerBatch TakeBatch()
    {
        lock (_sync)
        {
            return _free.TryPop(out ProducerBatch? batch) ? batch : new ProducerBatch(pool);
        }
    }

    public void Began(ProducerBatch batch)
    {
        lock (_sync)
        {
            _incomplete.Add(batch);
        }
    }

    public void Activate(PartitionQueue queue) => _activated.Enqueue(queue);

    /// <summary>Moves the queues that have got something to send since the last call to the sender's list.</summary>
    public void TakeActivated(List<PartitionQueue> active)
    {
        while (_activated.TryDequeue(out PartitionQueue? queue))
        {
            active.Add(queue);
        }
    }

    /// <summary>Tells all who wait for the batch's records, and gives its memory back.</summary>
    public void Complete(ProducerBatch batch, long baseOffset, long logAppendTimeMs, KafkaClientException? error)
    {
        batch.Tell(baseOffset, logAppendTimeMs, error);
        int reserved = batch.ReservedBytes;
        TaskCompletionSource? done;
        lock (_sync)
        {
            _incomplete.Remove(batch);
            done = batch.Release();
            if (_free.Count < BatchesKeptMax)
            {
                _free.Push(batch);
            }
        }

        done?.SetResult();
        Memory.Release(reserved);
    }

    /// <summary>Waits until everything that was added so far is acknowledged or has failed; batches do not linger meanwhile.</summary>
    /// <param name="wake">Wakes the sender.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task FlushAsync(Action wake, CancellationToken cancel)
    {
        Task all;
        lock (_sync)
        {
            all = Task.WhenAll(_incomplete.Select(batch => batch.WhenDoneAsync()));
        }

        Interlocked.Increment(ref _flushes);
        try
        {
            wake();
            await all.WaitAsync(cancel).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _flushes);
        }
    }

    private PartitionQueue[] AddQueues(string topic, int partitionCount)
    {
        lock (_sync)
        {
            PartitionQueue[] queues = _topics.GetValueOrDefault(topic) ?? [];
            if (queues.Length < partitionCount)
            {
                queues = [.. queues, .. Enumerable.Range(queues.Length, partitionCount - queues.Length).Select(index => new PartitionQueue(new TopicPartition(topic, index), this))];
                _topics[topic] = queues;
            }

            return queues;
        }
    }

    /// <summary>Takes no more.</summary>
    public void Close() => _isClosed = true;

    /// <summary>Fails what waits to be sent. The sender's alone. Returns whether any of it had sequence numbers.</summary>
    public bool FailQueued(KafkaClientException error)
    {
        bool wasNumbered = false;
        foreach (PartitionQueue queue in Queues)
        {
            ProducerBatch? batch = queue.TakeAll();
            while (batch is not null)
            {
                ProducerBatch? next = batch.Next;
                wasNumbered |= batch.BaseSequence >= 0;
                queue.Drop(batch);
                Complete(batch, -1, -1, error);
                batch = next;
            }
        }

        return wasNumbered;
    }
}
