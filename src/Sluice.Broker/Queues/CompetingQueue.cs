using Microsoft.Extensions.Logging;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

#pragma warning disable CA1001 // A queue ends by being closed, which disposes its lanes.
/// <summary>
/// A classic or quorum queue: consumers compete for its messages. Path of a message: <see cref="Append"/> puts a turn's batch into the lane's
/// log; <see cref="Dispatch"/> reads it back in order and hands it to consumers that can take it; Settle, Requeue or Reject end the delivery.
/// </summary>
internal sealed class CompetingQueue : StoredQueue
{
    private readonly LaneSet _lanes;
    private QueueTimers _timers;
    private ConsumerList? _consumers;
    private DeadLetterPump? _deadLetters;
    private ReadyBytes? _readyBytes;
    private bool _hadConsumer;
    private bool _mayHoldOwnTtl;
    private long _freshTimestampMs = long.MaxValue;

    public CompetingQueue(VirtualHost host, QueueDefinition definition, QueueSettings settings, object? owner, IReadOnlyList<Log> logs)
        : base(host, definition, settings, owner)
    {
        var lanes = new Lane[logs.Count];
        for (int i = 0; i < lanes.Length; i++)
        {
            lanes[i] = new Lane(i, logs[i]);
        }

        _lanes = new LaneSet(this, lanes);
        _mayHoldOwnTtl = _lanes.Ready > 0;
        _readyBytes = StartReadyBytes();
        _timers = new QueueTimers(this);
        if (settings.ExpiresMs >= 0 || settings.MessageTimeToLiveMs >= 0 || _mayHoldOwnTtl)
        {
            lock (Gate)
            {
                _timers.Touch();
                DropExpired();
            }
        }
    }

    public override IReadOnlyList<LogId> LogIds => _lanes.LogIds;

    public override long ReadyCount
    {
        get
        {
            lock (Gate)
            {
                return _lanes.Ready;
            }
        }
    }

    public override long UnsettledCount
    {
        get
        {
            lock (Gate)
            {
                return _lanes.Out;
            }
        }
    }

    public override int ConsumerCount => _consumers?.Count ?? 0;

    public override IReadOnlyList<Consumer> Consumers
    {
        get
        {
            lock (Gate)
            {
                return _consumers?.ToList() ?? [];
            }
        }
    }

    public override bool NeedsEntries => CurrentSettings.Overflow != OverflowMode.DropHead && (CurrentSettings.MaxLength >= 0 || CurrentSettings.MaxLengthBytes >= 0);

    public override Exception? Failure => _lanes.Failure;

    public Lane LaneAt(int level) => _lanes[level];

    public override int LaneFor(byte priority) => Math.Min(priority, _lanes.Count - 1);

    public override void Touch()
    {
        lock (Gate)
        {
            if (!Closed)
            {
                _timers.Touch();
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

            _consumers ??= new ConsumerList { SingleActive = CurrentSettings.SingleActiveConsumer };
            if (consumer.Exclusive && _consumers.SingleActive)
            {
                return new BrokerResult(BrokerStatus.ExclusiveUse, $"queue '{Name}' in vhost '{Host.Name}' has a single active consumer and takes no exclusive one");
            }

            if (_consumers.HasExclusive || (consumer.Exclusive && _consumers.Count > 0))
            {
                return new BrokerResult(BrokerStatus.ExclusiveUse, $"queue '{Name}' in vhost '{Host.Name}' in exclusive use");
            }

            _hadConsumer = true;
            _consumers.Add(consumer);
            _timers.Touch();
            Dispatch();
            return BrokerResult.Ok;
        }
    }

    public override void RemoveConsumer(Consumer consumer)
    {
        bool delete;
        lock (Gate)
        {
            if (_consumers is null || !_consumers.Remove(consumer))
            {
                return;
            }

            delete = Definition.AutoDelete && _hadConsumer && _consumers.Count == 0 && !Closed;
            _timers.Touch();
            Dispatch();
        }

        if (delete)
        {
            Host.DeleteInBackground(this, "its last consumer has gone (auto-delete)");
        }
    }

    public override void Resume(Consumer consumer)
    {
        lock (Gate)
        {
            Dispatch();
        }
    }

    public override int Admits(Stage stage, long countAhead, long bytesAhead) => NeedsEntries && stage.HasEntries
        ? LengthLimit.Admit(CurrentSettings, _lanes.Ready + countAhead + (_deadLetters?.HeldCount ?? 0), BytesReady() + bytesAhead, stage.Entries)
        : stage.Builder.Count;

    public override JournalPosition Append(Stage stage, JournalGroup? group, List<ulong> rejected)
    {
        if (Closed)
        {
            return JournalPosition.None;
        }

        int count = stage.Builder.Count;
        int admitted = Admits(stage, 0, 0);
        if (admitted < count)
        {
            for (int i = admitted; i < count; i++)
            {
                rejected.Add(stage.Entries[i].Ticket);
            }

            if (CurrentSettings.Overflow == OverflowMode.RejectPublishDeadLetter && CurrentSettings.DeadLetterExchange is not null)
            {
                stage.KeepRefused(admitted);
            }

            if (admitted == 0)
            {
                return JournalPosition.None;
            }

            stage.Truncate(admitted);
        }

        _mayHoldOwnTtl |= stage.HasTimeToLive;
        AppendResult appended = _lanes[stage.Lane].Log.Append(stage.Builder.Seal(), stage.Promise, group);
        _readyBytes?.Added(stage.BodyBytes);
        return appended.Position;
    }

    public override void AfterAppend()
    {
        // What has just come may go to a waiting consumer even with a TTL of 0: nothing appended from now on counts as expired in this dispatch.
        _freshTimestampMs = Host.NowMs - 1;
        Dispatch();
        _freshTimestampMs = long.MaxValue;
        EnforceLength();
        DropExpired();
    }

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

                _timers.Touch();
                DropExpired();
                Lane? lane = _lanes.PeekNext(out RecordView record, out bool redelivered, out Lane? loading);
                if (lane is not null)
                {
                    var delivery = new Delivery { Id = new MessageId(lane.Level, record.Offset), Redelivered = redelivered };
                    MessageRecord.Read(record, out delivery.Message);
                    CountDeliveries(lane, ref delivery);
                    long offset = record.Offset;
                    int bodyLength = record.Value.Length;
                    sink.Take(delivery, _lanes.Ready - 1);
                    lane.Take();
                    _readyBytes?.Taken(delivery.Id, bodyLength);
                    if (autoSettle)
                    {
                        lane.SettleTaken(offset);
                        _readyBytes?.Settled(delivery.Id);
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
                SettleLocked(messages, null);
            }
        }
    }

    public override void SettleInGroup(ReadOnlySpan<MessageId> messages, JournalGroup group)
    {
        if (!Closed)
        {
            SettleLocked(messages, group);
        }
    }

    public override void Requeue(ReadOnlySpan<MessageId> messages, bool delivered = true)
    {
        lock (Gate)
        {
            if (Closed)
            {
                return;
            }

            foreach (MessageId id in messages)
            {
                Lane lane = _lanes[id.Lane];
                if (lane.Cursor.IsSettled(id.Offset))
                {
                    continue;
                }

                if (delivered && CurrentSettings.Kind == QueueKind.Quorum)
                {
                    int count = lane.Cursor.DeliveryCount(id.Offset) + 1;
                    if (CurrentSettings.DeliveryLimit >= 0 && count > CurrentSettings.DeliveryLimit)
                    {
                        Kill(id, DeathReason.DeliveryLimit);
                        continue;
                    }

                    lane.Cursor.SetDeliveryCount(id.Offset, count);
                }

                lane.Return(id.Offset, delivered);
                _readyBytes?.Returned(id);
            }

            Dispatch();
            EnforceLength();
            DropExpired();
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
                Kill(id, DeathReason.Rejected);
            }
        }
    }

    public override long Purge()
    {
        lock (Gate)
        {
            long purged = _lanes.Purge();
            _readyBytes?.Clear();
            return purged;
        }
    }

    public override void ApplySettings(QueueSettings settings)
    {
        base.ApplySettings(settings);
        lock (Gate)
        {
            _readyBytes = StartReadyBytes();
            _timers.Touch();
            EnforceLength();
            DropExpired();
        }
    }

    public override IReadOnlyList<Consumer> Close()
    {
        lock (Gate)
        {
            Closed = true;
            _timers.Dispose();
            _lanes.Dispose();
            IReadOnlyList<Consumer> consumers = _consumers?.ToList() ?? [];
            _consumers = null;
            return consumers;
        }
    }

    /// <summary>A load from the disk ended. Gate held.</summary>
    public void LoadEnded(Lane lane, IOException? error)
    {
        if (Closed)
        {
            return;
        }

        if (error is not null)
        {
            _lanes.Isolate(lane, error);
        }

        Dispatch();
        EnforceLength();
        DropExpired();
    }

    /// <summary>The head may have expired.</summary>
    public void HeadTimerFired()
    {
        lock (Gate)
        {
            if (!Closed)
            {
                _timers.HeadFired();
                DropExpired();
            }
        }
    }

    /// <summary>The queue may have been unused for long enough to go (x-expires).</summary>
    public void UnusedTimerFired()
    {
        lock (Gate)
        {
            if (Closed || !_timers.IsUnused(_consumers is { Count: > 0 }))
            {
                return;
            }
        }

        Host.DeleteInBackground(this, "it was not used for its time (expires)");
    }

    private void SettleLocked(ReadOnlySpan<MessageId> messages, JournalGroup? group)
    {
        if (_readyBytes is not null)
        {
            foreach (MessageId id in messages)
            {
                _readyBytes.Settled(id);
            }
        }

        if (_lanes.Count == 1)
        {
            // Lane 0: an id is its offset.
            _lanes[0].SettleTaken(System.Runtime.InteropServices.MemoryMarshal.Cast<MessageId, long>(messages), group);
            return;
        }

        foreach (MessageId id in messages)
        {
            _lanes[id.Lane].SettleTaken(id.Offset, group);
        }
    }

    /// <summary>Serves consumers while one can take and a message is ready. Gate held.</summary>
    private void Dispatch()
    {
        if (_consumers is null || Closed)
        {
            return;
        }

        Lane? runLane = null;
        long runFrom = 0, runTo = 0;
        bool any = false;
        while (_consumers.AnyReady())
        {
            Lane? lane = _lanes.PeekNext(out RecordView record, out bool redelivered, out _);
            if (lane is null)
            {
                break;
            }

            var delivery = new Delivery { Id = new MessageId(lane.Level, record.Offset), Redelivered = redelivered };
            MessageRecord.Read(record, out delivery.Message);
            if (IsExpired(delivery.Message) && delivery.Message.TimestampMs < _freshTimestampMs)
            {
                TakeToKill(lane, record, DeathReason.Expired);
                continue;
            }

            Consumer? consumer = _consumers.NextReady();
            if (consumer is null)
            {
                break;
            }

            CountDeliveries(lane, ref delivery);
            long offset = record.Offset;
            int bodyLength = record.Value.Length;
            consumer.Deliver(delivery);
            any = true;
            bool inOrder = lane.Take();
            _readyBytes?.Taken(delivery.Id, bodyLength);
            if (!consumer.AutoSettle)
            {
                continue;
            }

            _readyBytes?.Settled(delivery.Id);
            if (!inOrder)
            {
                lane.SettleTaken(offset);
            }
            else if (runLane == lane && runTo == offset)
            {
                runTo = offset + 1;
            }
            else
            {
                runLane?.SettleTakenRange(runFrom, runTo);
                runLane = lane;
                runFrom = offset;
                runTo = offset + 1;
            }
        }

        runLane?.SettleTakenRange(runFrom, runTo);
        if (any)
        {
            _consumers.EndRun();
            _lanes.Prefetch();
        }
    }

    private void CountDeliveries(Lane lane, ref Delivery delivery)
    {
        if (CurrentSettings.Kind == QueueKind.Quorum)
        {
            delivery.DeliveryCount = lane.Cursor.DeliveryCount(delivery.Id.Offset);
            delivery.Redelivered |= delivery.DeliveryCount > 0;
        }
    }

    /// <summary>Ends a message that was taken: dead-letters it, or drops it. Gate held.</summary>
    private void Kill(MessageId id, DeathReason reason)
    {
        _readyBytes?.Settled(id);
        if (CurrentSettings.DeadLetterExchange is null)
        {
            _lanes[id.Lane].SettleTaken(id.Offset);
            return;
        }

        (_deadLetters ??= new DeadLetterPump(this, Host.Logger)).Add(id, reason);
    }

    /// <summary>Takes the message just peeked out of the ready ones and ends it. Gate held.</summary>
    private void TakeToKill(Lane lane, scoped in RecordView record, DeathReason reason)
    {
        var id = new MessageId(lane.Level, record.Offset);
        int bodyLength = record.Value.Length;
        lane.Take();
        _readyBytes?.Taken(id, bodyLength);
        Kill(id, reason);
    }

    /// <summary>Drops from the head while over a length limit (drop-head). The head is the message that would be delivered next, so the highest priority goes first, as in RabbitMQ. Gate held.</summary>
    private void EnforceLength()
    {
        if ((CurrentSettings.MaxLength < 0 && CurrentSettings.MaxLengthBytes < 0) || CurrentSettings.Overflow != OverflowMode.DropHead)
        {
            return;
        }

        for (int level = _lanes.Count - 1; level >= 0 && LengthLimit.IsOver(CurrentSettings, _lanes.Ready, BytesReady());)
        {
            Lane lane = _lanes[level];
            switch (_lanes.Peek(lane, out RecordView record, out _))
            {
                case PeekResult.Record:
                    TakeToKill(lane, record, DeathReason.MaxLength);
                    break;
                case PeekResult.NeedsLoad:
                    return;
                default:
                    level--;
                    break;
            }
        }
    }

    /// <summary>Drops expired messages at the head and arms the timer for the next. Gate held.</summary>
    private void DropExpired()
    {
        if (CurrentSettings.MessageTimeToLiveMs < 0 && !_mayHoldOwnTtl)
        {
            return;
        }

        long next = long.MaxValue;
        for (int level = 0; level < _lanes.Count; level++)
        {
            Lane lane = _lanes[level];
            while (_lanes.Peek(lane, out RecordView record, out _) == PeekResult.Record)
            {
                MessageRecord.Read(record, out MessageView message);
                if (!IsExpired(message))
                {
                    next = Math.Min(next, ExpiresAt(message));
                    break;
                }

                TakeToKill(lane, record, DeathReason.Expired);
            }
        }

        _mayHoldOwnTtl = _mayHoldOwnTtl && _lanes.Ready + _lanes.Out > 0;
        _timers.ExpireAt(next);
    }

    private long ExpiresAt(in MessageView message)
    {
        long byQueue = CurrentSettings.MessageTimeToLiveMs < 0 ? long.MaxValue : message.TimestampMs + CurrentSettings.MessageTimeToLiveMs;
        long byMessage = message.ExpiresAtMs < 0 ? long.MaxValue : message.ExpiresAtMs;
        return Math.Min(byQueue, byMessage);
    }

    private bool IsExpired(in MessageView message)
    {
        long at = ExpiresAt(message);
        return at != long.MaxValue && at <= Host.NowMs;
    }

    private long BytesReady() => _readyBytes?.Total ?? 0;

    /// <summary>Begins to count body bytes if there is a byte limit. What is there already is estimated from the log's size.</summary>
    private ReadyBytes? StartReadyBytes() => CurrentSettings.MaxLengthBytes < 0
        ? null
        : new ReadyBytes(_lanes.EstimateBytes());
}
