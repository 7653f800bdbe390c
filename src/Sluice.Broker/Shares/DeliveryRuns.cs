namespace Sluice.Broker.Shares;

/// <summary>
/// The fates of the offsets from <see cref="Start"/> up to <see cref="End"/>, every one of which is in exactly one run. Neighbours of the same fate are one run, so there are
/// as few as can be.
/// </summary>
internal sealed class DeliveryRuns(long start)
{
    private readonly List<DeliveryRun> _runs = [];

    /// <summary>The first offset.</summary>
    public long Start { get; private set; } = start;

    /// <summary>One past the last offset.</summary>
    public long End { get; private set; } = start;

    public int Count => _runs.Count;

    public DeliveryRun this[int index] => _runs[index];

    /// <summary>Index of the run that has the offset; <see cref="Count"/> if it is at the end or after it. Below the start it is the first.</summary>
    public int Find(long offset)
    {
        int low = 0, high = _runs.Count;
        while (low < high)
        {
            int middle = (low + high) >> 1;
            if (_runs[middle].Last < offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    /// <summary>Puts offsets behind the others.</summary>
    public void Append(in DeliveryRun run)
    {
        _runs.Add(run);
        End = run.Last + 1;
        Join(_runs.Count - 1, _runs.Count);
    }

    /// <summary>Gives offsets that there are another fate.</summary>
    public void Replace(in DeliveryRun run)
    {
        int from = Split(run.First);
        int to = Split(run.Last + 1);
        _runs[from] = run;
        _runs.RemoveRange(from + 1, to - from - 1);
        Join(from, from + 1);
    }

    /// <summary>Forgets what lies below an offset; all begins there then.</summary>
    public void MoveStart(long offset)
    {
        if (offset >= End)
        {
            _runs.Clear();
            End = offset;
        }
        else
        {
            _runs.RemoveRange(0, Split(offset));
        }

        Start = offset;
    }

    /// <summary>Forgets what is done at the beginning.</summary>
    public void Advance()
    {
        int done = 0;
        while (done < _runs.Count && _runs[done].IsDone)
        {
            done++;
        }

        if (done > 0)
        {
            Start = _runs[done - 1].Last + 1;
            _runs.RemoveRange(0, done);
        }
    }

    /// <summary>Makes a run begin at the offset, and returns its index.</summary>
    private int Split(long offset)
    {
        int index = Find(offset);
        if (index == _runs.Count || _runs[index].First >= offset)
        {
            return index;
        }

        DeliveryRun run = _runs[index];
        _runs[index] = run with { Last = offset - 1 };
        _runs.Insert(index + 1, run with { First = offset });
        return index + 1;
    }

    /// <summary>Makes neighbours one where they are alike, at both ends of the runs from one index up to another.</summary>
    private void Join(int from, int to)
    {
        foreach (int index in (ReadOnlySpan<int>)[to, from])
        {
            if (index > 0 && index < _runs.Count && _runs[index - 1].IsLike(_runs[index]))
            {
                _runs[index - 1] = _runs[index - 1] with { Last = _runs[index].Last };
                _runs.RemoveAt(index);
            }
        }
    }
}
