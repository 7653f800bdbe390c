using Sluice.Broker.Messages;

namespace Sluice.Broker.Queues;

/// <summary>
/// Body bytes of a queue's ready messages; kept only while the queue has a byte limit. What comes and goes is counted as it does so. What was there before
/// the count began is added by a <see cref="ReadyBytesScan"/>; until that ends, <see cref="Total"/> is too small, never too large: what a limit drops or
/// refuses by it, it would drop or refuse by the real number. Remembers the sizes of what is delivered, for when it comes back. Guarded by the queue's lock.
/// </summary>
internal sealed class ReadyBytes
{
    private readonly Dictionary<MessageId, int> _taken = [];
    private readonly Part[] _parts;
    private HashSet<MessageId>? _returned;

    /// <summary>Begins to count; <see cref="IsExact"/> at once if the lanes hold nothing.</summary>
    public ReadyBytes(LaneSet lanes)
    {
        _parts = new Part[lanes.Count];
        Restart(lanes);
    }

    /// <summary>Bytes of the ready messages counted so far.</summary>
    public long Total { get; private set; }

    /// <summary>All ready messages are counted.</summary>
    public bool IsExact => NextPart < 0;

    /// <summary>The lane that is to be counted further; -1 for none.</summary>
    public int NextPart => Array.FindIndex(_parts, static part => part.From < part.End);

    /// <summary>Where in the lane to go on, and where to end.</summary>
    public (long From, long End) PartOf(int lane) => (_parts[lane].From, _parts[lane].End);

    /// <summary>Counts all anew, because ready messages went another way than by being taken (a part of a log cannot be read).</summary>
    public void Restart(LaneSet lanes)
    {
        Total = 0;
        _returned = null;
        for (int i = 0; i < _parts.Length; i++)
        {
            Lane lane = lanes[i];
            _parts[i] = lane.Cursor.UnsettledCount == 0 ? default : new Part(lane.Cursor.Floor, lane.Log.NextOffset);
            foreach (long offset in lane.ReturnedOffsets)
            {
                (_returned ??= []).Add(new MessageId(i, offset));
            }
        }
    }

    /// <summary>Messages were appended.</summary>
    public void Added(long bytes) => Total += bytes;

    /// <summary>A ready message was taken to be delivered or dropped.</summary>
    public void Taken(MessageId id, int bytes)
    {
        _taken[id] = bytes;
        if (IsUncounted(id))
        {
            _returned?.Remove(id);
        }
        else
        {
            Total -= bytes;
        }
    }

    /// <summary>A message taken is gone for good.</summary>
    public void Settled(MessageId id) => _taken.Remove(id);

    /// <summary>A message taken is ready again.</summary>
    public void Returned(MessageId id)
    {
        bool isKnown = _taken.Remove(id, out int bytes);
        if (IsUncounted(id))
        {
            (_returned ??= []).Add(id);
        }
        else if (isKnown)
        {
            Total += bytes;
        }
    }

    /// <summary>All ready messages are gone.</summary>
    public void Clear()
    {
        Total = 0;
        _returned = null;
    }

    /// <summary>The scan has read a piece of a lane that ends before <paramref name="end"/>: counts what is ready of it, and notes the sizes of what is out.</summary>
    public void Count(Lane lane, ReadOnlySpan<(long Offset, int Bytes)> records, long end)
    {
        foreach ((long offset, int bytes) in records)
        {
            if (lane.Cursor.IsSettled(offset))
            {
                continue;
            }

            var id = new MessageId(lane.Level, offset);
            if (offset >= lane.ReadOffset || (_returned is not null && _returned.Remove(id)))
            {
                Total += bytes;
            }
            else
            {
                _taken[id] = bytes;
            }
        }

        Part part = _parts[lane.Level];
        _parts[lane.Level] = end >= part.End ? default : part with { From = end };
        if (IsExact)
        {
            _returned = null;
        }
    }

    private bool IsUncounted(MessageId id) => id.Offset >= _parts[id.Lane].From && id.Offset < _parts[id.Lane].End;

    /// <param name="From">All below is counted.</param>
    /// <param name="End">All from here on came after the count began.</param>
    private readonly record struct Part(long From, long End);
}
