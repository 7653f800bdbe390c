using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Queues;
using Sluice.Broker.Topics;
using Sluice.Storage.Records;

namespace Sluice.Broker.Shares;

/// <summary>
/// A topic, or one partition of it, as the consumers of a share group here compete for it: each record goes to one of them, who settles it. All of them together are one member of
/// the group; what other members have, Kafka's too, they do not get. It is there as long as it has consumers or deliveries that are not settled.
/// Its gate comes before the locks of positions and partitions, and before that of a channel.
/// </summary>
internal sealed class ShareQueue : MessageQueue, IThreadPoolWorkItem
{
    /// <summary>An id has the partition above the offset.</summary>
    private const int PartitionShift = 48;

    private const int SettledAtOnceMax = 128;

    private readonly ConsumerList _consumers = new();
    private readonly Action<ShareQueue> _onEnd;
    private volatile ShareFeed[] _feeds;
    private int _nextFeed;
    private int _uses = 1;
    private long _unsettled;
    private int _isPosted;
    private bool _hasEnded;

    /// <summary>Made with one use, that of the consumer to come.</summary>
    public ShareQueue(VirtualHost host, string name, string group, IReadOnlyList<TopicPartition> partitions, IReadOnlyList<ISharePosition> positions, Action<ShareQueue> onEnd)
    {
        Host = host;
        Name = name;
        Group = group;
        _onEnd = onEnd;
        _feeds = [.. partitions.Select((partition, index) => new ShareFeed(this, index, partition, positions[index]))];
    }

    /// <summary>How many partitions it reads.</summary>
    public int PartitionCount => _feeds.Length;

    /// <summary>Guards consumers and feeds.</summary>
    public Lock Gate { get; } = new();

    public VirtualHost Host { get; }

    public string Group { get; }

    public override string Name { get; }

    public override QueueDefinition Definition => Stream(_feeds[0]).Definition;

    public override QueueSettings Settings => Stream(_feeds[0]).Settings;

    public override object? Owner => null;

    public override bool CountsDeliveries => true;

    /// <summary>What all its logs hold; how much of it the group has yet to get, its coordinator knows.</summary>
    public override long ReadyCount => _feeds.Sum(static feed => feed.Partition.EndOffset - feed.Partition.StartOffset);

    public override long UnsettledCount => Volatile.Read(ref _unsettled);

    public override int ConsumerCount
    {
        get
        {
            lock (Gate)
            {
                return _consumers.Count;
            }
        }
    }

    public override IReadOnlyList<Consumer> Consumers
    {
        get
        {
            lock (Gate)
            {
                return _consumers.ToList();
            }
        }
    }

    public override bool IsOpen
    {
        get
        {
            lock (Gate)
            {
                return !_hasEnded;
            }
        }
    }

    /// <summary>From now on changes are heard of.</summary>
    public void Begin()
    {
        foreach (ShareFeed feed in _feeds)
        {
            feed.Begin();
        }
    }

    /// <summary>Its topic has got more partitions, which are read from now on. Those that it reads already are passed over.</summary>
    /// <param name="first">Index of the first of them.</param>
    /// <param name="partitions">The partitions.</param>
    /// <param name="positions">Where the group is in each.</param>
    public void Extend(int first, IReadOnlyList<TopicPartition> partitions, IReadOnlyList<ISharePosition> positions)
    {
        lock (Gate)
        {
            int known = _feeds.Length - first;
            if (_hasEnded || known >= partitions.Count)
            {
                return;
            }

            ShareFeed[] added = [.. Enumerable.Range(known, partitions.Count - known).Select(at => new ShareFeed(this, first + at, partitions[at], positions[at]))];
            _feeds = [.. _feeds, .. added];
            foreach (ShareFeed feed in added)
            {
                feed.Begin();
            }

            if (!_consumers.ToList().All(consumer => added.All(feed => Stream(feed).Attach(consumer).IsOk)))
            {
                // Somebody reads a new partition alone. Who subscribes again is told so.
                Cancel();
                return;
            }
        }

        Post();
    }

    /// <summary>One more consumer is to come; false if the queue has ended. A failed <see cref="AddConsumer"/> or <see cref="RemoveConsumer"/> ends its use.</summary>
    public bool TryUse()
    {
        lock (Gate)
        {
            _uses += _hasEnded ? 0 : 1;
            return !_hasEnded;
        }
    }

    /// <summary>Subscribes; delivery begins with <see cref="Resume"/>.</summary>
    public override BrokerResult AddConsumer(Consumer consumer)
    {
        BrokerResult result = BrokerResult.Ok;
        lock (Gate)
        {
            int attached = 0;
            while (attached < _feeds.Length && result.IsOk)
            {
                result = Stream(_feeds[attached]).Attach(consumer);
                attached += result.IsOk ? 1 : 0;
            }

            if (result.IsOk)
            {
                _consumers.Add(consumer);
                return result;
            }

            Detach(consumer, attached);
            _uses--;
        }

        EndIfUnused();
        return result;
    }

    public override void RemoveConsumer(Consumer consumer)
    {
        lock (Gate)
        {
            if (!_consumers.Remove(consumer))
            {
                return;
            }

            Detach(consumer, _feeds.Length);
            _uses--;
        }

        EndIfUnused();
    }

    public override void Resume(Consumer consumer)
    {
        lock (Gate)
        {
            Serve();
        }
    }

    public override ValueTask<bool> GetAsync(bool autoSettle, IDeliverySink sink) =>
        throw new InvalidOperationException("A share group has no get; the protocol must refuse it (Unsupported).");

    public override void Settle(ReadOnlySpan<MessageId> messages) => Settle(messages, AcknowledgeType.Accept);

    public override void Requeue(ReadOnlySpan<MessageId> messages) => Settle(messages, AcknowledgeType.Release);

    public override void Reject(ReadOnlySpan<MessageId> messages) => Settle(messages, AcknowledgeType.Reject);

    /// <summary>What a group reads cannot be purged; the protocol refuses it.</summary>
    public override long Purge() => throw new InvalidOperationException("A share group cannot be purged; the protocol must refuse it (Unsupported).");

    /// <summary>Has consumers served soon. Any thread, under any lock.</summary>
    public void Post()
    {
        if (Interlocked.Exchange(ref _isPosted, 1) == 0)
        {
            Host.Scheduler.Post(this);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        Volatile.Write(ref _isPosted, 0);
        Interlocked.MemoryBarrier();
        lock (Gate)
        {
            Serve();
        }
    }

    /// <summary>Delivers as long as a consumer can take a record and there is one. Gate held.</summary>
    public void Serve()
    {
        bool any = false;
        while (!_hasEnded && _consumers.AnyReady())
        {
            ShareFeed? feed = Next(out RecordView record);
            if (feed is null || _consumers.NextReady() is not { } consumer)
            {
                break;
            }

            if (!feed.TryTake(record.Offset, out int deliveryCount))
            {
                continue;
            }

            var delivery = new Delivery { Id = IdOf(feed.Index, record.Offset), Redelivered = deliveryCount > 1, DeliveryCount = deliveryCount - 1 };
            MessageRecord.Read(record, out delivery.Message);
            _unsettled++;
            consumer.Deliver(delivery);
            any = true;
        }

        if (any)
        {
            _consumers.EndRun();
            foreach (ShareFeed feed in _feeds)
            {
                feed.Prefetch();
            }
        }
    }

    private static StreamQueue Stream(ShareFeed feed) => (StreamQueue)feed.Partition.Queue;

    private static MessageId IdOf(int partition, long offset) => new(((long)partition << PartitionShift) | offset);

    private static int PartitionOf(MessageId id) => (int)(id.Value >> PartitionShift);

    private static long OffsetOf(MessageId id) => id.Value & ((1L << PartitionShift) - 1);

    /// <summary>The partition whose turn it is, of those that have a record for the group; null if none has.</summary>
    private ShareFeed? Next(out RecordView record)
    {
        for (int i = 0; i < _feeds.Length; i++)
        {
            ShareFeed feed = _feeds[_nextFeed];
            _nextFeed = _nextFeed + 1 < _feeds.Length ? _nextFeed + 1 : 0;
            switch (feed.Peek(out record))
            {
                case FeedResult.Record:
                    return feed;
                case FeedResult.Gone:
                    Cancel();
                    return null;
            }
        }

        record = default;
        return null;
    }

    private void Settle(ReadOnlySpan<MessageId> messages, AcknowledgeType type)
    {
        Span<long> offsets = stackalloc long[SettledAtOnceMax];
        for (int next = 0; next < messages.Length;)
        {
            int partition = PartitionOf(messages[next]);
            int count = 0;
            while (count < SettledAtOnceMax && next < messages.Length && PartitionOf(messages[next]) == partition)
            {
                offsets[count++] = OffsetOf(messages[next++]);
            }

            _feeds[partition].Settle(offsets[..count], type);
        }

        lock (Gate)
        {
            _unsettled -= messages.Length;
        }

        EndIfUnused();
    }

    private void Detach(Consumer consumer, int feeds)
    {
        for (int i = 0; i < feeds; i++)
        {
            Stream(_feeds[i]).Detach(consumer);
        }
    }

    private void EndIfUnused()
    {
        lock (Gate)
        {
            if (_uses > 0 || _unsettled > 0 || !TryEnd())
            {
                return;
            }
        }

        _onEnd(this);
    }

    /// <summary>A part of what is read is gone: all consumers are told, off the gate.</summary>
    private void Cancel()
    {
        if (TryEnd())
        {
            IReadOnlyList<Consumer> consumers = _consumers.ToList();
            foreach (Consumer consumer in consumers)
            {
                _consumers.Remove(consumer);
                Detach(consumer, _feeds.Length);
            }

            Host.Scheduler.Post(new Cancellation(this, consumers));
        }
    }

    private bool TryEnd()
    {
        if (_hasEnded)
        {
            return false;
        }

        _hasEnded = true;
        foreach (ShareFeed feed in _feeds)
        {
            feed.End();
        }

        return true;
    }

    private sealed class Cancellation(ShareQueue queue, IReadOnlyList<Consumer> consumers) : IThreadPoolWorkItem
    {
        public void Execute()
        {
            queue._onEnd(queue);
            foreach (Consumer consumer in consumers)
            {
                consumer.Cancelled();
            }
        }
    }
}
