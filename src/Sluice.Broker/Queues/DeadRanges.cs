using System.Runtime.InteropServices;
using Sluice.Broker.Messages;

namespace Sluice.Broker.Queues;

/// <summary>
/// The messages of a queue that died and wait to be dead-lettered: ranges of offsets, oldest first. A backlog that expires is one range. Neighbours are
/// joined when all between them is settled, so that there are never many more ranges than messages between them that still have another fate. Guarded by the queue's lock.
/// </summary>
internal sealed class DeadRanges(CompetingQueue queue)
{
    private const int JoinFrom = 1024;
    private List<DeadRange> _ranges = [];
    private int _first;
    private int _joinAt = JoinFrom;

    /// <summary>Ranges held.</summary>
    public int Count => _ranges.Count - _first;

    public void Add(MessageId id, DeathReason reason)
    {
        if (Count > 0)
        {
            ref DeadRange last = ref CollectionsMarshal.AsSpan(_ranges)[^1];
            if (last.Lane == id.Lane && last.Reason == reason && last.To == id.Offset)
            {
                last.To++;
                return;
            }
        }

        if (Count >= _joinAt)
        {
            Join();
        }

        _ranges.Add(new DeadRange { Lane = id.Lane, Reason = reason, From = id.Offset, To = id.Offset + 1 });
    }

    /// <summary>Takes out the next messages until the list has as many as wanted.</summary>
    public void TakeTo(List<(MessageId Id, DeathReason Reason)> messages, int countMax)
    {
        while (Count > 0 && messages.Count < countMax)
        {
            ref DeadRange range = ref CollectionsMarshal.AsSpan(_ranges)[_first];
            range.From = queue.Lanes[range.Lane].Cursor.NextUnsettled(range.From);
            if (range.From >= range.To)
            {
                RemoveFirst();
                continue;
            }

            messages.Add((new MessageId(range.Lane, range.From++), range.Reason));
        }
    }

    private void RemoveFirst()
    {
        _first++;
        if (_first == _ranges.Count)
        {
            _first = 0;
            _joinAt = JoinFrom;
            _ranges.Clear();
            if (_ranges.Capacity > JoinFrom)
            {
                _ranges = [];
            }
        }
        else if (_first > _ranges.Count / 2 && _first >= JoinFrom)
        {
            _ranges.RemoveRange(0, _first);
            _first = 0;
        }
    }

    private void Join()
    {
        _ranges.RemoveRange(0, _first);
        _first = 0;
        _ranges.Sort(static (a, b) => a.Lane != b.Lane ? a.Lane.CompareTo(b.Lane) : a.From.CompareTo(b.From));
        Span<DeadRange> ranges = CollectionsMarshal.AsSpan(_ranges);
        int kept = 0;
        for (int i = 1; i < ranges.Length; i++)
        {
            ref DeadRange before = ref ranges[kept];
            if (before.Lane == ranges[i].Lane && before.Reason == ranges[i].Reason
                && queue.Lanes[before.Lane].Cursor.NextUnsettled(before.To) >= ranges[i].From)
            {
                before.To = ranges[i].To;
            }
            else
            {
                ranges[++kept] = ranges[i];
            }
        }

        _ranges.RemoveRange(kept + 1, _ranges.Count - kept - 1);
        _joinAt = Math.Max(JoinFrom, Count * 2);
    }

    private struct DeadRange
    {
        public int Lane;
        public DeathReason Reason;
        public long From;
        public long To;
    }
}
