namespace Sluice.Broker.Shares;

/// <summary>How members of a share group get records: what was given back before what is new.</summary>
internal readonly struct ShareAcquisition(ShareLedger ledger)
{
    /// <summary>See <see cref="ShareCursor.Acquire"/>.</summary>
    public List<DeliveryRun> Acquire(long fetchOffset, IReadOnlyList<BatchSpan> batches, in AcquireRequest request)
    {
        var acquired = new List<DeliveryRun>();
        if (batches.Count == 0 || request.RecordsMax <= 0 || batches[^1].Last < ledger.StartOffset || fetchOffset > ledger.NextOffset)
        {
            // Nothing is wanted, or what was read is not where the group is now.
            return acquired;
        }

        ledger.ArchiveMissing(fetchOffset, batches[0].First);
        long left = AcquireAgain(batches, request, acquired);
        if (left > 0)
        {
            AcquireNew(batches, left, request, acquired);
        }

        return acquired;
    }

    /// <summary>See <see cref="ShareCursor.TryAcquire"/>.</summary>
    public bool TryAcquire(long fetchOffset, long offset, in AcquireRequest request, out int deliveryCount)
    {
        deliveryCount = 0;
        if (offset < ledger.StartOffset || fetchOffset > ledger.NextOffset)
        {
            return false;
        }

        ledger.ArchiveMissing(fetchOffset, offset);
        if (offset < ledger.NextOffset)
        {
            DeliveryRun run = ledger.At(offset);
            if (run.State != DeliveryState.Available || IsToWait(run, request))
            {
                return false;
            }

            deliveryCount = run.DeliveryCount + 1;
        }
        else if (ledger.NextOffset - ledger.StartOffset < request.InFlightMax)
        {
            deliveryCount = 1;
        }
        else
        {
            return false;
        }

        ledger.Take(DeliveryRun.Acquired(offset, offset, (short)deliveryCount, request.Member, request.LockEndMs));
        return true;
    }

    /// <summary>
    /// Whether a member that is given single records must settle another before it gets one of these. What has failed often is given to it one at a time, so that one bad record
    /// does not take its neighbours with it.
    /// </summary>
    public bool IsToWait(in DeliveryRun available, in AcquireRequest request)
    {
        if (available.DeliveryCount < request.CarefulCount)
        {
            return false;
        }

        for (int i = 0; i < ledger.Count; i++)
        {
            DeliveryRun run = ledger[i];
            if (run.State == DeliveryState.Acquired && run.DeliveryCount > request.CarefulCount && run.Member!.Equals(request.Member))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Gives out what was given back. What has failed often is given out in ever smaller pieces, and for the last time alone, so that one bad record does not take its
    /// neighbours with it. Returns how many more may be given out.
    /// </summary>
    private long AcquireAgain(IReadOnlyList<BatchSpan> batches, in AcquireRequest request, List<DeliveryRun> acquired)
    {
        long left = request.RecordsMax;
        long lastRead = batches[^1].Last;
        for (long offset = Math.Max(batches[0].First, ledger.StartOffset); left > 0 && offset <= lastRead && offset < ledger.NextOffset;)
        {
            DeliveryRun run = ledger.At(offset);
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

            DeliveryRun taken = DeliveryRun.Acquired(first, last, (short)(run.DeliveryCount + 1), request.Member, request.LockEndMs);
            ledger.Take(taken);
            acquired.Add(taken);
            left = isCareful ? 0 : left - taken.Count;
            offset = last + 1;
        }

        return left;
    }

    private void AcquireNew(IReadOnlyList<BatchSpan> batches, long left, in AcquireRequest request, List<DeliveryRun> acquired)
    {
        long first = ledger.NextOffset;
        long last = batches[^1].Last;
        long most = Math.Min(left, request.InFlightMax - (ledger.NextOffset - ledger.StartOffset));
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
                    first = TakeNew(first, batch.First - 1, request, acquired);
                }
            }
        }

        TakeNew(first, last, request, acquired);
    }

    /// <summary>Returns where the next piece begins.</summary>
    private long TakeNew(long first, long last, in AcquireRequest request, List<DeliveryRun> acquired)
    {
        DeliveryRun taken = DeliveryRun.Acquired(first, last, 1, request.Member, request.LockEndMs);
        ledger.Take(taken);
        acquired.Add(taken);
        return last + 1;
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
}
