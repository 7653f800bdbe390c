using Sluice.Broker.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>
/// One log of a queue with its shared cursor: a queue without priorities has one lane, a priority queue one per level.
/// Ready messages are those at and above the read position plus those returned; only returned offsets and
/// out-of-order settlements take memory. Guarded by the queue's lock.
/// </summary>
internal sealed class Lane : IDisposable
{
    private readonly long _recoveredEnd;
    private LogReader? _reader;
    private LogReader? _returnReader;
    private ReturnedMessages? _returned;
    private bool _peekedReturned;
    private Head _head = new(-1, 0, 0);

    public Lane(int level, Log log)
    {
        Level = level;
        Log = log;
        Cursor = log.Cursor ?? throw new ArgumentException("A queue's log must have a cursor.", nameof(log));
        _recoveredEnd = log.NextOffset;
    }

    public int Level { get; }

    public Log Log { get; }

    public Cursor Cursor { get; }

    /// <summary>Delivered or being dead-lettered, and not settled.</summary>
    public long OutCount { get; private set; }

    public long ReadyCount => Cursor.UnsettledCount - OutCount;

    /// <summary>
    /// First of the messages that came in the publisher's turn under way. They go to a consumer that waits, however short their TTL (0: to such a consumer or
    /// not at all) and however long the turn takes.
    /// </summary>
    public long FreshFrom { get; private set; } = long.MaxValue;

    public void NoteFresh(long offset) => FreshFrom = Math.Min(FreshFrom, offset);

    /// <summary>Waiting consumers have been served.</summary>
    public void EndFresh() => FreshFrom = long.MaxValue;

    /// <summary>All unsettled messages from here on are ready.</summary>
    public long ReadOffset => _reader?.NextOffset ?? Cursor.Floor;

    /// <summary>Offsets of the messages that came back and are ready, in no order.</summary>
    public IEnumerable<long> ReturnedOffsets => _returned?.Offsets ?? [];

    /// <summary>Holds memory to read from.</summary>
    public bool HoldsMemory => _reader is { HoldsMemory: true } || _returnReader is { HoldsMemory: true };

    /// <summary>A load from the disk is under way; see <see cref="LaneLoad"/>.</summary>
    public LaneLoad? Load { get; set; }

    /// <summary>Shows the next ready message without taking it. The view is valid until the lane is next used.</summary>
    public PeekResult TryPeek(out RecordView record, out bool redelivered)
    {
        while (_returned is { Count: > 0 })
        {
            long offset = _returned.PeekOffset(out redelivered);
            LogReader returnReader = _returnReader ??= Log.OpenReader(offset);
            if (returnReader.NextOffset != offset)
            {
                returnReader.Seek(offset);
            }

            PeekResult result = returnReader.TryPeek(out record);
            if (result == PeekResult.NeedsLoad)
            {
                return result;
            }

            if (result == PeekResult.Record && record.Offset == offset)
            {
                _peekedReturned = true;
                return result;
            }

            // Not in the log any more (it was deleted under us): forget it.
            _returned.RemoveFirst();
        }

        _peekedReturned = false;
        redelivered = false;
        LogReader reader = _reader ??= Log.OpenReader(Cursor.Floor);
        while (true)
        {
            PeekResult result = reader.TryPeek(out record);
            if (result == PeekResult.Record && record.Offset < _recoveredEnd && Cursor.IsSettled(record.Offset))
            {
                reader.Advance();
                continue;
            }

            return result;
        }
    }

    /// <summary>Takes the message last peeked out of the ready ones. True when it came in log order (not returned).</summary>
    public bool Take()
    {
        OutCount++;
        if (_peekedReturned)
        {
            _returned!.RemoveFirst();
            return false;
        }

        _reader!.Advance();
        return true;
    }

    /// <summary>Settles messages that were taken.</summary>
    public void SettleTaken(long offset, JournalGroup? group = null)
    {
        if (Cursor.Settle(offset, group))
        {
            OutCount--;
        }
    }

    public void SettleTaken(ReadOnlySpan<long> offsets, JournalGroup? group = null) => OutCount -= Cursor.Settle(offsets, group);

    /// <summary>Settles a run of messages taken in log order, holes included.</summary>
    public void SettleTakenRange(long from, long to) => OutCount -= Cursor.SettleRange(from, to);

    /// <summary>Puts a taken message back at its place.</summary>
    public void Return(long offset, bool redelivered)
    {
        OutCount--;
        (_returned ??= new ReturnedMessages()).Add(offset, redelivered);
    }

    /// <summary>Settles all ready messages; returns how many.</summary>
    public long Purge()
    {
        long purged = 0;
        if (_returned is { Count: > 0 })
        {
            purged += Cursor.Settle(_returned.Offsets.ToArray());
            _returned.Clear();
        }

        LogReader reader = _reader ??= Log.OpenReader(Cursor.Floor);
        purged += Cursor.SettleRange(reader.NextOffset, Log.NextOffset);
        reader.Seek(Log.NextOffset);
        return purged;
    }

    /// <summary>Goes on behind a damaged part of the log.</summary>
    public void SkipTo(long offset)
    {
        while (_returned is { Count: > 0 } && _returned.PeekOffset(out _) < offset)
        {
            _returned.RemoveFirst();
        }

        if (_reader is not null && _reader.NextOffset < offset)
        {
            _reader.Seek(offset);
        }
    }

    /// <summary>Where to load from the disk, after a peek said NeedsLoad.</summary>
    public long LoadOffset => _returned is { Count: > 0 } ? _returned.PeekOffset(out _) : _reader!.NextOffset;

    /// <summary>True when the next piece of a backlog should be read ahead.</summary>
    public bool WantsPrefetch(out long offset)
    {
        offset = 0;
        return _reader is not null && _reader.WantsPrefetch(out offset);
    }

    /// <summary>Gives back the memory held to read from; the place stays, and so does what is known of the head.</summary>
    public void LetGo()
    {
        _reader?.LetGo();
        _returnReader?.LetGo();
    }

    /// <summary>Remembers when the next ready message expires, so that it need not be read again to know it.</summary>
    public void NoteHead(in MessageView message) => _head = new Head(message.Offset, message.TimestampMs, message.ExpiresAtMs);

    /// <summary>The times of the next ready message, if they are known.</summary>
    public bool IsHeadKnown(out long timestampMs, out long expiresAtMs)
    {
        (timestampMs, expiresAtMs) = (_head.TimestampMs, _head.ExpiresAtMs);
        return ReadyCount > 0 && _head.Offset == (_returned is { Count: > 0 } ? _returned.PeekOffset(out _) : ReadOffset);
    }

    /// <summary>Hands a loaded window to the reader that can use it.</summary>
    public void Attach(LogWindow window)
    {
        if (_returned is { Count: > 0 } && _returnReader is not null)
        {
            long offset = _returned.PeekOffset(out _);
            if (offset >= window.FirstOffset && offset < window.EndOffset)
            {
                _returnReader.Attach(window);
                return;
            }
        }

        if (_reader is not null)
        {
            _reader.Attach(window);
        }
        else
        {
            window.Dispose();
        }
    }

    public void Dispose()
    {
        _reader?.Dispose();
        _returnReader?.Dispose();
        _reader = null;
        _returnReader = null;
    }

    private readonly record struct Head(long Offset, long TimestampMs, long ExpiresAtMs);
}
