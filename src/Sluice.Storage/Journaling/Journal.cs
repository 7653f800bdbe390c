using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Base.Scheduling;

namespace Sluice.Storage.Journaling;

/// <summary>
/// The write-ahead journal shared by all logs. Producers copy entries into a <see cref="JournalQueue"/>; one worker writes the
/// queue in one go and syncs once for all that asked for it; while it does, the next queue gathers. No timer stands between an
/// append and its write; settlements and delivery counts ride along and go by themselves only after 50 ms or 64 KB.
/// Whoever waits for a write alone, not for a sync, does it on its own thread if nobody is at it: cheaper than waking another.
/// Failure policy: after a failed write or sync nothing more is written and no promise is given again in this process.
/// </summary>
internal sealed class Journal : IDisposable
{
    private static readonly TimeSpan LazyDelay = TimeSpan.FromMilliseconds(50);

    private readonly Lock _io = new();
    private readonly DurabilityWaiters _waiters;
    private readonly RoomWaiters _room;
    private readonly JournalQueue _queue;
    private readonly JournalFiles _files;
    private readonly ILogger _logger;
    private readonly ITimer _lazyTimer;
    private readonly IWorker _worker;
    private readonly long _backlogBytesMax;
    private readonly Action? _onGrown;
    private readonly Func<bool> _hasTailRoom;
    private readonly IWriteThrough _through;
    private readonly long _grownBytes;
    private long _bytes;
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
        _backlogBytesMax = options.JournalBacklogBytesMax;
        _room = new RoomWaiters(scheduler);
        _waiters.Start(position);
        _queue = new JournalQueue(pool, _waiters, Math.Clamp(options.JournalBytesMax / 4, 4 << 10, 64 << 20), position, epoch);
        _lazyTimer = clock.CreateTimer(static state => ((Journal)state!).OnLazyTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _worker = scheduler.StartWorker("sluice-journal", Step, Fail);
    }

    /// <summary>How far the journal has written; it may not be synced.</summary>
    public long Written => _waiters.Written;

    /// <summary>How far it has written or is about to. When this has moved on, all before was written.</summary>
    public long Taken => _queue.Taken;

    public JournalPosition Durable => new(_waiters.Durable);

    /// <summary>Where the next entry goes.</summary>
    public JournalPosition End => new(_queue.End);

    public Exception? Failure => _waiters.Failure;

    public long BacklogBytes => _queue.End - _waiters.Written;

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
        JournalPosition position = _queue.Add(type, promise, logId, payload, isAwaited, out JournalNudge nudge);
        Nudge(nudge);
        return position;
    }

    /// <summary>
    /// Queues a settled range lazily. If the log's last settle entry is still queued and ends where this begins, that one grows instead:
    /// consumers that acknowledge in order cost one entry per write. <paramref name="entryPosition"/> is the log's memory of that entry.
    /// </summary>
    public void AddSettled(long logId, long from, long to, ref long entryPosition) => Nudge(_queue.AddSettled(logId, from, to, ref entryPosition));

    /// <summary>Begins a new file at the next entry and returns the position where it begins.</summary>
    public long Rotate() => _queue.Rotate();

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
        bool isQueued = _queue.Holds(position.Value);
        if (promise == Durability.OperatingSystem && isQueued)
        {
            WriteHere();
        }
        _waiters.Add(position, promise, listener);
        if (promise == Durability.Disk && position.Value > _waiters.Durable)
        {
            Nudge(_queue.AskForSync(position.Value, isQueued));
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
        _queue.Close();
        _lazyTimer.Dispose();
        _worker.Dispose();
        lock (_io)
        {
            _files.Dispose();
            _queue.Clear();
        }
        _waiters.Fail(new ObjectDisposedException(nameof(LogStore)));
        _room.Release();
    }

    /// <summary>
    /// Writes what is queued on this thread, or leaves it to the worker when that, or another, is writing. Who is told that its entry is kept may come
    /// from within a write of this very thread, whose lock would let it in again.
    /// </summary>
    private void WriteHere()
    {
        if (_queue.WantsSync || _io.IsHeldByCurrentThread || _through.IsHeldByCurrentThread || !_io.TryEnter())
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

    private bool HasRoom() => (BacklogBytes < _backlogBytesMax && _hasTailRoom()) || Failure is not null || _queue.IsClosed;

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
            JournalBuffer entries = _queue.Take(out bool wantsSync, out long end);
            sync |= wantsSync;
            try
            {
                // A note is never there before the batch that it is of.
                _through.WriteAll();
                foreach (ref readonly JournalBuffer.Piece piece in entries.Pieces)
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
                entries.Clear();
                Fail(e);
                return;
            }
            entries.Clear();
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

    private void Nudge(JournalNudge nudge)
    {
        if (nudge == JournalNudge.WakeWorker)
        {
            _worker.Wake();
        }
        else if (nudge == JournalNudge.ArmTimer)
        {
            _lazyTimer.Change(LazyDelay, Timeout.InfiniteTimeSpan);
        }
    }

    private void OnLazyTimer()
    {
        if (_queue.EndLazyDelay())
        {
            _worker.Wake();
        }
    }
}
