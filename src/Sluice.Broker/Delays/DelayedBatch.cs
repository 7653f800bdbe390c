using System.Runtime.InteropServices;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Delays;

/// <summary>Messages that are due, taken one after the other, and their settlement. One per <see cref="DelayStore"/>, used again and again; valid during <see cref="IDelayedTarget.Deliver"/>.</summary>
public sealed class DelayedBatch
{
    private const int CountMax = 256;
    private const long BytesMax = 1 << 20;

    private readonly DelayWheel _wheel;
    private readonly List<DelayEntry> _entries = new(CountMax);
    private readonly List<long> _offsets = new(CountMax);
    private OpenBucket? _streamed;
    private long _position;
    private long _nowMs;
    private long _bytes;
    private int _next;

    internal DelayedBatch(DelayWheel wheel) => _wheel = wheel;

    /// <summary>Hold it from before <see cref="Settle"/> until the journal group is committed. Lock order: after the locks of queues.</summary>
    public Lock Gate => _wheel.Gate;

    internal bool IsSettled { get; private set; }

    /// <summary>Messages given out.</summary>
    internal int Given { get; private set; }

    /// <summary>Set when a streamed bucket holds a message that is not due, at this offset: the clock was set back. -1: none.</summary>
    internal long NotDueAt { get; private set; }

    /// <summary>The next message; false at the end of the batch. May wait for the disk.</summary>
    public bool TryNext(out DelayedMessage message)
    {
        bool found = _streamed is not null ? TryStream(_streamed, out message) : TryFetch(out message);
        Given += found ? 1 : 0;
        return found;
    }

    /// <summary>
    /// Settles all messages of the batch taken so far (they are gone from here) as part of the group that appends them elsewhere, or alone.
    /// Messages not taken come again.
    /// </summary>
    public void Settle(JournalGroup? group)
    {
        lock (Gate)
        {
            int taken = _streamed is null ? _next : _entries.Count;
            for (int slot = 0, done = 0; done < taken; slot++)
            {
                Log log = _wheel.Logs[slot];
                _offsets.Clear();
                for (int i = 0; i < taken; i++)
                {
                    if (_entries[i].Slot == slot)
                    {
                        _offsets.Add(_entries[i].Offset);
                    }
                }

                done += _offsets.Count;
                if (_offsets.Count > 0)
                {
                    log.Cursor!.Settle(CollectionsMarshal.AsSpan(_offsets), group);
                }
            }

            IsSettled = true;
        }
    }

    /// <summary>Takes what is due from the index. Under the gate. False if nothing is.</summary>
    internal bool BeginFromIndex(long nowMs)
    {
        Reset(nowMs);
        while (_entries.Count < CountMax && _wheel.Index.FirstDueMs <= nowMs)
        {
            _entries.Add(_wheel.Index.Take());
        }

        return _entries.Count > 0;
    }

    /// <summary>Takes what an open bucket that is over still holds, in log order.</summary>
    internal void BeginStream(OpenBucket bucket, long nowMs)
    {
        Reset(nowMs);
        _streamed = bucket;
        _position = 0;
    }

    /// <summary>Puts back what was not settled. Under the gate.</summary>
    internal void End()
    {
        if (_streamed is null)
        {
            int settled = IsSettled ? _next : 0;
            for (int i = 0; i < settled; i++)
            {
                _wheel.FindOpen(_entries[i].Slot, _entries[i].Offset).Indexed--;
            }

            for (int i = settled; i < _entries.Count; i++)
            {
                _wheel.Index.Put(_entries[i]);
            }
        }

        _streamed = null;
        _entries.Clear();
    }

    private void Reset(long nowMs)
    {
        _nowMs = nowMs;
        _streamed = null;
        _entries.Clear();
        _bytes = 0;
        _next = 0;
        Given = 0;
        NotDueAt = -1;
        IsSettled = false;
    }

    private bool TryFetch(out DelayedMessage message)
    {
        while (_next < _entries.Count && _bytes < BytesMax)
        {
            DelayEntry entry = _entries[_next++];
            OpenBucket bucket;
            lock (Gate)
            {
                bucket = _wheel.FindOpen(entry.Slot, entry.Offset);
            }

            if (bucket.Fetcher.TryRead(entry.Offset, entry.Offset + 1, out RecordView record))
            {
                DelayRecord.Read(record, out message);
                _bytes += record.Value.Length;
                return true;
            }
        }

        message = default;
        return false;
    }

    private bool TryStream(OpenBucket bucket, out DelayedMessage message)
    {
        message = default;
        if (_entries.Count >= CountMax || _bytes >= BytesMax || NotDueAt >= 0 || !bucket.Fetcher.TryRead(_position, bucket.End, out RecordView record))
        {
            return false;
        }

        DelayRecord.Read(record, out message);
        if (message.DueMs > _nowMs)
        {
            NotDueAt = record.Offset;
            message = default;
            return false;
        }

        _entries.Add(new DelayEntry(message.DueMs, bucket.Slot, record.Offset));
        _position = record.Offset + 1;
        _bytes += record.Value.Length;
        return true;
    }
}
