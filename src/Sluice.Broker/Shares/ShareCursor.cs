namespace Sluice.Broker.Shares;

/// <summary>
/// The position of a share group in a partition (KIP-932): where it starts, and what has become of the records from there up to the last one that was ever delivered. Its members
/// may speak different protocols. Knows no clock, no log and no disk. Guarded by the lock of whoever keeps it.
/// </summary>
public sealed class ShareCursor(long startOffset)
{
    private readonly ShareLedger _ledger = new(startOffset);

    /// <summary>All below is done (Kafka's share-partition start offset).</summary>
    public long StartOffset => _ledger.StartOffset;

    /// <summary>From here on nothing was delivered yet.</summary>
    public long NextOffset => _ledger.NextOffset;

    /// <summary>Where the next fetch reads.</summary>
    public long FetchOffset => _ledger.FirstAvailable;

    /// <summary>How many offsets from the start on are done.</summary>
    public long DoneCount => _ledger.Runs().Where(static run => run.IsDone).Sum(static run => run.Count);

    /// <summary>When the first lock ends; null: nothing is acquired whose lock does.</summary>
    public long? FirstLockEndMs => _ledger.Runs().Where(static run => run is { State: DeliveryState.Acquired, LockEndMs: not DeliveryRun.NoLockEnd }).Min(static run => (long?)run.LockEndMs);

    /// <summary>What has come to differ since they were taken last from what the log of states says, in order; nothing below <see cref="StartOffset"/>.</summary>
    public DeliveryRun[] TakeChanges() => _ledger.TakeChanges();

    /// <summary>All that the log of states has to say: what is acquired was available before, and is so again if the broker ends.</summary>
    public IReadOnlyList<DeliveryRun> ToState() => _ledger.ToState();

    /// <summary>Does what a record of the log of states says.</summary>
    /// <param name="startOffset">Negative: as it was.</param>
    /// <param name="changes">In order. What lies between them and what is known was never settled, so it is available.</param>
    public void Restore(long startOffset, IEnumerable<DeliveryRun> changes) => _ledger.Restore(startOffset, changes);

    /// <summary>Begins anew somewhere else.</summary>
    public void Reset(long startOffset) => _ledger.Reset(startOffset);

    /// <summary>The log begins at a later offset now: what lies before is no more.</summary>
    public void MoveStart(long logStartOffset) => _ledger.MoveStart(logStartOffset);

    /// <summary>Whether a fetch can lead to anything: something was given back, or there is room for more.</summary>
    public bool CanAcquire(int inFlightMax) => FetchOffset < NextOffset || NextOffset - StartOffset < inFlightMax;

    /// <summary>Whether looking for a single record can lead to anything; see <see cref="TryAcquire"/>.</summary>
    public bool CanAcquire(in AcquireRequest request)
    {
        long offset = FetchOffset;
        return offset < NextOffset ? !new ShareAcquisition(_ledger).IsToWait(_ledger.At(offset), request) : NextOffset - StartOffset < request.InFlightMax;
    }

    /// <summary>A member gets what is available of the batches that were read, from what was given back to what is new.</summary>
    /// <param name="fetchOffset">Where the log was read.</param>
    /// <param name="batches">What was found there, in order.</param>
    /// <param name="request">Who asks for how much.</param>
    public List<DeliveryRun> Acquire(long fetchOffset, IReadOnlyList<BatchSpan> batches, in AcquireRequest request) => new ShareAcquisition(_ledger).Acquire(fetchOffset, batches, request);

    /// <summary>A member gets a single record, unless somebody else has it or it must wait.</summary>
    /// <param name="fetchOffset">Where the log was read.</param>
    /// <param name="offset">The first record that was found there.</param>
    /// <param name="request">Who asks.</param>
    /// <param name="deliveryCount">How often it is delivered with this time.</param>
    public bool TryAcquire(long fetchOffset, long offset, in AcquireRequest request, out int deliveryCount) =>
        new ShareAcquisition(_ledger).TryAcquire(fetchOffset, offset, request, out deliveryCount);

    /// <summary>Records of transactions that were rolled back are for nobody.</summary>
    /// <param name="first">Offset of the first.</param>
    /// <param name="last">Offset of the last.</param>
    /// <param name="acquired">What a member has just got; without them afterwards.</param>
    public void Archive(long first, long last, List<DeliveryRun> acquired)
    {
        ArgumentNullException.ThrowIfNull(acquired);
        for (int i = acquired.Count - 1; i >= 0; i--)
        {
            DeliveryRun run = acquired[i];
            if (run.First > last || run.Last < first)
            {
                continue;
            }

            _ledger.Archive(Math.Max(run.First, first), Math.Min(run.Last, last), run.DeliveryCount);
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

        _ledger.Advance();
    }

    /// <summary>A member says what becomes of records. All is as before if any of it is refused.</summary>
    /// <param name="member">Who says so.</param>
    /// <param name="acknowledgements">Each with valid kinds.</param>
    /// <param name="deliveryCountMax">What was delivered so often is not delivered again.</param>
    /// <param name="lockEndMs">Of locks that are renewed; null: they must not be.</param>
    public AcknowledgeStatus Acknowledge(object member, IReadOnlyList<Acknowledgement> acknowledgements, int deliveryCountMax, long? lockEndMs)
    {
        long before = -1;
        foreach (Acknowledgement acknowledgement in acknowledgements)
        {
            AcknowledgeStatus status = Check(member, acknowledgement, before, lockEndMs is not null);
            if (status != AcknowledgeStatus.Ok)
            {
                return status;
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

        _ledger.Advance();
        return AcknowledgeStatus.Ok;
    }

    /// <summary>A member says what becomes of single records; of those that it does not have any more, nothing does.</summary>
    public void Acknowledge(object member, ReadOnlySpan<long> offsets, AcknowledgeType type, int deliveryCountMax)
    {
        foreach (long offset in offsets)
        {
            if (offset >= StartOffset && offset < NextOffset && _ledger.At(offset) is { State: DeliveryState.Acquired } run && Equals(run.Member, member))
            {
                Settle(offset, offset, type, deliveryCountMax, run.LockEndMs);
            }
        }

        _ledger.Advance();
    }

    /// <summary>A member is gone: what it has is available again.</summary>
    public void Release(object member, int deliveryCountMax) => Release(run => Equals(run.Member, member), deliveryCountMax);

    /// <summary>Locks have ended: what they were on is available again.</summary>
    public void Expire(long nowMs, int deliveryCountMax) => Release(run => run.LockEndMs <= nowMs, deliveryCountMax);

    private AcknowledgeStatus Check(object member, Acknowledgement acknowledgement, long before, bool mayRenew)
    {
        if (acknowledgement.Last < StartOffset)
        {
            return AcknowledgeStatus.Ok;
        }

        if (NextOffset > StartOffset && acknowledgement.Last >= NextOffset)
        {
            return AcknowledgeStatus.Invalid;
        }

        long first = Math.Max(acknowledgement.First, StartOffset);
        if (first <= before || NextOffset == StartOffset || (!mayRenew && acknowledgement.Types.Contains((sbyte)AcknowledgeType.Renew)))
        {
            return AcknowledgeStatus.NotHeld;
        }

        for (int i = _ledger.Find(first); i < _ledger.Count && _ledger[i].First <= acknowledgement.Last; i++)
        {
            if (_ledger[i].State != DeliveryState.Acquired || !Equals(_ledger[i].Member, member))
            {
                return AcknowledgeStatus.NotHeld;
            }
        }

        return AcknowledgeStatus.Ok;
    }

    private void Settle(long first, long last, AcknowledgeType type, int deliveryCountMax, long lockEndMs)
    {
        while (first <= last)
        {
            DeliveryRun run = _ledger.At(first);
            DeliveryRun part = run with { First = first, Last = Math.Min(run.Last, last) };
            switch (type)
            {
                case AcknowledgeType.Renew:
                    _ledger.Renew(part with { LockEndMs = lockEndMs });
                    break;
                case AcknowledgeType.Accept:
                    _ledger.Change(part with { State = DeliveryState.Acknowledged });
                    break;
                case AcknowledgeType.Release:
                    _ledger.GiveBack(part, deliveryCountMax);
                    break;
                default:
                    _ledger.Change(part with { State = DeliveryState.Archived });
                    break;
            }

            first = part.Last + 1;
        }
    }

    private void Release(Func<DeliveryRun, bool> isWanted, int deliveryCountMax)
    {
        DeliveryRun[] released = [.. _ledger.Runs().Where(run => run.State == DeliveryState.Acquired && isWanted(run))];
        foreach (DeliveryRun run in released)
        {
            _ledger.GiveBack(run, deliveryCountMax);
        }

        _ledger.Advance();
    }
}
