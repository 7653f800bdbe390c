using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using Sluice.Base.Binary;
using Sluice.Base.Buffers;
using Sluice.Base.Disk;
using Sluice.Base.Scheduling;
using Sluice.Storage.Records;

namespace Sluice.Storage.Journaling;

/// <summary>
/// The write-ahead journal shared by all logs. Producers copy entries into a queue under a short lock; one worker writes the
/// queue in one go and syncs once for all that asked for it; while it does, the next queue gathers. No timer stands between an
/// append and its write; settlements and delivery counts ride along and go by themselves only after 50 ms or 64 KB.
/// Whoever waits for a write alone, not for a sync, does it on its own thread if nobody is at it: cheaper than waking another.
/// Failure policy: after a failed write or sync nothing more is written and no promise is given again in this process.
/// </summary>
internal sealed class Journal : IDisposable
{
    private const int LazyBytesMax = 64 << 10;
    private static readonly TimeSpan LazyDelay = TimeSpan.FromMilliseconds(50);

    private readonly Lock _sync = new();
    private readonly Lock _io = new();
    private readonly DurabilityWaiters _waiters;
    private readonly RoomWaiters _room;
    private readonly JournalFiles _files;
    private readonly ILogger _logger;
    private readonly ITimer _lazyTimer;
    private readonly IWorker _worker;
    private readonly long _fileBytes;
    private readonly long _backlogBytesMax;
    private readonly Action? _onGrown;
    private readonly Func<bool> _hasTailRoom;
    private readonly IWriteThrough _through;
    private readonly long _grownBytes;
    private JournalBuffer _pending;
    private JournalBuffer _writing;
    private long _position;
    private long _fileFirst;
    private long _epoch;
    private long _pendingStart;
    private long _lazyStart;
    private long _bytes;
    private bool _lazyArmed;
    private long _syncThrough;
    private bool _wantsSync;
    private bool _disposed;
    private Exception? _stopError;

    /// <param name="position">Where the next entry goes; a new file begins there.</param>
    /// <param name="epoch">Of the file before; the new one gets the next.</param>
    /// <param name="hasTailRoom">Whether log tails leave room for more; publishers wait for both.</param>
    /// <param name="onGrown">Called after a write that leaves more than <see cref="LogStoreOptions.JournalBytesMax"/> to replay.</param>
    /// <param name="through">Writes the batches of which the journal has only notes.</param>
    public Journal(LogStoreOptions options, BufferPool pool, IScheduler scheduler, TimeProvider clock, ILogger logger, JournalFiles files, long position, long epoch, Action? onGrown, Func<bool> hasTailRoom, IWriteThrough through)
    {
        _files = files;
        _logger = logger;
        _waiters = new DurabilityWaiters(logger);
        _onGrown = onGrown;
        _hasTailRoom = hasTailRoom;
        _through = through;
        _grownBytes = options.JournalBytesMax;
        _fileBytes = Math.Clamp(options.JournalBytesMax / 4, 4 << 10, 64 << 20);
        _backlogBytesMax = options.JournalBacklogBytesMax;
        _pending = new JournalBuffer(pool);
        _writing = new JournalBuffer(pool);
        _room = new RoomWaiters(scheduler);
        _position = position;
        _pendingStart = position;
        _epoch = epoch;
        _waiters.Start(position);
        BeginFile();
        _lazyTimer = clock.CreateTimer(static state => ((Journal)state!).OnLazyTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _worker = scheduler.StartWorker("sluice-journal", Step, Fail);
    }

    public JournalPosition Durable => new(_waiters.Durable);

    /// <summary>Where the next entry goes.</summary>
    public JournalPosition End => new(Volatile.Read(ref _position));

    public Exception? Failure => _waiters.Failure;

    public long BacklogBytes => Volatile.Read(ref _position) - _waiters.Written;

    /// <summary>Bytes a recovery would replay, as of the last write.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Queues an entry and returns the position at which it is kept. Wakes the worker unless the promise is Memory (lazy) or <paramref name="isAwaited"/>.</summary>
    /// <param name="type">What it is.</param>
    /// <param name="promise">How it is to be kept.</param>
    /// <param name="logId">Of which log.</param>
    /// <param name="payload">Copied.</param>
    /// <param name="isAwaited">The caller is about to <see cref="NotifyWhenKept"/>, which sees to the write.</param>
    public JournalPosition Add(JournalEntryType type, Durability promise, long logId, ReadOnlySpan<byte> payload, bool isAwaited = false)
    {
        uint bodyCrc = JournalFormat.BodyCrc(type, payload);
        int total = JournalFormat.EntryHeaderBytes + JournalFormat.Padded(payload.Length);
        bool wake;
        bool arm;
        long end;
        lock (_sync)
        {
            if (_waiters.Failure is not null || _disposed)
            {
                return new JournalPosition(_position + total);
            }
            long position = BeginEntry(total);
            Span<byte> header = _pending.Reserve(position, JournalFormat.EntryHeaderBytes);
            JournalFormat.WriteEntryHeader(header, type, promise, logId, payload.Length, bodyCrc, _epoch, position, _waiters.Durable);
            _pending.Copy(position + JournalFormat.EntryHeaderBytes, payload);
            int padding = total - JournalFormat.EntryHeaderBytes - payload.Length;
            _pending.Copy(_position + total - padding, "\0\0\0\0\0\0\0"u8[..padding]);
            end = EndEntry(total, promise, isAwaited, out wake, out arm);
        }
        Nudge(wake, arm);
        return new JournalPosition(end);
    }

    /// <summary>
    /// Queues a settled range lazily. If the log's last settle entry is still queued and ends where this begins, that one grows instead:
    /// consumers that acknowledge in order cost one entry per write. <paramref name="entryPosition"/> is the log's memory of that entry.
    /// </summary>
    public void AddSettled(long logId, long from, long to, ref long entryPosition)
    {
        const int Total = JournalFormat.EntryHeaderBytes + 16;
        bool wake;
        bool arm;
        lock (_sync)
        {
            if (_waiters.Failure is not null || _disposed || TryExtend(logId, from, to, entryPosition))
            {
                return;
            }
            long position = BeginEntry(Total);
            Span<byte> entry = _pending.Reserve(position, Total);
            WriteSettled(entry, logId, from, to, position);
            entryPosition = position;
            EndEntry(Total, Durability.Memory, isAwaited: false, out wake, out arm);
        }
        Nudge(wake, arm);
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

    /// <summary>
    /// Writes nothing from now on, because memory and journal differ. Returns at once, so that locks may be held: those who wait are told on the worker.
    /// </summary>
    public void Stop(Exception error)
    {
        Interlocked.CompareExchange(ref _stopError, error, null);
        _worker.Wake();
    }

    /// <summary>Writes all that is queued on the calling thread; the worker's step does the same.</summary>
    /// <exception cref="LogFailedException">The journal failed, now or before.</exception>
    public void WriteNow(bool sync)
    {
        Write(sync);
        if (Failure is { } failure)
        {
            throw new LogFailedException("The journal stopped after a failed write; see the inner error. Free or replace the disk, then restart.", failure);
        }
    }

    /// <summary>Recycles files that hold nothing at or after the position.</summary>
    public void Retire(long position)
    {
        lock (_io)
        {
            if (Failure is null)
            {
                _files.Retire(position);
                Volatile.Write(ref _bytes, _files.Bytes);
            }
        }
    }

    public void NotifyWhenKept(JournalPosition position, Durability promise, IDurabilityListener listener)
    {
        bool isQueued = position.Value > Volatile.Read(ref _pendingStart);
        if (promise == Durability.OperatingSystem && isQueued)
        {
            WriteHere();
        }
        _waiters.Add(position, promise, listener);
        if (promise == Durability.Disk && position.Value > _waiters.Durable)
        {
            RequestSync(position.Value, isQueued);
        }
    }

    public ValueTask WaitForRoomAsync(CancellationToken cancellation) =>
        HasRoom() ? ValueTask.CompletedTask : _room.WaitAsync(HasRoom, cancellation);

    /// <summary>Wakes those who wait for room if there is some.</summary>
    public void ReleaseRoom()
    {
        if (HasRoom())
        {
            _room.Release();
        }
    }

    public void Dispose()
    {
        lock (_sync)
        {
            _disposed = true;
        }
        _lazyTimer.Dispose();
        _worker.Dispose();
        lock (_io)
        {
            _files.Dispose();
            _pending.Clear();
            _writing.Clear();
        }
        _waiters.Fail(new ObjectDisposedException(nameof(LogStore)));
        _room.Release();
    }

    /// <summary>Somebody waits for the disk: wakes the worker. The entry itself may have asked for less (a transaction of transient messages); a sync must come nevertheless.</summary>
    private void RequestSync(long position, bool isQueued)
    {
        if (position > Volatile.Read(ref _syncThrough))
        {
            lock (_sync)
            {
                if (_disposed)
                {
                    return;
                }
                _wantsSync = true;
                Volatile.Write(ref _syncThrough, _position);
            }
            _worker.Wake();
        }
        else if (isQueued)
        {
            _worker.Wake();
        }
    }

    /// <summary>
    /// Writes what is queued on this thread, or leaves it to the worker when that, or another, is writing. Who is told that its entry is kept may come
    /// from within a write of this very thread, whose lock would let it in again.
    /// </summary>
    private void WriteHere()
    {
        bool wantsSync;
        lock (_sync)
        {
            wantsSync = _wantsSync;
        }
        if (wantsSync || _io.IsHeldByCurrentThread || _through.IsHeldByCurrentThread || !_io.TryEnter())
        {
            _worker.Wake();
            return;
        }
        try
        {
            Write(sync: false);
        }
        finally
        {
            _io.Exit();
        }
    }

    private bool HasRoom() => (BacklogBytes < _backlogBytesMax && _hasTailRoom()) || Failure is not null || _disposed;

    private void Step() => Write(sync: false);

    private void Write(bool sync)
    {
        lock (_io)
        {
            if (Failure is not null)
            {
                return;
            }
            if (Volatile.Read(ref _stopError) is { } stopError)
            {
                Fail(stopError);
                return;
            }
            long end;
            lock (_sync)
            {
                sync |= _wantsSync;
                _wantsSync = false;
                _lazyStart = 0;
                end = _position;
                Volatile.Write(ref _pendingStart, end);
                (_pending, _writing) = (_writing, _pending);
            }
            try
            {
                // A note is never there before the batch that it is of.
                _through.WriteAll();
                foreach (ref readonly JournalBuffer.Piece piece in _writing.Pieces)
                {
                    if (piece.BeginsFile)
                    {
                        _files.Begin(piece.Epoch, piece.Position);
                    }
                    if (piece.Used > 0)
                    {
                        _files.Write(piece.Position, piece.Buffer.AsSpan(0, piece.Used));
                    }
                }
                if (sync)
                {
                    _files.Sync();
                }
            }
#pragma warning disable CA1031 // Whatever went wrong, the bytes cannot be trusted any more: the journal stops.
            catch (Exception e)
#pragma warning restore CA1031
            {
                _writing.Clear();
                Fail(e);
                return;
            }
            _writing.Clear();
            Volatile.Write(ref _bytes, _files.Bytes);
            _waiters.Advance(end, sync ? end : _waiters.Durable);
        }
        ReleaseRoom();
        if (_bytes > _grownBytes || _through.IsGrown)
        {
            _onGrown?.Invoke();
        }
    }

    private void Fail(Exception error)
    {
        _logger.LogCritical(error, "The journal failed: nothing published from now on is kept, and only publishes that ask for no durability are taken. Free or replace the disk, then restart.");
        _waiters.Fail(error);
        _room.Release();
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

    private long EndEntry(int total, Durability promise, bool isAwaited, out bool wake, out bool arm)
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
        wake = !isLazy || (!isAwaited && _position - _lazyStart > LazyBytesMax);
        arm = !wake && !_lazyArmed;
        _lazyArmed |= arm;
        return _position;
    }

    private void Nudge(bool wake, bool arm)
    {
        if (wake)
        {
            _worker.Wake();
        }
        else if (arm)
        {
            _lazyTimer.Change(LazyDelay, Timeout.InfiniteTimeSpan);
        }
    }

    private void OnLazyTimer()
    {
        lock (_sync)
        {
            _lazyArmed = false;
            if (_disposed)
            {
                return;
            }
        }
        _worker.Wake();
    }

    private bool TryExtend(long logId, long from, long to, long entryPosition)
    {
        if (entryPosition < _pendingStart || entryPosition == 0 || entryPosition < _fileFirst)
        {
            return false;
        }
        Span<byte> entry = _pending.Find(entryPosition, JournalFormat.EntryHeaderBytes + 16);
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
