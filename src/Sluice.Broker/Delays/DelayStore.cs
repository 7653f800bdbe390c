using Microsoft.Extensions.Logging;
using Sluice.Base.Scheduling;
using Sluice.Broker.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Delays;

/// <summary>
/// The delayed messages of a virtual host: a hierarchical timing wheel whose buckets are logs, so that messages wait on disk at no cost in memory, for milliseconds or decades.
/// A message is appended to the log of the coarsest bucket that its delay allows, moved to finer ones as its time draws near (once per 64-fold), and delivered within
/// the millisecond from an index of the messages of the second under way. Of more than <see cref="DelayOptions.IndexMax"/> messages due in one second, the rest follow at the end of that second, in the order of their arrival there.
/// <para>
/// Failure policy: a message is where its journal group says, before and after a crash. What the disk has damaged is given up with an error in the broker's log. Once the journal has failed, nothing is moved or delivered any more.
/// </para>
/// </summary>
public sealed class DelayStore : IDisposable
{
    /// <summary>Longest delay, in ms: 50 years of 365 days. (RabbitMQ's plugin ends at 2^32 - 1 ms, 49 days.)</summary>
    public const long DelayMsMax = 50 * 365 * 86_400_000L;

    private const int KeptHeaderBytes = 64 << 10;
    private const long RetryMs = 1000;

    // However far the next event, the clock is looked at this often, because it may be set forward.
    private const long LookMs = 600_000;

    private readonly LogStore _store;
    private readonly DelayWheel _wheel;
    private readonly DelayMover _mover;
    private readonly DelayedBatch _batch;
    private readonly DelayOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly RecordBatchBuilder _builder = new();
    private readonly ITimer _timer;
    private readonly IScheduler _scheduler;
    private IDelayedTarget? _target;
    private IWorker? _worker;
    private byte[] _headers = [];
    private long _wakeAtMs = long.MaxValue;
    private long _retryAtMs;
    private long _moveAtMs;
    private int _failedMoves;
    private bool _disposed;

    private DelayStore(LogStore store, Log[] logs, DelayOptions options, IScheduler scheduler, TimeProvider clock, ILogger logger)
    {
        _store = store;
        _options = options;
        _clock = clock;
        _logger = logger;
        _scheduler = scheduler;
        _wheel = new DelayWheel(logs, options.IndexMax, Now(), logger);
        _mover = new DelayMover(store, _wheel);
        _batch = new DelayedBatch(_wheel);
        _timer = clock.CreateTimer(static state => ((DelayStore)state!)._worker?.Wake(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Hold it over a <see cref="Schedule"/> in a journal group, until the group is committed. Lock order: after the locks of queues.</summary>
    public Lock Gate => _wheel.Gate;

    /// <summary>The logs that belong to the store, for <see cref="LogStore.DeleteOrphans"/>.</summary>
    public IEnumerable<LogId> LogIds => _wheel.Logs.Select(log => log.Id);

    /// <summary>Messages that wait.</summary>
    public long Count
    {
        get
        {
            lock (Gate)
            {
                return _wheel.Logs.Sum(log => log.Cursor!.UnsettledCount);
            }
        }
    }

    /// <summary>Messages in the index of those about to be due.</summary>
    internal int IndexCount => _wheel.Index.Count;

    /// <summary>Opens what a virtual host has; null if it never delayed anything.</summary>
    /// <exception cref="StorageFormatException">The metadata names logs that are not there, or is of a newer version.</exception>
    public static DelayStore? Open(LogStore store, string virtualHost, DelayOptions options, IScheduler scheduler, TimeProvider clock, ILogger logger)
    {
        if (DelayLogs.Find(store, virtualHost) is not { } logs)
        {
            return null;
        }

        var delays = new DelayStore(store, logs, options, scheduler, clock, logger);
        delays._wheel.Load();
        return delays;
    }

    /// <summary>Makes the logs for a virtual host's first delayed exchange, and keeps their names. Completes when they survive a power loss.</summary>
    public static async ValueTask<DelayStore> CreateAsync(LogStore store, string virtualHost, DelayOptions options, IScheduler scheduler, TimeProvider clock, ILogger logger)
    {
        Log[] logs = await DelayLogs.CreateAsync(store, virtualHost).ConfigureAwait(false);
        return new DelayStore(store, logs, options, scheduler, clock, logger);
    }

    /// <summary>Begins to deliver. Once, when the virtual host can route.</summary>
    public void Start(IDelayedTarget target)
    {
        _target = target;
        _worker = _scheduler.StartWorker("sluice-delays", Step, error => _logger.LogCritical(error, "The worker for delayed messages stopped: they wait until a restart."));
        _worker.Wake();
    }

    /// <summary>
    /// Keeps a message until its time. Without a group it is journaled alone, with the promise of a queue; the position is what an acknowledgement waits for (None for a message that is not persistent).
    /// </summary>
    /// <param name="holder">Name of the delayed exchange, UTF-8.</param>
    /// <param name="message">The message.</param>
    /// <param name="dueMs">Unix ms at which it is due, at most <see cref="DelayMsMax"/> from now. What is due already is delivered soon.</param>
    /// <param name="group">Journal as part of this group; hold <see cref="Gate"/> from before the call until its commit.</param>
    /// <exception cref="LogFailedException">Storage gives no promise any more.</exception>
    public JournalPosition Schedule(ReadOnlySpan<byte> holder, in MessageToPublish message, long dueMs, JournalGroup? group = null)
    {
        lock (Gate)
        {
            long now = Now();
            _wheel.Advance(now);
            int length = DelayRecord.WriteHeaders(ref _headers, holder, message, dueMs);
            _builder.Append(now, message.Body, _headers.AsSpan(0, length), 1);
            (int level, long bucket) = _wheel.Place(dueMs);
            AppendResult result;
            try
            {
                result = _wheel.Append(level, bucket, _builder.Seal(), message.Persistent ? _options.Promise : Durability.Memory, group);
            }
            finally
            {
                _builder.Clear();
                if (_headers.Length > KeptHeaderBytes)
                {
                    _headers = [];
                }
            }

            WakeAt(_wheel.Note(level, bucket, dueMs, result.BaseOffset), now);
            return result.Position;
        }
    }

    /// <summary>Why a message due then would not be kept; null: it would be. Under the gate, before a group.</summary>
    internal Exception? FindFailure(long dueMs)
    {
        if (_disposed)
        {
            return new LogFailedException("The delayed messages' store is closed.");
        }

        _wheel.Advance(Now());
        (int level, long bucket) = _wheel.Place(dueMs);
        return _wheel.FindFailure(level, bucket);
    }

    /// <summary>Deletes all messages and logs; the caller deletes the metadata (<see cref="MetadataKeys.AllOf"/>). Disposes the store.</summary>
    public void Delete()
    {
        Dispose();
        foreach (Log log in _wheel.Logs)
        {
            _store.DeleteLog(log.Id);
        }
    }

    /// <summary>Stops delivering. The messages stay.</summary>
    public void Dispose()
    {
        _worker?.Dispose();
        lock (Gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            _timer.Dispose();
            _wheel.Release();
            _mover.Dispose();
            _builder.Dispose();
        }
    }

    private long Now() => _clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>One turn of the worker: something of everything that is to be done now, then again, or to sleep.</summary>
    private void Step()
    {
        if (_store.Failure is not null)
        {
            return;
        }

        ValueTask room = _store.WaitForRoomAsync(CancellationToken.None);
        if (!room.IsCompletedSuccessfully)
        {
            _ = WakeAfter(room);
            return;
        }

        room.GetAwaiter().GetResult();
        long now = Now();
        lock (Gate)
        {
            _wheel.Advance(now);
        }

        bool more = _wheel.ScanPiece();
        more |= now >= _retryAtMs && DeliverBatch(now);
        more |= now >= _moveAtMs && MovePiece(now);
        if (more)
        {
            _worker!.Wake();
            return;
        }

        lock (Gate)
        {
            _wakeAtMs = long.MaxValue;
            long next = _wheel.NextEventMs();
            next = next == long.MaxValue ? next : Math.Max(next, _retryAtMs);
            next = _wheel.Cascades.Count == 0 ? next : Math.Min(next, _moveAtMs);
            if (next < long.MaxValue)
            {
                now = Now();
                WakeAt(Math.Min(next, now + LookMs), now);
            }
        }
    }

    private async Task WakeAfter(ValueTask room)
    {
        try
        {
            await room.ConfigureAwait(false);
        }
        catch (IOException e)
        {
            _logger.LogError(e, "Delayed messages wait until a restart, because the journal failed.");
            return;
        }

        _worker?.Wake();
    }

    /// <summary>Has the worker run at a time, unless it does so earlier anyway. Under the gate.</summary>
    private void WakeAt(long dueMs, long nowMs)
    {
        if (dueMs >= _wakeAtMs || _disposed)
        {
            return;
        }

        _wakeAtMs = dueMs;
        if (dueMs <= nowMs)
        {
            _worker?.Wake();
        }
        else
        {
            _timer.Change(TimeSpan.FromMilliseconds(dueMs - nowMs), Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Has the target take what is due: a second that is over and overflowed the index, or else from the index.</summary>
    private bool DeliverBatch(long nowMs)
    {
        OpenBucket? streamed = null;
        lock (Gate)
        {
            streamed = FindStreamed(nowMs);
            if (streamed is null && !_batch.BeginFromIndex(nowMs))
            {
                return false;
            }
        }

        if (streamed is not null)
        {
            _batch.BeginStream(streamed, nowMs);
        }

        try
        {
            _target!.Deliver(_batch);
            if (!_batch.IsSettled && _batch.Given == 0)
            {
                _batch.Settle(null);
            }

            if (!_batch.IsSettled)
            {
                _retryAtMs = nowMs + RetryMs;
            }
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            _logger.LogError(e, "Delayed messages could not be delivered; they are tried again in a second.");
            _retryAtMs = nowMs + RetryMs;
        }

        long notDueAt = _batch.NotDueAt;
        lock (Gate)
        {
            _batch.End();
        }

        if (streamed is not null && notDueAt >= 0 && nowMs >= _retryAtMs)
        {
            try
            {
                _mover.MovePiece(streamed.Log, streamed.Scanner, notDueAt, notDueAt + 1, recordsMax: 1);
            }
            catch (IOException e)
            {
                _logger.LogError(e, "A delayed message could not be moved on; it is tried again in a second.");
                _retryAtMs = nowMs + RetryMs;
            }
        }

        return true;
    }

    /// <summary>The first second that is over and of which only messages are left that are not in the index; closes those with none left. Under the gate.</summary>
    private OpenBucket? FindStreamed(long nowMs)
    {
        for (int i = 0; i < _wheel.Open.Count; i++)
        {
            OpenBucket bucket = _wheel.Open[i];
            if (!bucket.IsOver || !bucket.IsScanned || bucket.Indexed > 0)
            {
                continue;
            }

            if (bucket.Log.Cursor!.NextUnsettled(0) >= bucket.End)
            {
                _wheel.Close(bucket);
                i--;
            }
            else if (_wheel.Index.FirstDueMs > nowMs || _wheel.Index.FirstDueMs >= (bucket.Second + 1) * 1000)
            {
                return bucket;
            }
        }

        return null;
    }

    /// <summary>Moves a piece of a coarser bucket that has been handed over.</summary>
    private bool MovePiece(long nowMs)
    {
        Cascade? cascade;
        lock (Gate)
        {
            cascade = _wheel.Cascades.Count > 0 ? _wheel.Cascades[0] : null;
        }

        if (cascade is null)
        {
            return false;
        }

        try
        {
            if (!_mover.MovePiece(cascade.Log, cascade.Reader, 0, cascade.End))
            {
                lock (Gate)
                {
                    _wheel.Close(cascade);
                }
            }

            _failedMoves = 0;
        }
        catch (IOException e)
        {
            // They stay where they are until the log's second has passed: then the present one takes them. The others go on.
            lock (Gate)
            {
                _wheel.Defer(cascade);
                if (++_failedMoves >= _wheel.Cascades.Count)
                {
                    _logger.LogError(e, "Delayed messages could not be moved on; they are tried again in a second.");
                    _failedMoves = 0;
                    _moveAtMs = nowMs + RetryMs;
                }
            }
        }

        return true;
    }
}
