using System.Text;
using Microsoft.Extensions.Logging;
using Sluice.Broker.Delays;
using Sluice.Broker.Exchanges;
using Sluice.Broker.Messages;
using Sluice.Broker.Queues;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Publishing;

/// <summary>
/// What one connection publishes in one turn of its receive loop. Records are encoded here, outside any lock, gathered per queue, and handed to the
/// queues in one append each by <see cref="Flush"/>. A connection keeps one for its life (and one per transactional channel). Not thread-safe. No allocation in the steady state.
/// <para>
/// Bounded: a turn that spreads wide or grows large is appended in parts, and a transaction is refused. Whatever fails, nothing staged is appended twice.
/// </para>
/// </summary>
public sealed class PublishTurn : IDisposable
{
    private const int PartStagesMax = 1024;
    private const long PartBytesMax = 16 << 20;

    private readonly VirtualHost _host;
    private readonly TurnRouter _router;
    private readonly StageList _stages;
    private readonly StageList _letters;
    private readonly List<PendingDelay> _delayed = [];
    private readonly List<ulong> _rejected = [];
    private TurnGroup? _group;
    private PublishTurn? _refusedLetters;
    private TopicWriter? _topics;
    private byte[] _scratch = new byte[1024];
    private long _nowMs;
    private bool _begun;
    private JournalPosition _position;
    private Exception? _failure;

    internal PublishTurn(VirtualHost host)
    {
        _host = host;
        _router = new TurnRouter(host);
        _stages = new StageList(host.Store.BatchBytesMax);
        _letters = new StageList(host.Store.BatchBytesMax);
    }

    /// <summary>Messages staged and not flushed.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes staged and not flushed.</summary>
    public long Bytes { get; private set; }

    /// <summary>True for a transaction: what must happen at once otherwise waits for <see cref="Commit"/>.</summary>
    public bool IsTransaction
    {
        get;
        init => IsGroup = field = value;
    }

    /// <summary>Nothing happens before it all happens as one journal group: a transaction, or messages that leave one place as they come to another.</summary>
    internal bool IsGroup { get; init; }

    /// <summary>Dead letters must all be taken by all their queues, or nothing of the group happens. Otherwise a full queue drops them.</summary>
    internal bool KeepsLetters { get; set; }

    /// <summary>Set while dead-lettering: a queue that this history would bring the message back to in a cycle is left out.</summary>
    internal DeathHistory? CycleGuard { get; set; }

    /// <summary>
    /// Routes and stages one message. <paramref name="ticket"/> comes back in <see cref="TurnResult.Rejected"/> if a queue refuses it at flush (reject-publish).
    /// </summary>
    public PublishOutcome Publish(in MessageToPublish message, ulong ticket)
    {
        // A message that was taken once is not lost later because the limit was lowered.
        if ((CycleGuard is null && message.Body.Length > _host.Options.MessageBytesMax) || MessageRecord.BatchBytesMax(message) > _host.Store.BatchBytesMax)
        {
            return PublishOutcome.TooLarge;
        }

        Begin();
        return Stage(message, holder: null, ticket);
    }

    /// <summary>
    /// Appends all that is staged, wakes consumers, and clears the turn. The caller acknowledges once <see cref="TurnResult.Position"/> is kept
    /// (<see cref="LogStore.NotifyWhenKept"/>), at once if it is None.
    /// </summary>
    public TurnResult Flush()
    {
        try
        {
            Begin();
            AppendPart();
            return new TurnResult(_position, _rejected.Count == 0 ? null : _rejected, _failure);
        }
        finally
        {
            Clear();
        }
    }

    /// <summary>
    /// Transaction: appends all that is staged and settles the given deliveries as one group that is kept together or not at all.
    /// If a queue refuses a message (<see cref="TurnResult.Rejected"/>) or storage fails (<see cref="TurnResult.Failure"/>), nothing of it happens.
    /// The messages count as published now.
    /// </summary>
    public TurnResult Commit(IReadOnlyList<TransactionSettlement> settlements)
    {
        Begin();
        long nowMs = _host.NowMs;
        _stages.MoveTimes(nowMs - _nowMs);
        _nowMs = nowMs;
        var plan = new SettlementPlan();
        try
        {
            plan.Make(settlements, this, _host.Options.TransactionBytesMax);
        }
        catch
        {
            Clear();
            throw;
        }

        TurnResult result = CommitGroup(plan.InGroup);
        if (result.Rejected is null && result.Failure is null)
        {
            plan.DoRest();
        }

        return result;
    }

    /// <summary>Forgets what is staged.</summary>
    public void Clear()
    {
        _stages.Clear();
        _letters.Clear();
        _topics?.EndTurn();
        _delayed.Clear();
        _group?.Clear();
        _position = JournalPosition.None;
        _failure = null;
        _begun = false;
        Count = 0;
        Bytes = 0;
    }

    public void Dispose()
    {
        _stages.Dispose();
        _letters.Dispose();
        _refusedLetters?.Dispose();
    }

    /// <summary>Stages a message whose delay is over: it goes on from the exchange that held it. For <see cref="CommitDelayed"/>.</summary>
    internal void PublishDelayed(Exchange holder, in MessageToPublish message)
    {
        Begin();
        _nowMs = _host.NowMs;
        Stage(message, holder, ticket: 0);
    }

    /// <summary>Dead-lettering: appends the copies, which full queues may refuse, and settles the originals as one group.</summary>
    /// <returns>False if a queue has no room and <see cref="KeepsLetters"/>: nothing happened.</returns>
    /// <exception cref="IOException">Storage refused; nothing happened.</exception>
    internal bool TryCommitMoved(StoredQueue source, List<MessageId> originals)
    {
        TurnResult result = CommitGroup([new TransactionSettlement(source, [.. originals], SettlementKind.Settle)]);
        ThrowIfFailed(result);
        return result.Rejected is null;
    }

    /// <summary>Delayed delivery: appends what is due and takes it out of the delay store as one group.</summary>
    internal void CommitDelayed(DelayedBatch batch) => ThrowIfFailed(CommitGroup([], batch));

    private static void ThrowIfFailed(in TurnResult result)
    {
        if (result.Failure is not null)
        {
            throw new IOException("The journal refused to move messages.", result.Failure);
        }
    }

    private void Begin()
    {
        if (!_begun)
        {
            _begun = true;
            _nowMs = _host.NowMs;
            _rejected.Clear();
        }
    }

    /// <summary>Appends what is staged so far, each queue's part by itself, and lets go of it whatever happens.</summary>
    private void AppendPart()
    {
        try
        {
            for (int i = 0; i < _stages.Count; i++)
            {
                Append(_stages[i]);
            }

            DeadLetterRefused(_stages);
        }
        finally
        {
            _stages.Clear();
            _topics?.EndTurn();
        }
    }

    private void Append(Stage stage)
    {
        StoredQueue queue = stage.Queue!;
        lock (queue.Gate)
        {
            try
            {
                _position = JournalPosition.Max(_position, queue.Append(stage, null, _rejected));
            }
            catch (LogFailedException e)
            {
                _failure = e;
            }

            queue.AfterAppend();
        }
    }

    private TurnResult CommitGroup(IReadOnlyList<TransactionSettlement> settled, DelayedBatch? delayedBatch = null)
    {
        Begin();
        try
        {
            _group ??= new TurnGroup(_host) { Stages = _stages, Letters = _letters, Delayed = _delayed };
            _group.RefusesDeleted = KeepsLetters;
            JournalPosition position = JournalPosition.None;
            Exception? failure;
            try
            {
                position = _group.Commit(settled, delayedBatch, _nowMs, _rejected, out failure);
            }
            catch (LogFailedException e)
            {
                failure = e;
            }

            DeadLetterRefused(_letters);
            return new TurnResult(position, _rejected.Count == 0 ? null : _rejected, failure);
        }
        finally
        {
            Clear();
        }
    }

    private PublishOutcome Stage(in MessageToPublish message, Exchange? holder, ulong ticket)
    {
        PublishOutcome outcome = _router.Route(message, holder, CycleGuard, out ReadOnlySpan<MessageQueue> targets);
        if (outcome != PublishOutcome.Routed)
        {
            return outcome;
        }

        if (IsTransaction && CycleGuard is null)
        {
            long bytes = (long)message.Body.Length + MessageRecord.HeaderBytesMax(message);
            if (Bytes + (bytes * (targets.Length + _router.DelayedExchanges.Count)) > _host.Options.TransactionBytesMax)
            {
                return PublishOutcome.TooLarge;
            }
        }

        foreach (Exchange exchange in _router.DelayedExchanges)
        {
            Delay(exchange, message);
        }

        if (!targets.IsEmpty)
        {
            StageFor(message, targets, ticket, mayDrop: IsGroup ? CycleGuard is not null && !KeepsLetters : holder is not null, mayAppend: !IsGroup && holder is null);
        }

        Count++;
        return PublishOutcome.Routed;
    }

    private void Delay(Exchange exchange, in MessageToPublish message)
    {
        if (IsGroup)
        {
            var delayed = new PendingDelay(exchange.Name, message);
            _delayed.Add(delayed);
            Bytes += delayed.BytesMax;
            return;
        }

        try
        {
            // As a rule the message was published to the exchange that delays it, and its name is at hand.
            ReadOnlySpan<byte> holder = Utf8NameComparer.Instance.Equals(message.Exchange, exchange.Name) ? message.Exchange : Encoding.UTF8.GetBytes(exchange.Name);
            _position = JournalPosition.Max(_position, _host.Delays!.Schedule(holder, message, _nowMs + message.DelayMs));
        }
        catch (LogFailedException e)
        {
            _failure = e;
        }
    }

    private void StageFor(in MessageToPublish message, ReadOnlySpan<MessageQueue> targets, ulong ticket, bool mayDrop, bool mayAppend)
    {
        int headerMax = MessageRecord.HeaderBytesMax(message);
        if (_scratch.Length < headerMax)
        {
            _scratch = new byte[headerMax * 2];
        }

        StageList stages = mayDrop ? _letters : _stages;
        long expiresAt = message.TimeToLiveMs < 0 ? -1 : _nowMs + message.TimeToLiveMs;
        int headerBytes = MessageRecord.WriteHeaders(message, expiresAt, _scratch, out int headerCount, out int expiryAt);
        ReadOnlySpan<byte> headers = _scratch.AsSpan(0, headerBytes);
        long recordBytes = MessageRecord.BatchBytesMax(message);
        bool isEncoded = false;
        foreach (MessageQueue target in targets)
        {
            bool isLog = target is not CompetingQueue;
            if (isLog && !isEncoded)
            {
                isEncoded = true;
                _topics ??= new TopicWriter(_host.Broker);
                _topics.Encode(message, headers, headerCount);
            }

            StoredQueue queue = target is TopicQueue whole ? _topics!.Choose(whole.Topic) : (StoredQueue)target;
            Stage stage = stages.Find(queue, queue.LaneFor(message.Priority), recordBytes);
            int before = stage.Builder.Size;
            if (isLog)
            {
                _topics!.Append(stage.Builder, _nowMs, message.Body);
            }
            else
            {
                stage.Builder.Append(_nowMs, message.Body, headers, headerCount);
            }

            stages.Added(stage.Builder.Size - before);
            Bytes += stage.Builder.Size - before;
            if (expiresAt >= 0)
            {
                stage.HasTimeToLive = true;
                if (IsTransaction)
                {
                    stage.NoteExpiry(stage.Builder.Size - headerBytes + expiryAt);
                }
            }

            // A stream keeps every message: its readers go on by offset, so none may be taken back and its offset given again.
            if ((message.Persistent || isLog) && queue.IsDurable)
            {
                Durability wanted = message.Persistent && (message.Confirmed || IsTransaction) ? _host.Options.DurablePromise : Durability.OperatingSystem;
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
            if (mayAppend && (stages.Count >= PartStagesMax || stages.Bytes >= PartBytesMax))
            {
                AppendPart();
            }
        }
    }

    /// <summary>Dead-letters what full queues refused (overflow reject-publish-dlx): here, so that whoever publishes too much waits for it. The publisher is refused all the same.</summary>
    private void DeadLetterRefused(StageList stages)
    {
        for (int i = 0; i < stages.Count; i++)
        {
            if (stages[i] is not { RefusedFrom: >= 0, Queue: CompetingQueue source } stage)
            {
                continue;
            }

            // Its own refused letters go into a turn of its own, and so on: full queues that dead-letter into each other in a circle are left out by the guard.
            PublishTurn letters = _refusedLetters ??= new PublishTurn(_host);
            try
            {
                var records = new RecordBatchReader(stage.SealWhole());
                for (int at = 0; records.TryRead(out RecordView record); at++)
                {
                    if (at >= stage.RefusedFrom)
                    {
                        MessageRecord.Read(record, out MessageView message);
                        new DeadLetter(source).Publish(letters, message, DeathReason.MaxLength);
                    }
                }
            }
            catch (IOException e)
            {
                // What was appended is in order: this must not look as if it were not.
                _host.Logger.LogError(e, "Queue '{Queue}' in virtual host '{Host}': messages that it refused could not be dead-lettered", source.Name, _host.Name);
            }

            letters.Flush();
        }
    }
}
