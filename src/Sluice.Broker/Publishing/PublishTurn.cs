using System.Text;
using Sluice.Broker.Delays;
using Sluice.Broker.Exchanges;
using Sluice.Broker.Messages;
using Sluice.Broker.Queues;
using Sluice.Storage;

namespace Sluice.Broker.Publishing;

/// <summary>
/// What one connection publishes in one turn of its receive loop. Records are encoded here, outside any lock, gathered per queue, and handed to the
/// queues in one append each by <see cref="Flush"/>. A connection keeps one for its life (and one per transactional channel). Not thread-safe. No allocation in the steady state.
/// </summary>
public sealed class PublishTurn : IDisposable
{
    private readonly VirtualHost _host;
    private readonly RouteCache _routes = new();
    private readonly DestinationSet _destinations = new();
    private readonly List<ulong> _rejected = [];
    private readonly Dictionary<(StoredQueue Queue, int Lane), Stage> _stageByLane = [];
    private readonly List<StoredQueue> _locked = [];
    private readonly List<PendingDelay> _delayed = [];
    private Stage[] _stages = [];
    private StoredQueue[] _found = new StoredQueue[4];
    private byte[] _scratch = new byte[1024];
    private int _stageCount;
    private long _nowMs;
    private JournalPosition _delayedPosition;
    private Exception? _delayedFailure;
    private int _foundCount;

    internal PublishTurn(VirtualHost host) => _host = host;

    /// <summary>Messages staged and not flushed.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes staged and not flushed.</summary>
    public long Bytes { get; private set; }

    /// <summary>True for a transaction: what must happen at once otherwise waits for <see cref="Commit"/>.</summary>
    public bool IsTransaction { get; init; }

    /// <summary>Set while dead-lettering: a queue that this history would bring the message back to in a cycle is left out.</summary>
    internal DeathHistory? CycleGuard { get; set; }

    /// <summary>
    /// Routes and stages one message. <paramref name="ticket"/> comes back in <see cref="TurnResult.Rejected"/> if a queue refuses it at flush (reject-publish).
    /// </summary>
    public PublishOutcome Publish(in MessageToPublish message, ulong ticket)
    {
        if (message.Body.Length > _host.Options.MessageBytesMax || (IsTransaction && Bytes + message.Body.Length > _host.Options.TransactionBytesMax))
        {
            return PublishOutcome.TooLarge;
        }

        if (Count == 0 && _stageCount == 0)
        {
            _nowMs = _host.NowMs;
        }

        PublishOutcome outcome = Route(message, holder: null, out ReadOnlySpan<StoredQueue> queues);
        if (queues.IsEmpty)
        {
            return outcome;
        }

        StageFor(message, queues, ticket);
        return PublishOutcome.Routed;
    }

    /// <summary>
    /// Appends all that is staged, wakes consumers, and clears the turn. The caller acknowledges once <see cref="TurnResult.Position"/> is kept
    /// (<see cref="LogStore.NotifyWhenKept"/>), at once if it is None.
    /// </summary>
    public TurnResult Flush()
    {
        _rejected.Clear();
        JournalPosition position = _delayedPosition;
        Exception? failure = _delayedFailure;
        for (int i = 0; i < _stageCount; i++)
        {
            Stage stage = _stages[i];
            StoredQueue queue = stage.Queue!;
            lock (queue.Gate)
            {
                try
                {
                    position = JournalPosition.Max(position, queue.Append(stage, null, _rejected));
                }
                catch (LogFailedException e)
                {
                    failure = e;
                }

                queue.AfterAppend();
            }
        }

        Clear();
        return new TurnResult(position, _rejected.Count == 0 ? null : _rejected, failure);
    }

    /// <summary>
    /// Transaction: appends all that is staged and settles the given deliveries as one group that is kept together or not at all.
    /// If a queue refuses a message (<see cref="TurnResult.Rejected"/>) or storage fails (<see cref="TurnResult.Failure"/>), nothing of it happens.
    /// </summary>
    public TurnResult Commit(IReadOnlyList<TransactionSettlement> settlements)
    {
        TurnResult result = CommitGroup(settlements);
        if (result.Rejected is not null || result.Failure is not null)
        {
            return result;
        }

        foreach (TransactionSettlement settlement in settlements)
        {
            switch (settlement.Kind)
            {
                case SettlementKind.Requeue:
                    settlement.Queue.Requeue(settlement.Messages);
                    break;
                case SettlementKind.Reject:
                    settlement.Queue.Reject(settlement.Messages);
                    break;
            }
        }

        return result;
    }

    /// <summary>Forgets what is staged.</summary>
    public void Clear()
    {
        for (int i = 0; i < _stageCount; i++)
        {
            _stages[i].Clear();
        }

        _stageCount = 0;
        _stageByLane.Clear();
        _delayed.Clear();
        _delayedPosition = JournalPosition.None;
        _delayedFailure = null;
        Count = 0;
        Bytes = 0;
    }

    public void Dispose()
    {
        foreach (Stage stage in _stages)
        {
            stage?.Dispose();
        }

        _stages = [];
    }

    /// <summary>Stages a message whose delay is over: it goes on from the exchange that held it.</summary>
    internal void PublishDelayed(Exchange holder, in MessageToPublish message)
    {
        _nowMs = _host.NowMs;
        Route(message, holder, out ReadOnlySpan<StoredQueue> queues);
        if (!queues.IsEmpty)
        {
            StageFor(message, queues, ticket: 0);
        }
    }

    /// <summary>Dead-lettering: appends the copies and settles the originals as one group.</summary>
    internal void CommitMoved(StoredQueue source, List<MessageId> originals) =>
        ThrowIfFailed(CommitGroup([new TransactionSettlement(source, [.. originals], SettlementKind.Settle)]));

    /// <summary>Delayed delivery: appends what is due and takes it out of the delay store as one group.</summary>
    internal void CommitDelayed(DelayedBatch batch) => ThrowIfFailed(CommitGroup([], batch));

    private static void ThrowIfFailed(in TurnResult result)
    {
        if (result.Failure is not null)
        {
            throw new IOException("The journal refused to move messages.", result.Failure);
        }
    }

    private TurnResult CommitGroup(IReadOnlyList<TransactionSettlement> settlements, DelayedBatch? delayedBatch = null)
    {
        _rejected.Clear();
        _locked.Clear();
        for (int i = 0; i < _stageCount; i++)
        {
            _locked.Add(_stages[i].Queue!);
        }

        foreach (TransactionSettlement settlement in settlements)
        {
            if (settlement is { Kind: SettlementKind.Settle, Queue: StoredQueue queue })
            {
                _locked.Add(queue);
            }
        }

        _locked.Sort(static (a, b) => a.Sequence.CompareTo(b.Sequence));
        int distinct = 0;
        for (int i = 0; i < _locked.Count; i++)
        {
            if (i == 0 || !ReferenceEquals(_locked[i], _locked[i - 1]))
            {
                _locked[distinct++] = _locked[i];
            }
        }

        _locked.RemoveRange(distinct, _locked.Count - distinct);
        JournalPosition position = JournalPosition.None;
        Exception? failure = null;
        int entered = 0;
        try
        {
            for (; entered < _locked.Count; entered++)
            {
                Monitor.Enter(_locked[entered].Gate);
            }

            failure = _locked.Select(static queue => queue.Failure).FirstOrDefault(static error => error is not null) ?? _host.Store.Failure;
            if (failure is null && !IsRefused())
            {
                position = AppendGroup(settlements, delayedBatch);
            }
        }
        catch (LogFailedException e)
        {
            failure = e;
        }
        finally
        {
            while (entered > 0)
            {
                Monitor.Exit(_locked[--entered].Gate);
            }
        }

        foreach (StoredQueue queue in _locked)
        {
            lock (queue.Gate)
            {
                queue.AfterAppend();
            }
        }

        _locked.Clear();
        Clear();
        return new TurnResult(position, _rejected.Count == 0 ? null : _rejected, failure);
    }

    /// <summary>Whether a queue has no room for its part of the transaction; notes the tickets. The gates are held.</summary>
    private bool IsRefused()
    {
        for (int i = 0; IsTransaction && i < _stageCount; i++)
        {
            int admitted = _stages[i].Queue!.Admits(_stages[i]);
            for (int entry = admitted; entry < _stages[i].Builder.Count; entry++)
            {
                _rejected.Add(_stages[i].Entries[entry].Ticket);
            }
        }

        return _rejected.Count > 0;
    }

    private JournalPosition AppendGroup(IReadOnlyList<TransactionSettlement> settlements, DelayedBatch? delayedBatch)
    {
        using JournalGroup group = _host.Store.BeginGroup();
        DelayStore? delays = _delayed.Count > 0 ? _host.Delays : null;
        delays?.Gate.Enter();
        delayedBatch?.Gate.Enter();
        JournalPosition position;
        try
        {
            for (int i = 0; i < _stageCount; i++)
            {
                _stages[i].Queue!.Append(_stages[i], group, _rejected);
            }

            foreach (PendingDelay delayed in _delayed)
            {
                delayed.Schedule(delays!, group);
            }

            foreach (TransactionSettlement settlement in settlements)
            {
                if (settlement is { Kind: SettlementKind.Settle, Queue: StoredQueue queue })
                {
                    queue.SettleInGroup(settlement.Messages, group);
                }
            }

            delayedBatch?.Settle(group);
        }
        finally
        {
            // Also when the journal has just failed: then the position is never kept, and nobody is told that it is.
            position = group.Commit();
            delayedBatch?.Gate.Exit();
            delays?.Gate.Exit();
        }

        return position;
    }

    /// <summary>Finds the queues; sets the outcome for when there are none.</summary>
    private PublishOutcome Route(in MessageToPublish message, Exchange? holder, out ReadOnlySpan<StoredQueue> queues)
    {
        long version = _host.RoutingVersion;
        bool cacheable = message.ExtraRoutingKeys is null && CycleGuard is null && holder is null;
        int slot = 0;
        if (cacheable && _routes.TryFind(version, message.Exchange, message.RoutingKey, out slot, out queues))
        {
            return PublishOutcome.Unroutable;
        }

        queues = default;
        bool isDelayed = false;
        if (message.Exchange.IsEmpty && holder is null)
        {
            FindDefault(message);
        }
        else
        {
            Exchange? exchange = holder ?? _host.FindExchange(message.Exchange);
            if (exchange is null)
            {
                return PublishOutcome.NoSuchExchange;
            }

            if (exchange.Definition.Internal && CycleGuard is null && holder is null)
            {
                return PublishOutcome.Internal;
            }

            _destinations.Clear();
            Routing.Collect(_host, exchange, InputFor(message), _destinations);
            cacheable &= _destinations.DependsOnKeyOnly;
            if (!TakeFound(message, ref isDelayed))
            {
                return PublishOutcome.InvalidDelay;
            }
        }

        queues = _found.AsSpan(0, _foundCount);
        if (cacheable && _foundCount > 0)
        {
            _routes.Store(slot, version, message.Exchange, message.RoutingKey, queues);
        }

        return isDelayed ? PublishOutcome.Routed : PublishOutcome.Unroutable;
    }

    private void FindDefault(in MessageToPublish message)
    {
        _foundCount = 0;
        AddFound(_host.FindStoredQueue(message.RoutingKey));
        if (message.ExtraRoutingKeys is { } extra)
        {
            foreach (byte[] key in extra)
            {
                AddFound(_host.FindStoredQueue(key));
            }
        }
    }

    private RoutingInput InputFor(in MessageToPublish message) => new()
    {
        RoutingKey = message.RoutingKey,
        ExtraRoutingKeys = message.ExtraRoutingKeys,
        Headers = message.Headers,
        Properties = message.Properties,
        PropertiesReader = _host.Broker.FindFormat(message.Format),
        IsDelayed = message.DelayMs > 0,
    };

    /// <summary>Takes over the queues found; hands the message to delayed exchanges on the way. False if one cannot keep it that long.</summary>
    private bool TakeFound(in MessageToPublish message, ref bool isDelayed)
    {
        _foundCount = 0;
        foreach (IDestination destination in _destinations.Items)
        {
            if (destination is Exchange { IsDelayed: true } exchange)
            {
                if (message.DelayMs > DelayStore.DelayMsMax)
                {
                    return false;
                }

                Delay(exchange, message);
                isDelayed = true;
            }
            else
            {
                AddFound(destination as StoredQueue);
            }
        }

        return true;
    }

    private void Delay(Exchange exchange, in MessageToPublish message)
    {
        long dueMs = _nowMs + message.DelayMs;
        Count++;
        if (IsTransaction)
        {
            _delayed.Add(new PendingDelay(exchange.Name, dueMs, message));
            Bytes += message.Body.Length + message.Properties.Length;
            return;
        }

        try
        {
            // As a rule the message was published to the exchange that delays it, and its name is at hand.
            ReadOnlySpan<byte> holder = Utf8NameComparer.Instance.Equals(message.Exchange, exchange.Name) ? message.Exchange : Encoding.UTF8.GetBytes(exchange.Name);
            _delayedPosition = JournalPosition.Max(_delayedPosition, _host.Delays!.Schedule(holder, message, dueMs));
        }
        catch (LogFailedException e)
        {
            _delayedFailure = e;
        }
    }

    private void AddFound(StoredQueue? queue)
    {
        if (queue is null || _found.AsSpan(0, _foundCount).Contains(queue) || (CycleGuard is not null && CycleGuard.IsCycle(queue.Name)))
        {
            return;
        }

        if (_foundCount == _found.Length)
        {
            Array.Resize(ref _found, _found.Length * 2);
        }

        _found[_foundCount++] = queue;
    }

    private void StageFor(in MessageToPublish message, ReadOnlySpan<StoredQueue> queues, ulong ticket)
    {
        int headerMax = MessageRecord.HeaderBytesMax(message);
        if (_scratch.Length < headerMax)
        {
            _scratch = new byte[headerMax * 2];
        }

        long expiresAt = message.TimeToLiveMs < 0 ? -1 : _nowMs + message.TimeToLiveMs;
        int headerBytes = MessageRecord.WriteHeaders(message, expiresAt, _scratch, out int headerCount);
        ReadOnlySpan<byte> headers = _scratch.AsSpan(0, headerBytes);
        foreach (StoredQueue queue in queues)
        {
            Stage stage = FindStage(queue, queue.LaneFor(message.Priority));
            int before = stage.Builder.Size;
            stage.Builder.Append(_nowMs, message.Body, headers, headerCount);
            Bytes += stage.Builder.Size - before;
            stage.HasTimeToLive |= expiresAt >= 0;
            if (message.Persistent && queue.IsDurable)
            {
                Durability wanted = message.Confirmed || IsTransaction ? _host.Options.DurablePromise : Durability.OperatingSystem;
                if (wanted > _host.Options.DurablePromise)
                {
                    wanted = _host.Options.DurablePromise;
                }

                if (wanted > stage.Promise)
                {
                    stage.Promise = wanted;
                }
            }

            stage.Added(message.Body.Length, ticket);
        }

        Count++;
    }

    private Stage FindStage(StoredQueue queue, int lane)
    {
        if (_stageCount > 0)
        {
            Stage last = _stages[_stageCount - 1];
            if (ReferenceEquals(last.Queue, queue) && last.Lane == lane)
            {
                return last;
            }

            if (_stageByLane.TryGetValue((queue, lane), out Stage? found))
            {
                return found;
            }
        }

        if (_stageCount == _stages.Length)
        {
            Array.Resize(ref _stages, Math.Max(4, _stages.Length * 2));
        }

        Stage stage = _stages[_stageCount] ??= new Stage();
        _stageCount++;
        stage.Begin(queue, lane);
        _stageByLane.Add((queue, lane), stage);
        return stage;
    }
}

/// <summary>What became of a published message when it was routed.</summary>
public enum PublishOutcome : byte
{
    /// <summary>Staged for at least one queue.</summary>
    Routed = 0,

    /// <summary>No queue matched (AMQP: return if mandatory; confirmed all the same).</summary>
    Unroutable,

    /// <summary>The exchange does not exist (AMQP 404, channel error).</summary>
    NoSuchExchange,

    /// <summary>The exchange is internal (AMQP 403).</summary>
    Internal,

    /// <summary>Larger than the largest message allowed, or a transaction too large.</summary>
    TooLarge,

    /// <summary>A delayed exchange was given a delay it cannot honour.</summary>
    InvalidDelay,
}

/// <summary>Result of a flush.</summary>
/// <param name="Position">Wait for this to be kept before acknowledging; None: nothing to wait for.</param>
/// <param name="Rejected">Tickets refused by a full queue; borrowed until the next call on the turn; null for none.</param>
/// <param name="Failure">Storage refused: nothing of the turn that was promised is kept; nack all of it. Null normally.</param>
public readonly record struct TurnResult(JournalPosition Position, IReadOnlyList<ulong>? Rejected, Exception? Failure);

/// <summary>Deliveries settled by a transaction.</summary>
/// <param name="Queue">Their queue.</param>
/// <param name="Messages">Which.</param>
/// <param name="Kind">How.</param>
public sealed record TransactionSettlement(MessageQueue Queue, MessageId[] Messages, SettlementKind Kind);

public enum SettlementKind : byte
{
    Settle,
    Requeue,
    Reject,
}
