using Microsoft.Extensions.Logging;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>
/// A classic or quorum queue: consumers compete for its messages. Path of a message: <see cref="Append"/> puts a turn's batch into the lane's
/// log; <see cref="Dispatch"/> reads it back in order and hands it to consumers that can take it; Settle, Requeue or Reject end the delivery.
/// </summary>
internal sealed class CompetingQueue : StoredQueue
{
    private readonly Lane[] _lanes;
    private QueueTimers _timers;
    private ConsumerList? _consumers;
    private DeadLetterPump? _deadLetters;
    private ReadyBytes? _readyBytes;
    private bool _hadConsumer;
    private bool _mayHoldOwnTtl;
    private long _freshTimestampMs = long.MaxValue;
    private string? _damage;

    public CompetingQueue(VirtualHost host, QueueDefinition definition, QueueSettings settings, object? owner, IReadOnlyList<Log> logs)
        : base(host, definition, settings, owner)
    {
        _lanes = new Lane[logs.Count];
        for (int i = 0; i < _lanes.Length; i++)
        {
            _lanes[i] = new Lane(i, logs[i]);
            _mayHoldOwnTtl |= _lanes[i].ReadyCount > 0;
        }

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

    public override IReadOnlyList<LogId> LogIds => _lanes.Select(lane => lane.Log.Id).ToArray();

    public override long ReadyCount
    {
        get
        {
            lock (Gate)
            {
                return Ready;
            }
        }
    }

    public override long UnsettledCount
    {
        get
        {
            lock (Gate)
            {
                return _lanes.Sum(lane => lane.OutCount);
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

    private long Ready
    {
        get
        {
            long ready = 0;
            foreach (Lane lane in _lanes)
            {
                ready += lane.ReadyCount;
            }

            return ready;
        }
    }

    public override Exception? Failure => Array.Find(_lanes, static lane => lane.Log.PromiseFailure is not null)?.Log.PromiseFailure;

    public Lane LaneAt(int level) => _lanes[level];

    public override int LaneFor(byte priority) => Math.Min(priority, _lanes.Length - 1);

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

    public override JournalPosition Append(Stage stage, JournalGroup? group, List<ulong> rejected)
    {
        if (Closed)
        {
            return JournalPosition.None;
        }

        int count = stage.Builder.Count;
        int admitted = NeedsEntries ? LengthLimit.Admit(CurrentSettings, Ready, BytesReady(), stage.Entries) : count;
        if (admitted < count)
        {
            for (int i = admitted; i < count; i++)
            {
                rejected.Add(stage.Entries[i].Ticket);
            }

            if (CurrentSettings.Overflow == OverflowMode.RejectPublishDeadLetter && CurrentSettings.DeadLetterExchange is not null)
            {
                Host.DeadLetterRefused(this, stage.Builder.Seal(), admitted);
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
            Task load;
            lock (Gate)
            {
                if (Closed)
                {
                    return false;
                }

                _timers.Touch();
                DropExpired();
                Lane? lane = PeekNext(out RecordView record, out bool redelivered, out bool needsLoad);
                if (lane is not null)
                {
                    var delivery = new Delivery { Id = new MessageId(lane.Level, record.Offset), Redelivered = redelivered };
                    MessageRecord.Read(record, out delivery.Message);
                    CountDeliveries(lane, ref delivery);
                    long offset = record.Offset;
                    int bodyLength = record.Value.Length;
                    sink.Take(delivery, Ready - 1);
                    lane.Take();
                    _readyBytes?.Taken(delivery.Id, bodyLength);
                    if (autoSettle)
                    {
                        lane.SettleTaken(offset);
                        _readyBytes?.Settled(delivery.Id);
                    }

                    return true;
                }

                if (!needsLoad)
                {
                    return false;
                }

                load = LoadUnderWay();
            }

            await load.ConfigureAwait(false);
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
            long purged = 0;
            foreach (Lane lane in _lanes)
            {
                purged += lane.Purge();
            }

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
            foreach (Lane lane in _lanes)
            {
                lane.Dispose();
            }

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
            Isolate(lane, error);
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

        if (_lanes.Length == 1)
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
            Lane? lane = PeekNext(out RecordView record, out bool redelivered, out bool needsLoad);
            if (lane is null)
            {
                if (needsLoad)
                {
                    LoadUnderWay();
                }

                break;
            }

            var delivery = new Delivery { Id = new MessageId(lane.Level, record.Offset), Redelivered = redelivered };
            MessageRecord.Read(record, out delivery.Message);
            if (IsExpired(delivery.Message) && delivery.Message.TimestampMs < _freshTimestampMs)
            {
                lane.Take();
                Kill(delivery.Id, DeathReason.Expired);
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
            Prefetch();
        }
    }

    /// <summary>The lane and record of the next ready message, highest priority first. Gate held.</summary>
    private Lane? PeekNext(out RecordView record, out bool redelivered, out bool needsLoad)
    {
        needsLoad = false;
        record = default;
        redelivered = false;
        if (_damage is not null)
        {
            return null;
        }

        for (int i = _lanes.Length - 1; i >= 0; i--)
        {
            Lane lane = _lanes[i];
            if (lane.ReadyCount == 0)
            {
                continue;
            }

            switch (Peek(lane, out record, out redelivered))
            {
                case PeekResult.Record:
                    return lane;
                case PeekResult.NeedsLoad:
                    needsLoad = true;
                    return null;
                case PeekResult.EndOfLog:
                    break;
            }
        }

        return null;
    }

    /// <summary>Peeks; a damaged place is isolated, and what lies behind it is served. Gate held.</summary>
    private PeekResult Peek(Lane lane, out RecordView record, out bool redelivered)
    {
        while (true)
        {
            try
            {
                return lane.TryPeek(out record, out redelivered);
            }
            catch (LogFailedException e)
            {
                if (!Isolate(lane, e))
                {
                    record = default;
                    redelivered = false;
                    return PeekResult.EndOfLog;
                }
            }
        }
    }

    /// <summary>
    /// Leaves out a part of the log that cannot be read, loudly. Its messages stay unsettled, so a repaired file brings them back at the next start.
    /// False when nothing behind it can be served either. Gate held.
    /// </summary>
    private bool Isolate(Lane lane, IOException error)
    {
        if (error is LogFailedException { ResumeOffset: { } resume })
        {
            Host.Logger.LogError(error, "Queue '{Queue}' in virtual host '{Host}': messages up to offset {Offset} cannot be read and are left out until the file is repaired and the broker restarted. Stop the broker and run 'sluice verify' on its data directory", Name, Host.Name, resume);
            lane.SkipTo(resume);
            return true;
        }

        _damage = error.Message;
        Host.Logger.LogError(error, "Queue '{Queue}' in virtual host '{Host}' stopped delivering: its log cannot be read. Stop the broker and run 'sluice verify' on its data directory", Name, Host.Name);
        return false;
    }

    private Task LoadUnderWay()
    {
        for (int i = _lanes.Length - 1; i >= 0; i--)
        {
            Lane lane = _lanes[i];
            if (lane.ReadyCount == 0)
            {
                continue;
            }

            LaneLoad load = lane.Load ??= new LaneLoad(this, lane);
            if (!load.IsRunning)
            {
                load.Start(lane.LoadOffset);
            }

            return load.WhenDone();
        }

        return Task.CompletedTask;
    }

    private void Prefetch()
    {
        foreach (Lane lane in _lanes)
        {
            if (lane.WantsPrefetch(out long offset))
            {
                LaneLoad load = lane.Load ??= new LaneLoad(this, lane);
                if (!load.IsRunning)
                {
                    load.Start(offset);
                }
            }
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

    /// <summary>Drops from the head while over a length limit (drop-head). Gate held.</summary>
    private void EnforceLength()
    {
        if ((CurrentSettings.MaxLength < 0 && CurrentSettings.MaxLengthBytes < 0) || CurrentSettings.Overflow != OverflowMode.DropHead)
        {
            return;
        }

        while (LengthLimit.IsOver(CurrentSettings, Ready, BytesReady()))
        {
            // Lowest priority goes first.
            Lane? lane = Array.Find(_lanes, candidate => candidate.ReadyCount > 0);
            if (lane is null)
            {
                return;
            }

            switch (Peek(lane, out RecordView record, out _))
            {
                case PeekResult.Record:
                    var id = new MessageId(lane.Level, record.Offset);
                    int bodyLength = record.Value.Length;
                    lane.Take();
                    _readyBytes?.Taken(id, bodyLength);
                    Kill(id, DeathReason.MaxLength);
                    break;
                case PeekResult.NeedsLoad:
                    LaneLoad load = lane.Load ??= new LaneLoad(this, lane);
                    if (!load.IsRunning)
                    {
                        load.Start(lane.LoadOffset);
                    }

                    return;
                default:
                    return;
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
        bool empty = true;
        foreach (Lane lane in _lanes)
        {
            while (lane.ReadyCount > 0 && _damage is null)
            {
                PeekResult result = Peek(lane, out RecordView record, out _);
                if (result == PeekResult.NeedsLoad)
                {
                    empty = false;
                    LaneLoad load = lane.Load ??= new LaneLoad(this, lane);
                    if (!load.IsRunning)
                    {
                        load.Start(lane.LoadOffset);
                    }

                    break;
                }

                if (result != PeekResult.Record)
                {
                    break;
                }

                MessageRecord.Read(record, out MessageView message);
                if (!IsExpired(message))
                {
                    empty = false;
                    next = Math.Min(next, ExpiresAt(message));
                    break;
                }

                var id = new MessageId(lane.Level, record.Offset);
                int bodyLength = record.Value.Length;
                lane.Take();
                _readyBytes?.Taken(id, bodyLength);
                Kill(id, DeathReason.Expired);
            }
        }

        if (empty && CurrentSettings.MessageTimeToLiveMs < 0)
        {
            _mayHoldOwnTtl = _lanes.Any(lane => lane.OutCount > 0);
        }

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
        : new ReadyBytes(Ready == 0 ? 0 : _lanes.Sum(lane => lane.Log.EstimateBytes(lane.Cursor.Floor, lane.Log.NextOffset)));
}
