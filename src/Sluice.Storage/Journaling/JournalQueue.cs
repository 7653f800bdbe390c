using System.Buffers.Binary;
using Sluice.Base.Binary;
using Sluice.Base.Buffers;

namespace Sluice.Storage.Journaling;

/// <summary>
/// Entries that wait to be written to the journal, in the order of their positions. Producers copy them in under a short lock;
/// whoever writes the journal takes them all at once. What a log settles in order grows into one entry as long as that waits here.
/// </summary>
internal sealed class JournalQueue
{
    private const int LazyBytesMax = 64 << 10;
    private const int SettleBytes = JournalFormat.EntryHeaderBytes + 16;

    private readonly Lock _sync = new();
    private readonly DurabilityWaiters _waiters;
    private readonly long _fileBytes;
    private JournalBuffer _pending;
    private JournalBuffer _taken;
    private long _position;
    private long _fileFirst;
    private long _epoch;
    private long _pendingStart;
    private long _lazyStart;
    private bool _lazyArmed;
    private long _syncThrough;
    private bool _wantsSync;
    private volatile bool _isClosed;

    /// <param name="pool">Where buffers come from.</param>
    /// <param name="waiters">Know what is durable, and whether the journal has failed: then nothing is queued any more.</param>
    /// <param name="fileBytes">Size at which the next file begins.</param>
    /// <param name="position">Where the next entry goes; a new file begins there.</param>
    /// <param name="epoch">Of the file before; the new one gets the next.</param>
    public JournalQueue(BufferPool pool, DurabilityWaiters waiters, long fileBytes, long position, long epoch)
    {
        _waiters = waiters;
        _fileBytes = fileBytes;
        _pending = new JournalBuffer(pool);
        _taken = new JournalBuffer(pool);
        _position = position;
        _pendingStart = position;
        _epoch = epoch;
        BeginFile();
    }

    /// <summary>Where the next entry goes.</summary>
    public long End => Volatile.Read(ref _position);

    public bool IsClosed => _isClosed;

    /// <summary>Somebody waits for the disk, so the next write is to sync.</summary>
    public bool WantsSync
    {
        get
        {
            lock (_sync)
            {
                return _wantsSync;
            }
        }
    }

    /// <summary>Whether what ends at the position has not been taken yet.</summary>
    public bool Holds(long position) => position > Taken;

    /// <summary>Up to here it was taken to be written.</summary>
    public long Taken => Volatile.Read(ref _pendingStart);

    /// <summary>Queues an entry and returns the position at which it is kept.</summary>
    public JournalPosition Add(JournalEntryType type, Durability promise, long logId, ReadOnlySpan<byte> payload, bool isAwaited, out JournalNudge nudge)
    {
        uint bodyCrc = JournalFormat.BodyCrc(type, payload);
        int total = JournalFormat.EntryHeaderBytes + JournalFormat.Padded(payload.Length);
        lock (_sync)
        {
            if (_waiters.Failure is not null || _isClosed)
            {
                nudge = JournalNudge.None;
                return new JournalPosition(_position + total);
            }
            long position = BeginEntry(total);
            Span<byte> header = _pending.Reserve(position, JournalFormat.EntryHeaderBytes);
            JournalFormat.WriteEntryHeader(header, type, promise, logId, payload.Length, bodyCrc, _epoch, position, _waiters.Durable);
            _pending.Copy(position + JournalFormat.EntryHeaderBytes, payload);
            int padding = total - JournalFormat.EntryHeaderBytes - payload.Length;
            _pending.Copy(_position + total - padding, "\0\0\0\0\0\0\0"u8[..padding]);
            nudge = EndEntry(total, promise, isAwaited);
            return new JournalPosition(_position);
        }
    }

    /// <summary>Queues a settled range lazily, or lets the log's last such entry grow. <paramref name="entryPosition"/> is the log's memory of that entry.</summary>
    public JournalNudge AddSettled(long logId, long from, long to, ref long entryPosition)
    {
        lock (_sync)
        {
            if (_waiters.Failure is not null || _isClosed || TryExtend(logId, from, to, entryPosition))
            {
                return JournalNudge.None;
            }
            long position = BeginEntry(SettleBytes);
            Span<byte> entry = _pending.Reserve(position, SettleBytes);
            WriteSettled(entry, logId, from, to, position);
            entryPosition = position;
            return EndEntry(SettleBytes, Durability.Memory, isAwaited: false);
        }
    }

    /// <summary>Begins a new file at the next entry and returns the position where it begins.</summary>
    public long Rotate()
    {
        lock (_sync)
        {
            if (_position != _fileFirst)
            {
                BeginFile();
            }
            return _fileFirst;
        }
    }

    /// <summary>Somebody waits for the disk up to the position. The entry itself may have asked for less (a transaction of transient messages); a sync must come nevertheless.</summary>
    public JournalNudge AskForSync(long position, bool isQueued)
    {
        if (position <= Volatile.Read(ref _syncThrough))
        {
            return isQueued ? JournalNudge.WakeWorker : JournalNudge.None;
        }
        lock (_sync)
        {
            if (_isClosed)
            {
                return JournalNudge.None;
            }
            _wantsSync = true;
            Volatile.Write(ref _syncThrough, _position);
        }
        return JournalNudge.WakeWorker;
    }

    /// <summary>The timer that <see cref="JournalNudge.ArmTimer"/> asked for has run out: whether to write.</summary>
    public bool EndLazyDelay()
    {
        lock (_sync)
        {
            _lazyArmed = false;
            return !_isClosed;
        }
    }

    /// <summary>Hands over all that is queued, up to <paramref name="end"/>. The caller writes and clears it before the next call.</summary>
    /// <param name="wantsSync">Somebody waits for the disk.</param>
    /// <param name="end">Where the next entry goes.</param>
    public JournalBuffer Take(out bool wantsSync, out long end)
    {
        lock (_sync)
        {
            wantsSync = _wantsSync;
            _wantsSync = false;
            _lazyStart = 0;
            end = _position;
            Volatile.Write(ref _pendingStart, end);
            (_pending, _taken) = (_taken, _pending);
            return _taken;
        }
    }

    /// <summary>Takes nothing more.</summary>
    public void Close()
    {
        lock (_sync)
        {
            _isClosed = true;
        }
    }

    /// <summary>Lets go of all buffers. After <see cref="Close"/>, when nobody writes.</summary>
    public void Clear()
    {
        _pending.Clear();
        _taken.Clear();
    }

    private long BeginEntry(int total)
    {
        if (_position != _fileFirst && _position - _fileFirst + total > _fileBytes)
        {
            BeginFile();
        }
        return _position;
    }

    private void BeginFile()
    {
        _epoch++;
        _fileFirst = _position;
        _pending.BeginFile(_position, _epoch);
    }

    private JournalNudge EndEntry(int total, Durability promise, bool isAwaited)
    {
        bool isLazy = promise == Durability.Memory || isAwaited;
        if (isLazy)
        {
            _lazyStart = _lazyStart == 0 ? _position : _lazyStart;
        }
        Volatile.Write(ref _position, _position + total);
        if (promise == Durability.Disk)
        {
            _wantsSync = true;
            Volatile.Write(ref _syncThrough, _position);
        }
        if (!isLazy || (!isAwaited && _position - _lazyStart > LazyBytesMax))
        {
            return JournalNudge.WakeWorker;
        }
        if (_lazyArmed)
        {
            return JournalNudge.None;
        }
        _lazyArmed = true;
        return JournalNudge.ArmTimer;
    }

    private bool TryExtend(long logId, long from, long to, long entryPosition)
    {
        if (entryPosition < _pendingStart || entryPosition == 0 || entryPosition < _fileFirst)
        {
            return false;
        }
        Span<byte> entry = _pending.Find(entryPosition, SettleBytes);
        if (entry.IsEmpty || BinaryPrimitives.ReadInt64LittleEndian(entry[40..]) != from)
        {
            return false;
        }
        WriteSettled(entry, logId, BinaryPrimitives.ReadInt64LittleEndian(entry[32..]), to, entryPosition);
        return true;
    }

    private void WriteSettled(Span<byte> entry, long logId, long from, long to, long position)
    {
        BinaryPrimitives.WriteInt64LittleEndian(entry[32..], from);
        BinaryPrimitives.WriteInt64LittleEndian(entry[40..], to);
        uint bodyCrc = Crc32C.Compute(entry.Slice(32, 16));
        JournalFormat.WriteEntryHeader(entry, JournalEntryType.Settle, Durability.Memory, logId, 16, bodyCrc, _epoch, position, _waiters.Durable);
    }
}

/// <summary>What is to follow when an entry has been queued.</summary>
internal enum JournalNudge : byte
{
    None,
    WakeWorker,

    /// <summary>Nobody waits for it: it is written with the next that somebody waits for, or after a delay.</summary>
    ArmTimer,
}
