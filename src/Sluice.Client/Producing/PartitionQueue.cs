using Sluice.Client.Records;

namespace Sluice.Client.Producing;

/// <summary>
/// The batches of one partition that wait to be sent, the first to go first; only the last is still being filled. Its lock guards them;
/// sequence numbers are the sender's alone.
/// </summary>
internal sealed class PartitionQueue(TopicPartition partition, Accumulator accumulator)
{
    private readonly Lock _sync = new();
    private readonly List<ProducerBatch> _unfinished = [];
    private ProducerBatch? _first;
    private ProducerBatch? _last;
    private bool _isActive;
    private bool _hasGap;
    private bool _isBehindGap;

    public TopicPartition Partition => partition;

    /// <summary>The sequence number of the next record that is sent first.</summary>
    public int NextSequence { get; set; }

    /// <summary>Under which name the batches with sequence numbers go. Numbers mean something together with it only.</summary>
    public ProducerIdentity Identity { get; private set; } = ProducerIdentity.None;

    /// <summary>Batches on their way to a broker.</summary>
    public int InFlight { get; set; }

    /// <summary>What the next batch may go by.</summary>
    public QueueNumbers Numbers
    {
        get
        {
            if (_isBehindGap)
            {
                return InFlight == 0 ? QueueNumbers.BeginAnew : QueueNumbers.Unsettled;
            }

            lock (_sync)
            {
                if (_first is { BaseSequence: >= 0 })
                {
                    return QueueNumbers.GoOn;
                }
            }

            return Identity != ProducerIdentity.None && !_hasGap ? QueueNumbers.GoOn : _unfinished.Count == 0 ? QueueNumbers.BeginAnew : QueueNumbers.Unsettled;
        }
    }

    /// <summary>Adds a record to the last batch, or to a new one if there is memory for it.</summary>
    /// <param name="fields">The record; its deltas are not looked at.</param>
    /// <param name="timestampMs">Unix time in milliseconds.</param>
    /// <param name="delivery">Who is told.</param>
    /// <param name="reserved">Memory that the caller has reserved already; 0 afterwards if it was used.</param>
    public AppendResult TryAppend(in RecordFields fields, long timestampMs, in Delivery delivery, ref int reserved)
    {
        lock (_sync)
        {
            if (accumulator.IsClosed)
            {
                return AppendResult.Closed;
            }

            int bytesMax = accumulator.BatchBytes;
            if (_last is { } last && last.TryAppend(fields, bytesMax, timestampMs, delivery))
            {
                return AppendResult.Added;
            }

            int bytes = accumulator.BytesFor(fields);
            if (reserved == 0 && !accumulator.Memory.TryReserve(bytes))
            {
                return AppendResult.NoMemory;
            }

            ProducerBatch batch = accumulator.TakeBatch();
            batch.Begin(this, bytes, reserved == 0 ? bytes : reserved, accumulator.Now);
            reserved = 0;
            accumulator.Began(batch);
            batch.TryAppend(fields, bytesMax, timestampMs, delivery);
            Add(batch);
            return AppendResult.AddedToNewBatch;
        }
    }

    /// <summary>Whether the first batch should go now; if not, when to look again. An empty queue is the sender's to forget until it activates itself anew.</summary>
    /// <param name="now">In ticks of the client's clock.</param>
    /// <param name="lingerTicks">How long a batch that is not full waits.</param>
    /// <param name="isUrgent">It should not wait: for a flush, or for memory.</param>
    /// <param name="dueAt">When to look again, for <see cref="QueueState.Waiting"/>.</param>
    public QueueState Check(long now, long lingerTicks, bool isUrgent, out long dueAt)
    {
        dueAt = 0;
        lock (_sync)
        {
            if (_first is not { } first)
            {
                _isActive = false;
                return QueueState.Empty;
            }

            if (first.Attempts > 0)
            {
                // Repetitions go one by one, so that the order of sequence numbers holds.
                if (first.BaseSequence >= 0 && _unfinished[0] != first)
                {
                    return QueueState.Blocked;
                }

                dueAt = first.NotBefore;
                return now >= dueAt ? QueueState.Ready : QueueState.Waiting;
            }

            dueAt = first.CreatedAt + lingerTicks;
            return isUrgent || first.IsClosed || first.Next is not null || now >= dueAt ? QueueState.Ready : QueueState.Waiting;
        }
    }

    /// <summary>Whether a batch that was never sent waits and is full.</summary>
    public bool HasFull
    {
        get
        {
            lock (_sync)
            {
                return !_hasGap && _first is { Attempts: 0 } first && (first.IsClosed || first.Next is not null);
            }
        }
    }

    /// <summary>The first batch, which nobody adds to any more, if it fits.</summary>
    /// <param name="bytesMax">Of its records.</param>
    public ProducerBatch? Take(int bytesMax)
    {
        lock (_sync)
        {
            if (_first is not { } first || first.ReservedBytes > bytesMax)
            {
                return null;
            }

            _first = first.Next;
            if (_first is null)
            {
                _last = null;
            }

            first.Next = null;
            first.IsClosed = true;
            return first;
        }
    }

    /// <summary>The first batch if it is older than the time given.</summary>
    public ProducerBatch? TakeExpired(long createdBefore)
    {
        lock (_sync)
        {
            return _first is { } first && first.CreatedAt < createdBefore ? Take(int.MaxValue) : null;
        }
    }

    /// <summary>Puts a batch back that is to be sent again: before all that were never sent, in the order of sequence numbers.</summary>
    public void PutBack(ProducerBatch batch)
    {
        lock (_sync)
        {
            ProducerBatch? before = null;
            for (ProducerBatch? at = _first; at is not null && IsBefore(at, batch); at = at.Next)
            {
                before = at;
            }

            ProducerBatch? after = before is null ? _first : before.Next;
            batch.Next = after;
            if (before is null)
            {
                _first = batch;
            }
            else
            {
                before.Next = batch;
            }

            if (after is null)
            {
                _last = batch;
            }

            Activate();
        }
    }

    /// <summary>Gives the batch the next sequence numbers.</summary>
    public void Number(ProducerBatch batch)
    {
        batch.BaseSequence = NextSequence;
        NextSequence = (int)(((long)NextSequence + batch.Count) & int.MaxValue);
        _unfinished.Add(batch);
    }

    /// <summary>The broker has the batch.</summary>
    public void Finish(ProducerBatch batch) => _unfinished.Remove(batch);

    /// <summary>
    /// The batch has failed for good. If it has numbers, nobody can say whether the broker lacks them: those that were sent after it keep theirs until that
    /// is known, since the broker may have them; what was never sent is numbered anew.
    /// </summary>
    public void Drop(ProducerBatch batch)
    {
        _unfinished.Remove(batch);
        _hasGap |= batch.BaseSequence >= 0;
    }

    /// <summary>
    /// Whether a batch that the broker found out of order, and so has not got, may go again: one before it goes again first, or one before it has failed
    /// and the broker lacks it. Then it has none of the later ones either, and all can be numbered anew without doubling any.
    /// </summary>
    public bool MayGoAgain(ProducerBatch batch)
    {
        if (_unfinished[0] == batch)
        {
            _isBehindGap |= _hasGap;
            return _hasGap;
        }

        return true;
    }

    /// <summary>
    /// The producer begins anew under another id or epoch: what was never acknowledged is numbered again. Nothing may be on its way, nor at the broker already,
    /// which would take it for something else.
    /// </summary>
    public void Renumber(ProducerIdentity identity)
    {
        Identity = identity;
        _hasGap = false;
        _isBehindGap = false;
        foreach (ProducerBatch batch in _unfinished)
        {
            batch.BaseSequence = -1;
        }

        _unfinished.Clear();
        NextSequence = 0;
    }

    /// <summary>Empties the queue. The caller owns what it gives.</summary>
    public ProducerBatch? TakeAll()
    {
        lock (_sync)
        {
            ProducerBatch? first = _first;
            _first = null;
            _last = null;
            return first;
        }
    }

    private bool IsBefore(ProducerBatch queued, ProducerBatch batch)
    {
        if (queued.BaseSequence < 0 || batch.BaseSequence < 0)
        {
            // Without numbers what was tried first goes first.
            return queued.Attempts > 0 && queued.CreatedAt <= batch.CreatedAt;
        }

        return _unfinished.IndexOf(queued) < _unfinished.IndexOf(batch);
    }

    private void Add(ProducerBatch batch)
    {
        if (_last is null)
        {
            _first = batch;
        }
        else
        {
            _last.Next = batch;
        }

        _last = batch;
        Activate();
    }

    private void Activate()
    {
        if (!_isActive)
        {
            _isActive = true;
            accumulator.Activate(this);
        }
    }
}

/// <summary>What became of an attempt to add a record.</summary>
internal enum AppendResult
{
    Added,

    /// <summary>The sender should look.</summary>
    AddedToNewBatch,
    NoMemory,
    Closed,
}

/// <summary>What a queue's first batch is waiting for.</summary>
internal enum QueueState
{
    Empty,
    Ready,

    /// <summary>For a time.</summary>
    Waiting,

    /// <summary>For the answers to batches before it.</summary>
    Blocked,
}

/// <summary>What a queue's next batch may go by.</summary>
internal enum QueueNumbers
{
    /// <summary>The numbers it has, or the next ones.</summary>
    GoOn,

    /// <summary>Nothing until the answers to others are here.</summary>
    Unsettled,

    /// <summary>New numbers under another producer id.</summary>
    BeginAnew,
}
