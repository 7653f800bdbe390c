namespace Sluice.Broker.Shares;

/// <summary>
/// What has become of the records of a partition for a share group, from its start up to the last one that was ever delivered, and what of that whoever keeps it has yet to be told.
/// </summary>
internal sealed class ShareLedger
{
    private readonly List<DeliveryRun> _changes = [];
    private DeliveryRuns _runs;

    /// <summary>No offset below this one is available.</summary>
    private long _availableFrom;

    public ShareLedger(long startOffset)
    {
        _runs = new DeliveryRuns(startOffset);
        _availableFrom = startOffset;
    }

    /// <summary>All below is done.</summary>
    public long StartOffset => _runs.Start;

    /// <summary>From here on nothing was delivered yet.</summary>
    public long NextOffset => _runs.End;

    /// <summary>How many runs there are.</summary>
    public int Count => _runs.Count;

    /// <summary>The first offset that is available, or the one that follows all others.</summary>
    public long FirstAvailable
    {
        get
        {
            int index = _runs.Find(_availableFrom);
            while (index < _runs.Count && _runs[index].State != DeliveryState.Available)
            {
                index++;
            }

            _availableFrom = index < _runs.Count ? Math.Max(_availableFrom, _runs[index].First) : NextOffset;
            return _availableFrom;
        }
    }

    public DeliveryRun this[int index] => _runs[index];

    public IEnumerable<DeliveryRun> Runs()
    {
        for (int i = 0; i < _runs.Count; i++)
        {
            yield return _runs[i];
        }
    }

    /// <summary>Index of the run that has the offset.</summary>
    public int Find(long offset) => _runs.Find(offset);

    /// <summary>The run that has the offset, which lies between start and next.</summary>
    public DeliveryRun At(long offset) => _runs[_runs.Find(offset)];

    /// <summary>Offsets were given to a member: that is not kept, so nobody is told.</summary>
    public void Take(in DeliveryRun acquired)
    {
        if (acquired.First >= NextOffset)
        {
            _runs.Append(acquired);
        }
        else
        {
            _runs.Replace(acquired);
        }
    }

    /// <summary>The member keeps them until another time.</summary>
    public void Renew(in DeliveryRun acquired) => _runs.Replace(acquired);

    /// <summary>Offsets are for nobody, as everyone can see from the log, so nobody is told.</summary>
    public void Archive(long first, long last, short deliveryCount) => Take(new DeliveryRun(first, last, DeliveryState.Archived, deliveryCount));

    /// <summary>A member has said what becomes of them, or it is said for it.</summary>
    public void Change(in DeliveryRun run)
    {
        DeliveryRun changed = run with { Member = null, LockEndMs = 0 };
        _runs.Replace(changed);
        if (_changes.Count > 0 && _changes[^1].Last + 1 == changed.First && _changes[^1].IsLike(changed))
        {
            _changes[^1] = _changes[^1] with { Last = changed.Last };
        }
        else
        {
            _changes.Add(changed);
        }
    }

    /// <summary>They are available again, but for those that were delivered too often.</summary>
    public void GiveBack(in DeliveryRun run, int deliveryCountMax)
    {
        bool isTooOften = run.DeliveryCount >= deliveryCountMax;
        Change(run with { State = isTooOften ? DeliveryState.Archived : DeliveryState.Available });
        _availableFrom = isTooOften ? _availableFrom : Math.Min(_availableFrom, run.First);
    }

    /// <summary>Forgets what is done at the beginning.</summary>
    public void Advance() => _runs.Advance();

    /// <summary>The log begins at a later offset now: what lies before is no more.</summary>
    public void MoveStart(long offset)
    {
        if (offset > StartOffset)
        {
            _runs.MoveStart(offset);
            _runs.Advance();
        }
    }

    /// <summary>What was available but is not in the log any more, as compaction leaves it, is done.</summary>
    /// <param name="from">Where the log was read.</param>
    /// <param name="to">The first offset that is there.</param>
    public void ArchiveMissing(long from, long to)
    {
        if (from >= to)
        {
            return;
        }

        for (long offset = Math.Max(from, StartOffset); offset < to && offset < NextOffset;)
        {
            DeliveryRun run = At(offset);
            long last = Math.Min(run.Last, to - 1);
            if (run.State == DeliveryState.Available)
            {
                Archive(offset, last, run.DeliveryCount);
            }

            offset = last + 1;
        }

        if (NextOffset < to)
        {
            Archive(NextOffset, to - 1, 0);
        }

        _runs.Advance();
    }

    /// <summary>See <see cref="ShareCursor.TakeChanges"/>.</summary>
    public DeliveryRun[] TakeChanges()
    {
        DeliveryRun[] changes = [.. _changes.Where(run => run.Last >= StartOffset).Select(run => run with { First = Math.Max(run.First, StartOffset) })];
        _changes.Clear();
        return changes;
    }

    /// <summary>See <see cref="ShareCursor.ToState"/>.</summary>
    public List<DeliveryRun> ToState()
    {
        var state = new List<DeliveryRun>();
        foreach (DeliveryRun run in Runs())
        {
            DeliveryRun kept = run.State == DeliveryState.Acquired ? new DeliveryRun(run.First, run.Last, DeliveryState.Available, (short)(run.DeliveryCount - 1)) : run;
            if (state.Count > 0 && state[^1].Last + 1 == kept.First && state[^1].IsLike(kept))
            {
                state[^1] = state[^1] with { Last = kept.Last };
            }
            else if (kept.State != DeliveryState.Available || kept.DeliveryCount > 0)
            {
                state.Add(kept);
            }
        }

        return state;
    }

    /// <summary>See <see cref="ShareCursor.Restore"/>.</summary>
    public void Restore(long startOffset, IEnumerable<DeliveryRun> changes)
    {
        foreach (DeliveryRun change in changes)
        {
            if (change.Last < StartOffset)
            {
                continue;
            }

            if (change.Last >= NextOffset)
            {
                _runs.Append(new DeliveryRun(NextOffset, change.Last, DeliveryState.Available, 0));
            }

            _runs.Replace(change with { First = Math.Max(change.First, StartOffset) });
        }

        if (startOffset > StartOffset)
        {
            _runs.MoveStart(startOffset);
        }

        _runs.Advance();
        _availableFrom = StartOffset;
    }

    /// <summary>Begins anew somewhere else.</summary>
    public void Reset(long startOffset)
    {
        _runs = new DeliveryRuns(startOffset);
        _changes.Clear();
        _availableFrom = startOffset;
    }
}
