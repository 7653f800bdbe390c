using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Topics;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

#pragma warning disable CA1001 // A queue ends by being closed, which disposes its lanes.
/// <summary>
/// A classic or quorum queue: consumers compete for its messages. Path of a message: <see cref="Append"/> puts a turn's batch into the lane's
/// log (<see cref="QueueLimits"/>); <see cref="Dispatcher"/> reads it back in order and hands it to consumers that can take it; Settle, Requeue or Reject end the delivery.
/// </summary>
internal sealed class CompetingQueue : StoredQueue
{
    private MessageExpiry _expiry;
    private UnusedTimer _unused;
    private Dispatcher? _dispatcher;
    private DeadLetterPump? _deadLetters;
    private Topic? _asTopic;

    public CompetingQueue(VirtualHost host, QueueDefinition definition, QueueSettings settings, object? owner, IReadOnlyList<Log> logs)
        : base(host, definition, settings, owner)
    {
        var lanes = new Lane[logs.Count];
        for (int i = 0; i < lanes.Length; i++)
        {
            lanes[i] = new Lane(i, logs[i]);
        }

        Lanes = new LaneSet(this, lanes);
        _expiry = new MessageExpiry(this);
        _unused = new UnusedTimer(this);
    }

    public override IReadOnlyList<LogId> LogIds => Lanes.LogIds;

    public override long ReadyCount
    {
        get
        {
            lock (Gate)
            {
                return Lanes.Ready;
            }
        }
    }

    public override long UnsettledCount
    {
        get
        {
            lock (Gate)
            {
                return Lanes.Out;
            }
        }
    }

    public override int ConsumerCount => _dispatcher?.Count ?? 0;

    public override IReadOnlyList<Consumer> Consumers
    {
        get
        {
            lock (Gate)
            {
                return _dispatcher?.ToList() ?? [];
            }
        }
    }

    public override Consumer? ActiveConsumer => _dispatcher?.Active;

    public override bool NeedsEntries => new QueueLimits(this).Refuses;

    public override Exception? Failure => Lanes.Failure;

    /// <summary>Where its messages are. Gate held.</summary>
    public LaneSet Lanes { get; }

    /// <summary>How log clients see it; null until one asks.</summary>
    public Topic? AsTopic => _asTopic;

    /// <summary>A consumer waits for messages. Gate held.</summary>
    public bool IsAwaited => _dispatcher is { IsAwaited: true };

    /// <summary>Dead letters that count for the length limit. Gate held.</summary>
    public long HeldCount => _deadLetters?.HeldCount ?? 0;

    /// <summary>Takes what is dead-lettered. Made for the first letter. Gate held.</summary>
    public DeadLetterPump DeadLetters => _deadLetters ??= new DeadLetterPump(this, Host.Logger);

    protected override bool IsLastConsumerGone => Definition.AutoDelete && _dispatcher is { HadConsumer: true, Count: 0 } && !Closed;

    public override int LaneFor(byte priority) => Math.Min(priority, Lanes.Count - 1);

    public override void Start()
    {
        lock (Gate)
        {
            if (!Closed)
            {
                _unused.Touch();
                Lanes.CountBytes(CurrentSettings.MaxLengthBytes >= 0);
                _expiry.Drop(keepsHead: false);
            }
        }
    }

    public override void Stop()
    {
        lock (Gate)
        {
            _expiry.Dispose();
            _unused.Dispose();
        }
    }

    public override void Touch()
    {
        lock (Gate)
        {
            if (!Closed)
            {
                _unused.Touch();
            }
        }
    }

    public override BrokerResult AddConsumer(Consumer consumer)
    {
        lock (Gate)
        {
            if (Closed)
            {
                return new BrokerResult(BrokerStatus.NotFound, $"no queue '{Name}' in vhost '{Host.Name}'");
            }

            BrokerResult added = (_dispatcher ??= new Dispatcher(this)).Add(consumer);
            if (added.IsOk)
            {
                _unused.Touch();
                Dispatch();
            }

            return added;
        }
    }

    public override void RemoveConsumer(Consumer consumer)
    {
        bool isLastGone;
        lock (Gate)
        {
            if (_dispatcher is null || !_dispatcher.Remove(consumer))
            {
                return;
            }

            isLastGone = IsLastConsumerGone;
            _unused.Touch();
            Dispatch();
            if (_dispatcher.Count == 0)
            {
                Lanes.LetGo();
            }
        }

        if (isLastGone)
        {
            Host.DeleteInBackground(this, CloseConditions.LastConsumerGone, "its last consumer has gone (auto-delete)");
        }
    }

    public override void Resume(Consumer consumer)
    {
        lock (Gate)
        {
            Dispatch();
        }
    }

    public override int Admits(Stage stage, long countAhead, long bytesAhead) => new QueueLimits(this).Admits(stage, 0, countAhead, bytesAhead);

    public override JournalPosition Append(Stage stage, JournalGroup? group, List<ulong> rejected)
    {
        if (Closed)
        {
            return JournalPosition.None;
        }

        if (stage.HasTimeToLive)
        {
            _expiry.NoteOwnTtl();
        }

        return new QueueLimits(this).Append(stage, group, rejected);
    }

    public override void AfterAppend()
    {
        Dispatch();
        Lanes.EndFresh();
        ApplyLimits();
        AsTopic?.OnChanged();
    }

    /// <summary>Lets log clients see it so, unless they do in some way already; returns how they see it.</summary>
    public Topic ShowAs(Topic topic) => Interlocked.CompareExchange(ref _asTopic, topic, null) ?? topic;

    public override async ValueTask<bool> GetAsync(bool autoSettle, IDeliverySink sink)
    {
        while (true)
        {
            Task loaded;
            lock (Gate)
            {
                if (Closed)
                {
                    return false;
                }

                _unused.Touch();
                _expiry.Drop(keepsHead: true);
                Lane? lane = Lanes.PeekNext(out RecordView record, out bool redelivered, out Lane? loading);
                if (lane is not null)
                {
                    var delivery = new Delivery { Id = new MessageId(lane.Level, record.Offset), Redelivered = redelivered };
                    MessageRecord.Read(record, out delivery.Message);
                    new TakenMessages(this).CountDeliveries(lane, ref delivery);
                    int bodyLength = record.Value.Length;
                    sink.Take(delivery, Lanes.Ready - 1);
                    Lanes.Take(delivery.Id, bodyLength);
                    if (autoSettle)
                    {
                        Lanes.Settle(delivery.Id);
                    }

                    return true;
                }

                if (loading is null)
                {
                    return false;
                }

                loaded = loading.Load!.WhenDone();
            }

            await loaded.ConfigureAwait(false);
        }
    }

    public override void Settle(ReadOnlySpan<MessageId> messages)
    {
        lock (Gate)
        {
            if (!Closed)
            {
                Lanes.Settle(messages, null);
            }
        }
    }

    public override void SettleInGroup(ReadOnlySpan<MessageId> messages, JournalGroup group)
    {
        if (!Closed)
        {
            Lanes.Settle(messages, group);
        }
    }

    public override void Requeue(ReadOnlySpan<MessageId> messages)
    {
        lock (Gate)
        {
            if (Closed)
            {
                return;
            }

            new TakenMessages(this).Return(messages);
            Dispatch();
            ApplyLimits();
        }
    }

    public override void Reject(ReadOnlySpan<MessageId> messages)
    {
        lock (Gate)
        {
            if (Closed)
            {
                return;
            }

            foreach (MessageId id in messages)
            {
                new TakenMessages(this).Kill(id, DeathReason.Rejected);
            }
        }
    }

    public override long Purge()
    {
        lock (Gate)
        {
            return Lanes.Purge();
        }
    }

    public override void ApplySettings(QueueSettings settings)
    {
        base.ApplySettings(settings);
        lock (Gate)
        {
            if (Closed)
            {
                return;
            }

            Lanes.CountBytes(CurrentSettings.MaxLengthBytes >= 0);
            _unused.Touch();
            ApplyLimits();
        }
    }

    /// <summary>A load from the disk ended; <paramref name="isAwaited"/>: a get is about to take from it. Gate held.</summary>
    public void LoadEnded(Lane lane, IOException? error, bool isAwaited)
    {
        if (Closed)
        {
            return;
        }

        if (error is not null)
        {
            Lanes.Isolate(lane, error);
        }

        Dispatch();
        ApplyLimits(keepsHead: isAwaited);
        if (!isAwaited && ConsumerCount == 0 && !new QueueLimits(this).Drops)
        {
            Lanes.LetGo();
        }
    }

    /// <summary>The head may have expired.</summary>
    public void HeadTimerFired()
    {
        lock (Gate)
        {
            if (!Closed)
            {
                _expiry.Woken();
                _expiry.Drop(keepsHead: false);
            }
        }
    }

    /// <summary>The queue may have been unused for long enough to go (x-expires).</summary>
    public void UnusedTimerFired()
    {
        lock (Gate)
        {
            if (Closed || !IsUnusedForItsTime())
            {
                return;
            }
        }

        Host.DeleteInBackground(this, CloseConditions.Expired, "it was not used for its time (expires)");
    }

    /// <summary>Serves consumers while one can take and a message is ready. Gate held.</summary>
    public void Dispatch()
    {
        if (!Closed)
        {
            _dispatcher?.Run();
        }
    }

    /// <summary>Whether a message's time to live, or the queue's, is over. Gate held.</summary>
    public bool IsExpired(in MessageView message) => _expiry.IsExpired(message);

    protected override bool IsUnusedForItsTime() => _unused.IsUnused(ConsumerCount > 0);

    protected override IReadOnlyList<Consumer> End()
    {
        _expiry.Dispose();
        _unused.Dispose();
        Lanes.Dispose();
        IReadOnlyList<Consumer> consumers = _dispatcher?.ToList() ?? [];
        _dispatcher = null;
        AsTopic?.OnChanged();
        return consumers;
    }

    private void ApplyLimits(bool keepsHead = false)
    {
        new QueueLimits(this).Enforce();
        _expiry.Drop(keepsHead);
    }
}
