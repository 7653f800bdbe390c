using Microsoft.Extensions.Logging;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Topics;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>
/// A stream: a log that each consumer reads from its own position and nobody settles; messages go by retention.
/// Acknowledgements only give credit.
/// </summary>
internal sealed class StreamQueue : StoredQueue
{
    private readonly Log _log;
    private readonly List<Subscription> _subscriptions = [];
    private readonly List<Consumer> _competing = [];

    public StreamQueue(VirtualHost host, QueueDefinition definition, QueueSettings settings, object? owner, Log log)
        : base(host, definition, settings, owner) => _log = log;

    /// <summary>The partition of a topic that this stream is; null while it is made, and if no topic can have its name.</summary>
    public TopicPartition? Partition { get; set; }

    public Log Log => _log;

    public override IReadOnlyList<LogId> LogIds => [_log.Id];

    public override Exception? Failure => _log.PromiseFailure;

    public override long ReadyCount => _log.NextOffset - _log.StartOffset;

    public override long UnsettledCount => 0;

    public override int ConsumerCount
    {
        get
        {
            lock (Gate)
            {
                return _subscriptions.Count + _competing.Count;
            }
        }
    }

    public override IReadOnlyList<Consumer> Consumers
    {
        get
        {
            lock (Gate)
            {
                return [.. _subscriptions.Select(static subscription => subscription.Consumer), .. _competing];
            }
        }
    }

    public static RetentionPolicy Retention(QueueSettings settings) => new(
        BehindCursor: false,
        BytesMax: settings.MaxLengthBytes < 0 ? null : settings.MaxLengthBytes,
        AgeMsMax: settings.MaxAgeMs < 0 ? null : settings.MaxAgeMs,
        SegmentBytes: settings.SegmentBytes < 0 ? null : settings.SegmentBytes);

    public override bool IsOnePartition => Partition is { Topic: { Definition.IsQueue: false, Partitions.Count: > 1 } };

    public override bool IsInternal => Partition is { Topic: { Definition.IsInternal: true } };

    public override int LaneFor(byte priority) => 0;

    public override void Touch()
    {
    }

    public override BrokerResult AddConsumer(Consumer consumer)
    {
        StreamStart start = consumer.Start ?? new StreamStart(StreamStartKind.Next);
        lock (Gate)
        {
            if (Closed)
            {
                return new BrokerResult(BrokerStatus.NotFound, $"no queue '{Name}' in vhost '{Host.Name}'");
            }

            if (CheckExclusive(consumer) is { IsOk: false } refusal)
            {
                return refusal;
            }

            long offset = StartOffset(start);
            var subscription = new Subscription(this, consumer, _log.OpenCommittedReader(offset), offset);
            _subscriptions.Add(subscription);
            if (start.Kind == StreamStartKind.Timestamp)
            {
                subscription.Seek(start.Value);
            }
            else
            {
                subscription.Serve();
            }

            return BrokerResult.Ok;
        }
    }

    /// <summary>A consumer of a share group reads it too, which serves it; it is counted here, and the stream can be another's alone no more.</summary>
    public BrokerResult Attach(Consumer consumer)
    {
        lock (Gate)
        {
            BrokerResult result = CheckExclusive(consumer);
            if (result.IsOk)
            {
                _competing.Add(consumer);
            }

            return result;
        }
    }

    /// <summary>It reads it no more.</summary>
    public void Detach(Consumer consumer)
    {
        lock (Gate)
        {
            _competing.Remove(consumer);
        }
    }

    public override void RemoveConsumer(Consumer consumer)
    {
        lock (Gate)
        {
            Subscription? subscription = _subscriptions.Find(candidate => ReferenceEquals(candidate.Consumer, consumer));
            if (subscription is not null)
            {
                _subscriptions.Remove(subscription);
                subscription.End();
            }
        }
    }

    public override void Resume(Consumer consumer)
    {
        lock (Gate)
        {
            _subscriptions.Find(candidate => ReferenceEquals(candidate.Consumer, consumer))?.Serve();
        }
    }

    public override ValueTask<bool> GetAsync(bool autoSettle, IDeliverySink sink) =>
        throw new InvalidOperationException("A stream has no get; the protocol must refuse it (Unsupported).");

    public override JournalPosition Append(Stage stage, JournalGroup? group, List<ulong> rejected) =>
        Closed ? JournalPosition.None : _log.Append(stage.Builder.Seal(), stage.Promise, group).Position;

    public override void AfterAppend()
    {
        foreach (Subscription subscription in _subscriptions)
        {
            subscription.Serve();
        }

        Partition?.OnChanged();
    }

    public override void Settle(ReadOnlySpan<MessageId> messages)
    {
    }

    public override void SettleInGroup(ReadOnlySpan<MessageId> messages, JournalGroup group)
    {
    }

    public override void Requeue(ReadOnlySpan<MessageId> messages)
    {
    }

    public override void Reject(ReadOnlySpan<MessageId> messages)
    {
    }

    /// <summary>A stream cannot be purged; the protocol refuses it.</summary>
    public override long Purge() => throw new InvalidOperationException("A stream cannot be purged; the protocol must refuse it (Unsupported).");

    public override void ApplySettings(QueueSettings settings)
    {
        base.ApplySettings(settings);
        if (Partition is null)
        {
            _log.SetRetention(Retention(settings));
        }
        else if (Partition.Topic is { Definition.IsQueue: true } topic)
        {
            topic.Configure(topic.Definition with { Config = TopicConfig.Of(settings) });
        }
    }

    protected override IReadOnlyList<Consumer> End()
    {
        List<Consumer> consumers = _subscriptions.ConvertAll(subscription => subscription.Consumer);
        foreach (Subscription subscription in _subscriptions)
        {
            subscription.End();
        }

        _subscriptions.Clear();
        Partition?.OnChanged();
        return consumers;
    }

    private BrokerResult CheckExclusive(Consumer consumer) =>
        _subscriptions.Count + _competing.Count > 0 && (consumer.Exclusive || _subscriptions is [{ Consumer.Exclusive: true }])
            ? new BrokerResult(BrokerStatus.ExclusiveUse, $"queue '{Name}' in vhost '{Host.Name}' in exclusive use")
            : BrokerResult.Ok;

    private long StartOffset(StreamStart start) => start.Kind switch
    {
        StreamStartKind.First => _log.StartOffset,
        StreamStartKind.Last => _log.LastBatchOffset,
        StreamStartKind.Next => _log.NextOffset,
        StreamStartKind.Offset => Math.Clamp(start.Value, _log.StartOffset, Math.Max(_log.StartOffset, start.Value)),
        // Where a time begins is found by reading the files: see Subscription.Seek.
        _ => _log.StartOffset,
    };

    /// <summary>One consumer's position. Guarded by the queue's lock, but for the load.</summary>
    private sealed class Subscription(StreamQueue queue, Consumer consumer, LogReader reader, long from) : IThreadPoolWorkItem
    {
        private long _from = from;
        private long? _seekTimestamp;
        private bool _loading;
        private bool _ended;
        private bool _failed;
        private long _loadOffset;

        public Consumer Consumer => consumer;

        /// <summary>Begins at the first record of the time or after it, once that is found off the lock.</summary>
        public void Seek(long timestampMs)
        {
            _seekTimestamp = timestampMs;
            _loading = true;
            queue.Host.Scheduler.Post(this);
        }

        public void Serve()
        {
            if (_ended || _failed || _seekTimestamp is not null)
            {
                return;
            }

            bool any = false;
            while (consumer.CanTake)
            {
                PeekResult result;
                RecordView record;
                try
                {
                    result = reader.TryPeek(out record);
                }
                catch (LogFailedException e)
                {
                    Fail(e);
                    break;
                }

                if (result == PeekResult.NeedsLoad)
                {
                    Load(reader.NextOffset);
                    break;
                }

                if (result == PeekResult.EndOfLog)
                {
                    break;
                }

                if (record.Offset >= _from)
                {
                    var delivery = new Delivery { Id = new MessageId(0, record.Offset) };
                    MessageRecord.Read(record, out delivery.Message);
                    consumer.Deliver(delivery);
                    any = true;
                }

                reader.Advance();
            }

            if (any)
            {
                consumer.EndRun();
                if (reader.WantsPrefetch(out long offset))
                {
                    Load(offset);
                }
            }
        }

        public void End()
        {
            _ended = true;
            if (!_loading)
            {
                reader.Dispose();
            }
        }

        public void Execute()
        {
            LogWindow? window = null;
            long? found = null;
            IOException? failure = null;
            try
            {
                if (_seekTimestamp is { } timestamp)
                {
                    found = queue._log.FindOffset(timestamp);
                }
                else
                {
                    window = queue._log.LoadWindow(_loadOffset);
                }
            }
            catch (IOException e)
            {
                failure = e;
            }

            lock (queue.Gate)
            {
                _loading = false;
                if (_ended)
                {
                    window?.Dispose();
                    reader.Dispose();
                    return;
                }

                if (failure is not null)
                {
                    Fail(failure);
                    return;
                }

                if (found is { } offset)
                {
                    _seekTimestamp = null;
                    _from = offset;
                    reader.Seek(offset);
                }

                if (window is not null)
                {
                    reader.Attach(window);
                }

                Serve();
            }
        }

        private void Fail(IOException error)
        {
            _failed = true;
            queue.Host.Logger.LogError(error, "Stream '{Queue}' in virtual host '{Host}' stopped serving consumer '{Consumer}': a part of its log cannot be read. Stop the broker and run 'sluice verify' on its data directory", queue.Name, queue.Host.Name, consumer.Tag);
        }

        private void Load(long offset)
        {
            if (!_loading)
            {
                _loading = true;
                _loadOffset = offset;
                queue.Host.Scheduler.Post(this);
            }
        }
    }
}
