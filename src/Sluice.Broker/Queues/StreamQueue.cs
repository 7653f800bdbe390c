using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Topics;
using Sluice.Storage;

namespace Sluice.Broker.Queues;

/// <summary>
/// A stream: a log that each consumer reads from its own position and nobody settles; messages go by retention.
/// Acknowledgements only give credit.
/// </summary>
internal sealed class StreamQueue : StoredQueue
{
    private readonly Log _log;
    private readonly List<StreamSubscription> _subscriptions = [];
    private readonly List<Consumer> _competing = [];
    private WriteWait? _write;

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
            var subscription = new StreamSubscription(this, consumer, _log.OpenCommittedReader(offset), offset);
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
            StreamSubscription? subscription = _subscriptions.Find(candidate => ReferenceEquals(candidate.Consumer, consumer));
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
        ServeAll();
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
        foreach (StreamSubscription subscription in _subscriptions)
        {
            subscription.End();
        }

        _subscriptions.Clear();
        Partition?.OnChanged();
        return consumers;
    }

    /// <summary>
    /// Serves all consumers again once the journal has written this far: what it has not written, a kill takes back, and the offsets are given again, so that a consumer that goes on by its offset
    /// would miss what others read there. <see cref="JournalPosition.None"/>: an append is told of when it is in the journal's hands. Gate held.
    /// </summary>
    internal void ServeWhenWritten(JournalPosition position)
    {
        if (position != JournalPosition.None)
        {
            (_write ??= new WriteWait(Host, ServeWritten)).Begin(position);
        }
    }

    private void ServeWritten()
    {
        lock (Gate)
        {
            ServeAll();
        }
    }

    private void ServeAll()
    {
        foreach (StreamSubscription subscription in _subscriptions)
        {
            subscription.Serve();
        }
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
        // Where a time begins is found by reading the files: see StreamSubscription.Seek.
        _ => _log.StartOffset,
    };
}
