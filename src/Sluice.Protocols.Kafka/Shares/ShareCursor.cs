using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Shares;

/// <summary>
/// The position of a share group in a partition (KIP-932): where it starts, and what has become of the records from there up to the last one that was ever delivered. Knows
/// no clock, no log and no disk. Guarded by its shard's lock.
/// </summary>
internal sealed class ShareCursor
{
    private readonly List<DeliveryRun> _changes = [];
    private DeliveryRuns _runs;

    /// <summary>No offset below this one is available.</summary>
    private long _availableFrom;

    public ShareCursor(long startOffset)
    {
        _runs = new DeliveryRuns(startOffset);
        _availableFrom = startOffset;
    }

    /// <summary>All below is done (Kafka's share-partition start offset).</summary>
    public long StartOffset => _runs.Start;

    /// <summary>From here on nothing was delivered yet.</summary>
    public long NextOffset => _runs.End;

    /// <summary>Where the next fetch reads.</summary>
    public long FetchOffset
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

    /// <summary>How many offsets from the start on are done.</summary>
    public long DoneCount => Runs().Where(static run => run.IsDone).Sum(static run => run.Count);

    /// <summary>When the first lock ends; null: nothing is acquired.</summary>
    public long? FirstLockEndMs => Runs().Where(static run => run.State == DeliveryState.Acquired).Min(static run => (long?)run.LockEndMs);

    /// <summary>What has come to differ since they were taken last from what the log of states says, in order; nothing below <see cref="StartOffset"/>.</summary>
    public DeliveryRun[] TakeChanges()
    {
        DeliveryRun[] changes = [.. _changes.Where(run => run.Last >= StartOffset).Select(run => run with { First = Math.Max(run.First, StartOffset), MemberId = null, LockEndMs = 0 })];
        _changes.Clear();
        return changes;
    }

    /// <summary>All that the log of states has to say: what is acquired was available before, and is so again if the broker ends.</summary>
    public IReadOnlyList<DeliveryRun> ToState()
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

    /// <summary>Does what a record of the log of states says.</summary>
    /// <param name="startOffset">Negative: as it was.</param>
    /// <param name="changes">In order. What lies between them and what is known was never settled, so it is available.</param>
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

    /// <summary>The log begins at a later offset now: what lies before is no more.</summary>
    public void MoveStart(long logStartOffset)
    {
        if (logStartOffset > StartOffset)
        {
            _runs.MoveStart(logStartOffset);
            _runs.Advance();
        }
    }

    /// <summary>Whether a fetch can lead to anything: something was given back, or there is room for more.</summary>
    public bool CanAcquire(int inFlightMax) => FetchOffset < NextOffset || NextOffset - StartOffset < inFlightMax;

    /// <summary>A member gets what is available of the batches that were read, from what was given back to what is new.</summary>
    /// <param name="fetchOffset">Where the log was read.</param>
    /// <param name="batches">What was found there, in order.</param>
    /// <param name="request">Who asks for how much.</param>
    public List<DeliveryRun> Acquire(long fetchOffset, IReadOnlyList<BatchSpan> batches, in AcquireRequest request)
    {
        var acquired = new List<DeliveryRun>();
        if (batches.Count == 0 || request.RecordsMax <= 0 || batches[^1].Last < StartOffset || fetchOffset > NextOffset)
        {
            // Nothing is wanted, or what was read is not where the group is now.
            return acquired;
        }

        ArchiveMissing(fetchOffset, batches[0].First);
        long left = AcquireAgain(batches, request, acquired);
        if (left > 0)
        {
            AcquireNew(batches, left, request, acquired);
        }

        return acquired;
    }

    /// <summary>Records of transactions that were rolled back are for nobody.</summary>
    /// <param name="first">Offset of the first.</param>
    /// <param name="last">Offset of the last.</param>
    /// <param name="acquired">What a member has just got; without them afterwards.</param>
    public void Archive(long first, long last, List<DeliveryRun> acquired)
    {
        for (int i = acquired.Count - 1; i >= 0; i--)
        {
            DeliveryRun run = acquired[i];
            if (run.First > last || run.Last < first)
            {
                continue;
            }

            _runs.Replace(new DeliveryRun(Math.Max(run.First, first), Math.Min(run.Last, last), DeliveryState.Archived, run.DeliveryCount));
            acquired.RemoveAt(i);
            if (run.Last > last)
            {
                acquired.Insert(i, run with { First = last + 1 });
            }

            if (run.First < first)
            {
                acquired.Insert(i, run with { Last = first - 1 });
            }
        }

        _runs.Advance();
    }

    /// <summary>A member says what becomes of records. All is as before if any of it is refused.</summary>
    /// <param name="memberId">Who says so.</param>
    /// <param name="acknowledgements">Each with valid kinds.</param>
    /// <param name="deliveryCountMax">What was delivered so often is not delivered again.</param>
    /// <param name="lockEndMs">Of locks that are renewed; null: they must not be.</param>
    public KafkaErrorCode Acknowledge(string memberId, IReadOnlyList<Acknowledgement> acknowledgements, int deliveryCountMax, long? lockEndMs)
    {
        long before = -1;
        foreach (Acknowledgement acknowledgement in acknowledgements)
        {
            KafkaErrorCode error = Check(memberId, acknowledgement, before, lockEndMs is not null);
            if (error != KafkaErrorCode.None)
            {
                return error;
            }

            before = acknowledgement.Last;
        }

        foreach (Acknowledgement acknowledgement in acknowledgements)
        {
            for (long first = Math.Max(acknowledgement.First, StartOffset); first <= acknowledgement.Last;)
            {
                AcknowledgeType type = acknowledgement.TypeOf(first);
                long last = first;
                while (last < acknowledgement.Last && (acknowledgement.Types.Length == 1 || acknowledgement.TypeOf(last + 1) == type))
                {
                    last = acknowledgement.Types.Length == 1 ? acknowledgement.Last : last + 1;
                }

                Settle(first, last, type, deliveryCountMax, lockEndMs ?? 0);
                first = last + 1;
            }
        }

        _runs.Advance();
        return KafkaErrorCode.None;
    }

    /// <summary>A member is gone: what it has is available again.</summary>
    public void Release(string memberId, int deliveryCountMax) => Release(run => run.MemberId == memberId, deliveryCountMax);

    /// <summary>Locks have ended: what they were on is available again.</summary>
    public void Expire(long nowMs, int deliveryCountMax) => Release(run => run.LockEndMs <= nowMs, deliveryCountMax);

    private IEnumerable<DeliveryRun> Runs()
    {
        for (int i = 0; i < _runs.Count; i++)
        {
            yield return _runs[i];
        }
    }

    /// <summary>What was available but is not in the log any more, as compaction leaves it, is done.</summary>
    private void ArchiveMissing(long fetchOffset, long firstOffset)
    {
        if (fetchOffset >= firstOffset)
        {
            return;
        }

        for (long offset = Math.Max(fetchOffset, StartOffset); offset < firstOffset && offset < NextOffset;)
        {
            DeliveryRun run = _runs[_runs.Find(offset)];
            long last = Math.Min(run.Last, firstOffset - 1);
            if (run.State == DeliveryState.Available)
            {
                _runs.Replace(new DeliveryRun(offset, last, DeliveryState.Archived, run.DeliveryCount));
            }

            offset = last + 1;
        }

        if (NextOffset < firstOffset)
        {
            _runs.Append(new DeliveryRun(NextOffset, firstOffset - 1, DeliveryState.Archived, 0));
        }

        _runs.Advance();
    }

    /// <summary>
    /// Gives out what was given back. What has failed often is given out in ever smaller pieces, and for the last time alone, so that one bad record does not take its
    /// neighbours with it. Returns how many more may be given out.
    /// </summary>
    private long AcquireAgain(IReadOnlyList<BatchSpan> batches, in AcquireRequest request, List<DeliveryRun> acquired)
    {
        long left = request.RecordsMax;
        long lastRead = batches[^1].Last;
        for (long offset = Math.Max(batches[0].First, StartOffset); left > 0 && offset <= lastRead && offset < NextOffset;)
        {
            DeliveryRun run = _runs[_runs.Find(offset)];
            long last = Math.Min(run.Last, lastRead);
            if (run.State != DeliveryState.Available)
            {
                offset = last + 1;
                continue;
            }

            long first = Math.Max(run.First, offset);
            bool isCareful = run.DeliveryCount >= request.CarefulCount;
            if (isCareful && acquired.Count > 0)
            {
                return 0;
            }

            long most = isCareful ? Math.Min(left, request.CarefulRecords(run.Count, run.DeliveryCount)) : left;
            if (last - first + 1 > most)
            {
                last = request.IsExact || isCareful ? first + most - 1 : Math.Min(last, LastOfBatch(batches, first + most - 1));
            }

            DeliveryRun taken = DeliveryRun.Acquired(first, last, (short)(run.DeliveryCount + 1), request.MemberId, request.LockEndMs);
            _runs.Replace(taken);
            acquired.Add(taken);
            left = isCareful ? 0 : left - taken.Count;
            offset = last + 1;
        }

        return left;
    }

    private void AcquireNew(IReadOnlyList<BatchSpan> batches, long left, in AcquireRequest request, List<DeliveryRun> acquired)
    {
        long first = NextOffset;
        long last = batches[^1].Last;
        long most = Math.Min(left, request.InFlightMax - (NextOffset - StartOffset));
        if (most <= 0 || last < first)
        {
            return;
        }

        if (last - first + 1 > most)
        {
            last = request.IsExact ? first + most - 1 : LastOfBatch(batches, first + most - 1);
        }

        if (!request.IsExact)
        {
            // Members say what becomes of records by these pieces, so none is larger than it must be.
            foreach (BatchSpan batch in batches)
            {
                if (batch.First > first && batch.First <= last && batch.First - first >= request.BatchSize)
                {
                    Take(batch.First - 1, request);
                }
            }
        }

        Take(last, request);

        void Take(long end, in AcquireRequest asked)
        {
            DeliveryRun taken = DeliveryRun.Acquired(first, end, 1, asked.MemberId, asked.LockEndMs);
            _runs.Append(taken);
            acquired.Add(taken);
            first = end + 1;
        }
    }

    /// <summary>The last offset of the batch that has the offset, so that no batch is sent twice for its two parts.</summary>
    private static long LastOfBatch(IReadOnlyList<BatchSpan> batches, long offset)
    {
        foreach (BatchSpan batch in batches)
        {
            if (batch.Last >= offset)
            {
                return batch.First <= offset ? batch.Last : offset;
            }
        }

        return offset;
    }

    private KafkaErrorCode Check(string memberId, Acknowledgement acknowledgement, long before, bool mayRenew)
    {
        if (acknowledgement.Last < StartOffset)
        {
            return KafkaErrorCode.None;
        }

        if (NextOffset > StartOffset && acknowledgement.Last >= NextOffset)
        {
            return KafkaErrorCode.InvalidRequest;
        }

        long first = Math.Max(acknowledgement.First, StartOffset);
        if (first <= before || NextOffset == StartOffset || (!mayRenew && acknowledgement.Types.Contains((sbyte)AcknowledgeType.Renew)))
        {
            return KafkaErrorCode.InvalidRecordState;
        }

        for (int i = _runs.Find(first); i < _runs.Count && _runs[i].First <= acknowledgement.Last; i++)
        {
            if (_runs[i].State != DeliveryState.Acquired || _runs[i].MemberId != memberId)
            {
                return KafkaErrorCode.InvalidRecordState;
            }
        }

        return KafkaErrorCode.None;
    }

    private void Settle(long first, long last, AcknowledgeType type, int deliveryCountMax, long lockEndMs)
    {
        while (first <= last)
        {
            DeliveryRun run = _runs[_runs.Find(first)];
            DeliveryRun part = run with { First = first, Last = Math.Min(run.Last, last) };
            switch (type)
            {
                case AcknowledgeType.Renew:
                    _runs.Replace(part with { LockEndMs = lockEndMs });
                    break;
                case AcknowledgeType.Accept:
                    Change(part with { State = DeliveryState.Acknowledged });
                    break;
                case AcknowledgeType.Release:
                    GiveBack(part, deliveryCountMax);
                    break;
                default:
                    Change(part with { State = DeliveryState.Archived });
                    break;
            }

            first = part.Last + 1;
        }
    }

    private void Release(Func<DeliveryRun, bool> isWanted, int deliveryCountMax)
    {
        DeliveryRun[] released = [.. Runs().Where(run => run.State == DeliveryState.Acquired && isWanted(run))];
        foreach (DeliveryRun run in released)
        {
            GiveBack(run, deliveryCountMax);
        }

        _runs.Advance();
    }

    private void GiveBack(in DeliveryRun run, int deliveryCountMax)
    {
        bool isTooOften = run.DeliveryCount >= deliveryCountMax;
        Change(run with { State = isTooOften ? DeliveryState.Archived : DeliveryState.Available });
        _availableFrom = isTooOften ? _availableFrom : Math.Min(_availableFrom, run.First);
    }

    private void Change(in DeliveryRun run)
    {
        DeliveryRun changed = run with { MemberId = null, LockEndMs = 0 };
        _runs.Replace(changed);
        _changes.Add(changed);
    }
}
