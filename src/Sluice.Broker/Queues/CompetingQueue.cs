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
        _timers = new QueueTimers(this);
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

    private bool DropsAtLimit => CurrentSettings.Overflow == OverflowMode.DropHead && (CurrentSettings.MaxLength >= 0 || CurrentSettings.MaxLengthBytes >= 0);

    public Lane LaneAt(int level) => _lanes[level];

    public override int LaneFor(byte priority) => Math.Min(priority, _lanes.Count - 1);

    public override void Start()
    {
        lock (Gate)
        {
            if (!Closed)
            {
                _timers.Touch();
                CountBytes();
                DropExpired();
            }
        }
    }

    public override void Stop()
    {
        lock (Gate)
        {
            _timers.Dispose();
        }
    }

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
        bool isLastGone;
        lock (Gate)
        {
            if (_consumers is null || !_consumers.Remove(consumer))
            {
                return;
            }

            isLastGone = IsLastConsumerGone;
            _timers.Touch();
            Dispatch();
            if (_consumers.Count == 0)
            {
                _lanes.LetGo();
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

    public override int Admits(Stage stage, long countAhead, long bytesAhead) => Admits(stage, 0, countAhead, bytesAhead);

    public override JournalPosition Append(Stage stage, JournalGroup? group, List<ulong> rejected)
    {
        if (Closed)
        {
            return JournalPosition.None;
        }

        _mayHoldOwnTtl |= stage.HasTimeToLive;
        int admitted = Admits(stage, 0, 0);
        if (admitted < stage.Builder.Count)
        {
            // What a group holds must not be delivered before its commit.
            if (group is null && _consumers is not null && _consumers.AnyReady())
            {
                return AppendInPieces(stage, admitted, rejected);
            }

            Refuse(stage, admitted, rejected);
            if (admitted == 0)
            {
                return JournalPosition.None;
            }

            stage.Truncate(admitted);
        }

        return AppendToLane(stage, stage.Builder, stage.BodyBytes, group);
    }

    public override void AfterAppend()
    {
        Dispatch();
        _lanes.EndFresh();
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
                DropExpired(keepsHead: true);
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

    public override void Requeue(ReadOnlySpan<MessageId> messages)
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

                if (CurrentSettings.Kind == QueueKind.Quorum)
                {
                    int count = lane.Cursor.DeliveryCount(id.Offset) + 1;
                    if (CurrentSettings.DeliveryLimit >= 0 && count > CurrentSettings.DeliveryLimit)
                    {
                        Kill(id, DeathReason.DeliveryLimit);
                        continue;
                    }

                    lane.Cursor.SetDeliveryCount(id.Offset, count);
                }

                lane.Return(id.Offset, redelivered: true);
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
            if (Closed)
            {
                return;
            }

            CountBytes();
            _timers.Touch();
            EnforceLength();
            DropExpired();
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
            _lanes.Isolate(lane, error);
        }

        Dispatch();
        EnforceLength();
        DropExpired(keepsHead: isAwaited);
        if (!isAwaited && ConsumerCount == 0 && !DropsAtLimit)
        {
            _lanes.LetGo();
        }
    }

    /// <summary>A part of a lane cannot be read and is left out. Gate held.</summary>
    public void ReadyMessagesLost()
    {
        if (_readyBytes is { } count)
        {
            bool isScanned = count.IsExact;
            count.Restart(_lanes);
            if (isScanned)
            {
                ScanBytes();
            }
        }
    }

    /// <summary>Whether this count is in use and a scan of it is to go on. Gate held.</summary>
    public bool IsCounting(ReadyBytes count) => !Closed && ReferenceEquals(count, _readyBytes) && !count.IsExact;

    /// <summary>Takes over a piece that the scan has read; true if the scan is to go on. Gate held.</summary>
    public bool Count(ReadyBytes count, Lane lane, ReadOnlySpan<(long Offset, int Bytes)> records, long from, long end)
    {
        if (!IsCounting(count))
        {
            return false;
        }

        // Unless the count was begun anew meanwhile.
        if (count.PartOf(lane.Level).From == from)
        {
            count.Count(lane, records, end);
            EnforceLength();
        }

        return IsCounting(count);
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
            if (Closed || !IsUnusedForItsTime())
            {
                return;
            }
        }

        Host.DeleteInBackground(this, CloseConditions.Expired, "it was not used for its time (expires)");
    }

    protected override bool IsLastConsumerGone => Definition.AutoDelete && _hadConsumer && _consumers is { Count: 0 } && !Closed;

    protected override bool IsUnusedForItsTime() => _timers.IsUnused(_consumers is { Count: > 0 });

    protected override IReadOnlyList<Consumer> End()
    {
        _timers.Dispose();
        _lanes.Dispose();
        IReadOnlyList<Consumer> consumers = _consumers?.ToList() ?? [];
        _consumers = null;
        return consumers;
    }

    private int Admits(Stage stage, int from, long countAhead, long bytesAhead) => NeedsEntries && stage.HasEntries
        ? LengthLimit.Admit(CurrentSettings, _lanes.Ready + countAhead + (_deadLetters?.HeldCount ?? 0), BytesReady() + bytesAhead, stage.Entries, from)
        : stage.Builder.Count - from;

    /// <summary>
    /// Appends what the limit admits, serves waiting consumers, and so on: what they take makes room, as if the messages had come one by one. Each record is
    /// copied once, however many pieces there are.
    /// </summary>
    private JournalPosition AppendInPieces(Stage stage, int admitted, List<ulong> rejected)
    {
        JournalPosition position = JournalPosition.None;
        var records = new RecordBatchReader(stage.Builder.Seal());
        int at = 0;
        while (admitted > 0)
        {
            long bodyBytes = 0;
            stage.Piece.Clear();
            for (int i = 0; i < admitted && records.TryRead(out RecordView record); i++)
            {
                stage.Piece.Append(record.Timestamp, record.Value, record.Headers, record.HeaderCount);
                bodyBytes += record.Value.Length;
            }

            position = JournalPosition.Max(position, AppendToLane(stage, stage.Piece, bodyBytes, group: null));
            at += admitted;
            if (at == stage.Builder.Count)
            {
                return position;
            }

            Dispatch();
            admitted = Admits(stage, at, 0, 0);
        }

        Refuse(stage, at, rejected);
        return position;
    }

    private void Refuse(Stage stage, int from, List<ulong> rejected)
    {
        for (int i = from; i < stage.Entries.Count; i++)
        {
            rejected.Add(stage.Entries[i].Ticket);
        }

        if (CurrentSettings.Overflow == OverflowMode.RejectPublishDeadLetter && CurrentSettings.DeadLetterExchange is not null)
        {
            stage.KeepRefused(from);
        }
    }

    private JournalPosition AppendToLane(Stage stage, RecordBatchBuilder batch, long bodyBytes, JournalGroup? group)
    {
        Lane lane = _lanes[stage.Lane];
        AppendResult appended = lane.Log.Append(batch.Seal(), stage.Promise, group);
        lane.NoteFresh(appended.BaseOffset);
        _readyBytes?.Added(bodyBytes);
        return appended.Position;
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
            if (IsExpired(delivery.Message) && record.Offset < lane.FreshFrom)
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
        if (!DropsAtLimit)
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
    /// <param name="keepsHead">The head is about to be taken: what was read of it stays in memory.</param>
    private void DropExpired(bool keepsHead = false)
    {
        if (CurrentSettings.MessageTimeToLiveMs < 0 && !_mayHoldOwnTtl)
        {
            return;
        }

        long next = long.MaxValue;
        for (int level = 0; level < _lanes.Count; level++)
        {
            Lane lane = _lanes[level];
            if (lane.IsHeadKnown(out long timestampMs, out long expiresAtMs) && ExpiresAt(timestampMs, expiresAtMs) is var at && at > Host.NowMs)
            {
                next = Math.Min(next, at);
                continue;
            }

            while (_lanes.Peek(lane, out RecordView record, out _) == PeekResult.Record)
            {
                MessageRecord.Read(record, out MessageView message);
                if (!IsExpired(message))
                {
                    next = Math.Min(next, ExpiresAt(message.TimestampMs, message.ExpiresAtMs));
                    lane.NoteHead(message);
                    if (ConsumerCount == 0 && !keepsHead)
                    {
                        // A great many queues may wait for nothing but their heads to expire.
                        lane.LetGo();
                    }

                    break;
                }

                TakeToKill(lane, record, DeathReason.Expired);
            }
        }

        _mayHoldOwnTtl = _mayHoldOwnTtl && _lanes.Ready + _lanes.Out > 0;
        _timers.ExpireAt(next);
    }

    private long ExpiresAt(long timestampMs, long expiresAtMs)
    {
        long byQueue = CurrentSettings.MessageTimeToLiveMs < 0 ? long.MaxValue : timestampMs + CurrentSettings.MessageTimeToLiveMs;
        long byMessage = expiresAtMs < 0 ? long.MaxValue : expiresAtMs;
        return Math.Min(byQueue, byMessage);
    }

    private bool IsExpired(in MessageView message)
    {
        long at = ExpiresAt(message.TimestampMs, message.ExpiresAtMs);
        return at != long.MaxValue && at <= Host.NowMs;
    }

    /// <summary>Never more than the ready messages' bodies have.</summary>
    private long BytesReady()
    {
        if (_readyBytes is { Total: not 0 } count && _lanes.Ready == 0)
        {
            count.Clear();
        }

        return _readyBytes?.Total ?? 0;
    }

    /// <summary>Counts body bytes while there is a byte limit. Gate held.</summary>
    private void CountBytes()
    {
        if (CurrentSettings.MaxLengthBytes < 0)
        {
            _readyBytes = null;
        }
        else if (_readyBytes is null)
        {
            _readyBytes = new ReadyBytes(_lanes);
            ScanBytes();
        }
    }

    private void ScanBytes()
    {
        if (IsCounting(_readyBytes!))
        {
            Host.Scheduler.Post(new ReadyBytesScan(this, _readyBytes!));
        }
    }
}
