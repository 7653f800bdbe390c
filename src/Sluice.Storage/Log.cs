using Sluice.Base.Compression;
using Sluice.Storage.Compaction;
using Sluice.Storage.Journaling;
using Sluice.Storage.Producers;
using Sluice.Storage.Records;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage;

/// <summary>
/// An append-only sequence of record batches addressed by offset. One appender at a time (the owner's lock); readers are
/// independent. Offsets may have holes (records promised only <see cref="Durability.Memory"/> and lost in a crash; compaction).
/// <para>
/// New batches lie in memory, in a list of chunks. The maintenance worker moves them to segment files when memory is wanted, or at a
/// checkpoint; batches settled before that never reach a file. Failure policy: after a failed segment write or sync the log keeps its
/// tail in memory, serves what it has, and refuses new promises.
/// </para>
/// </summary>
public sealed class Log
{
    private long _start;
    private long _next;
    private long _journaledEnd;
    private long _bytes;
    private CompactionState? _compaction;
    private WrittenMark? _mark;

    /// <summary>What is in memory. Held in place, which saves an idle log an object.</summary>
    internal LogTail Tail;

    internal Log(StoreContext store, LogId id, LogKind kind, RetentionPolicy retention, long start)
    {
        Store = store;
        Id = id;
        Kind = kind;
        Retention = retention;
        _start = start;
        _next = start;
        Cursor = retention.BehindCursor ? new Cursor(this, start) : null;
    }

    public LogId Id { get; }

    public LogKind Kind { get; }

    /// <summary>Offset of the oldest record kept.</summary>
    public long StartOffset => Cursor is { } cursor ? Math.Max(Volatile.Read(ref _start), cursor.Floor) : Volatile.Read(ref _start);

    /// <summary>Offset the next record gets.</summary>
    public long NextOffset => Volatile.Read(ref _next);

    /// <summary>Bytes of the kept batches, in memory and on disk.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>The log's settlement cursor; null when <see cref="RetentionPolicy.BehindCursor"/> is false.</summary>
    public Cursor? Cursor { get; }

    /// <summary>The producers that write to the log with an id; null before the first, and for a log with a cursor.</summary>
    public ProducerStates? Producers { get; private set; }

    /// <summary>Everything below is decided: the first offset of the oldest open transaction, else <see cref="NextOffset"/>.</summary>
    public long LastStableOffset
    {
        get
        {
            lock (Sync)
            {
                return End.Stable;
            }
        }
    }

    /// <summary>
    /// What readers may see that go on by offset after the process has died: what the journal has not written, a kill takes back, and its offsets are given again. All of a log that dies with the
    /// process, or keeps what is settled by a cursor; and of all logs when the journal has failed.
    /// </summary>
    /// <param name="unwritten">Ask again when the journal has written so far (<see cref="LogStore.NotifyWhenKept"/>); <see cref="JournalPosition.None"/> if there is no more, or it is not in the journal's hands yet: then an append is told of.</param>
    public LogEnd FindWrittenEnd(out JournalPosition unwritten)
    {
        unwritten = JournalPosition.None;
        lock (Sync)
        {
            LogEnd now = End;
            if (_mark is null || Store.Journal.Failure is not null)
            {
                return now;
            }
            LogEnd written = _mark.Look(Store.Journal.Written, now);
            if (written != now && !_mark.IsInGroup)
            {
                unwritten = new JournalPosition(_mark.Position);
            }
            return new LogEnd(Math.Max(written.Offset, StartOffset), Math.Max(written.Stable, StartOffset));
        }
    }

    /// <summary>Why the log gives no promise above <see cref="Durability.Memory"/> any more; null while it does.</summary>
    public Exception? PromiseFailure => Failure ?? Store.Journal.Failure;

    /// <summary>Guards the lists of chunks and segments and the cursor. Held for moments, never over I/O. Taken before the journal's lock.</summary>
    /// <remarks>The log itself, since a lock of its own would be a tenth of an idle log's memory; nobody outside this assembly locks it.</remarks>
    internal object Sync => this;

    internal StoreContext Store { get; }

    internal RetentionPolicy Retention { get; private set; }

    /// <summary>In offset order; null until the first.</summary>
    internal List<Segment>? Segments { get; set; }

    /// <summary>Why the log gives no promises any more.</summary>
    internal Exception? Failure { get; private set; }

    internal bool IsDeleted { get; private set; }

    /// <summary>A group has changed the log and is not in the journal yet, so no checkpoint may capture it.</summary>
    internal bool IsInGroup { get; set; }

    /// <summary>How far the log is compacted; of a log without compaction, nothing.</summary>
    internal CompactionState Compaction => _compaction ??= new CompactionState();

    /// <summary>The log waits in the maintenance queue.</summary>
    internal bool IsQueuedForMaintenance { get; set; }

    /// <summary>The log waits for its tail to be written before the journal is.</summary>
    internal bool IsQueuedForWriting { get; set; }

    /// <summary>Physical start: nothing below is in memory or in a file.</summary>
    internal long PhysicalStart => Volatile.Read(ref _start);

    /// <summary>
    /// Appends a sealed batch (copied), compressed or a control batch included, as it is. Order is fixed on return; durability is reached when the journal says so for the returned position
    /// (<see cref="JournalPosition.None"/> when nothing was journaled). Throws <see cref="LogFailedException"/> when the log or journal has failed and the promise is above Memory.
    /// </summary>
    /// <param name="batch">From RecordBatchBuilder.Seal, or as a client sent it and already validated.</param>
    /// <param name="promise">Ignored for a volatile log.</param>
    /// <param name="group">Journal as part of this group instead of alone. A failure does not refuse it: the caller has looked before the group's first operation.</param>
    /// <param name="isAwaited">The caller calls <see cref="LogStore.NotifyWhenKept"/> for it at the end of its turn, at the latest: nothing else need see to the write.</param>
    /// <param name="mayWriteThrough">
    /// A large batch promised <see cref="Durability.OperatingSystem"/> may go straight to its segment file, and only a note of it to the journal. When told that it is kept, the caller
    /// looks at <see cref="PromiseFailure"/>: if there is one by then, it is not.
    /// </param>
    public AppendResult Append(ReadOnlySpan<byte> batch, Durability promise, JournalGroup? group = null, bool isAwaited = false, bool mayWriteThrough = false)
    {
        Validate(batch);
        bool journaled = Kind == LogKind.Durable && (promise > Durability.Memory || group is not null);
        if (journaled && group is null)
        {
            ThrowIfFailed();
        }
        lock (Sync)
        {
            if (IsDeleted)
            {
                throw new LogFailedException($"Log {Id.Value} is deleted; nothing can be appended.");
            }
            bool isMarked = Kind == LogKind.Durable && Cursor is null;
            LogEnd before = End;
            if (isMarked && _mark is null)
            {
                _mark = new WrittenMark();
                _mark.Look(Store.Journal.Written, before);
            }
            long baseOffset = _next;
            Span<byte> placed = Place(batch, baseOffset);
            TrackProducer(placed);
            JournalPosition position = JournalPosition.None;
            if (journaled)
            {
                _journaledEnd = _next;
                if (group is null)
                {
                    position = mayWriteThrough && promise == Durability.OperatingSystem && CanWriteThrough(placed.Length)
                        ? WriteThrough(placed, isAwaited)
                        : Store.Journal.Add(JournalEntryType.Append, promise, Id.Value, placed, isAwaited);
                }
                else
                {
                    group.AddAppend(this, placed, promise);
                }
            }
            else if (isMarked)
            {
                // Nobody waits for it, but a recovery that reads the files has to know of all that may be in them.
                _mark!.OnAppended(AddNote(placed, Durability.Memory, isAwaited: false).Value, before, Store.Journal);
                return new AppendResult(baseOffset, JournalPosition.None);
            }
            if (isMarked)
            {
                _mark!.OnAppended(position.Value, before, Store.Journal);
            }
            return new AppendResult(baseOffset, position);
        }
    }

    /// <summary>
    /// Whether a batch may be appended by what is known of its producer. The caller holds the appender's right from here to <see cref="Append"/>.
    /// A batch without a producer id always may; one with an id and without sequence numbers is a coordinator's, of which only the epoch is looked at.
    /// </summary>
    /// <param name="batch">One whole batch; of a control batch its marker is looked at.</param>
    /// <param name="duplicateBaseOffset">For <see cref="ProducerCheck.Duplicate"/>: the offset that its first record has; else -1.</param>
    public ProducerCheck CheckProducer(ReadOnlySpan<byte> batch, out long duplicateBaseOffset)
    {
        duplicateBaseOffset = -1;
        if (RecordBatch.ProducerId(batch) < 0)
        {
            return ProducerCheck.Ok;
        }
        lock (Sync)
        {
            return ProducerStates.Check(Producers, batch, out duplicateBaseOffset);
        }
    }

    /// <summary>A reader placed at the first record at or after <paramref name="offset"/>.</summary>
    public LogReader OpenReader(long offset) => new(this, offset, isCommittedOnly: false);

    /// <summary>The same, which ends at <see cref="LastStableOffset"/> and passes over what transactions have rolled back.</summary>
    public LogReader OpenCommittedReader(long offset) => new(this, offset, isCommittedOnly: true);

    /// <summary>
    /// Reads whole batches from segment files, beginning with the one that holds <paramref name="offset"/>. Blocks on the disk; thread-safe; call off the owner's lock.
    /// Returns null if the offset is (by now) not in a file: try the reader again. Throws <see cref="LogFailedException"/> for damage, naming file and position.
    /// </summary>
    public LogWindow? LoadWindow(long offset, int bytesMax = 256 << 10) => Windows.Load(this, offset, bytesMax);

    /// <summary>
    /// Stored bytes from the batch that holds <paramref name="offset"/> (or the first after it) on: from one place, so ask again from <see cref="LogSlice.EndOffset"/> for more.
    /// Null when there is nothing there below <paramref name="endOffset"/>. The first batch comes whole however large it is. May block on the disk; thread-safe.
    /// </summary>
    /// <param name="offset">At or above <see cref="StartOffset"/>.</param>
    /// <param name="bytesMax">Bytes wanted at most.</param>
    /// <param name="endOffset">Where a batch begins, or the end of the log: what begins there or later is not taken.</param>
    /// <exception cref="LogFailedException">The segment cannot be read or is damaged where the slice would begin.</exception>
    public LogSlice? Read(long offset, int bytesMax, long endOffset = long.MaxValue) => Slices.Read(this, offset, bytesMax, endOffset);

    /// <summary>Offset of the first record whose timestamp is at or after the given one; <see cref="NextOffset"/> if there is none. Blocks on the disk.</summary>
    /// <exception cref="LogFailedException">A batch that had to be looked into cannot be read.</exception>
    public long FindOffset(long timestampMs) => TimeSearch.FindOffset(this, timestampMs);

    /// <summary>The first record whose timestamp is at or after the given one; null if there is none. Blocks on the disk.</summary>
    /// <exception cref="LogFailedException">A part of the log that had to be read is damaged.</exception>
    public TimedOffset? FindRecord(long timestampMs) => TimeSearch.FindRecord(this, timestampMs);

    /// <summary>Largest timestamp of a record in the log; -1 if it is empty.</summary>
    public long MaxTimestamp
    {
        get
        {
            lock (Sync)
            {
                return Math.Max(-1, Math.Max(Segments.MaxTimestamp(), Tail.MaxTimestamp));
            }
        }
    }

    /// <summary>Offset from which on all is in memory. <see cref="NextOffset"/> if nothing is.</summary>
    public long MemoryStartOffset
    {
        get
        {
            lock (Sync)
            {
                return Tail.First?.FirstOffset ?? _next;
            }
        }
    }

    /// <summary>Offset at which the last batch begins, if it is in memory; else the last offset. <see cref="NextOffset"/> of an empty log.</summary>
    public long LastBatchOffset
    {
        get
        {
            lock (Sync)
            {
                return Tail.LastBatchOffset ?? Math.Max(StartOffset, _next - 1);
            }
        }
    }

    /// <summary>
    /// Gives up all records below the offset; their files go in the background. Kept when the journal says so for the returned position
    /// (<see cref="JournalPosition.None"/> if nothing changed). Only for a log without a cursor.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Above <see cref="NextOffset"/>.</exception>
    public JournalPosition DeleteBefore(long offset) => LogRetention.DeleteBefore(this, offset);

    /// <summary>Replaces the retention policy and applies it.</summary>
    /// <exception cref="ArgumentException">It would give or take the log's cursor, or compact a log with one.</exception>
    public void SetRetention(RetentionPolicy retention) => LogRetention.Set(this, retention);

    /// <summary>Whether settling this offset has to be remembered by the journal.</summary>
    internal bool IsJournaled(long offset) => offset < _journaledEnd;

    /// <summary>All up to here is in a snapshot or journal from now on. Under the lock.</summary>
    internal void MarkPersisted(long end) => _journaledEnd = Math.Max(_journaledEnd, end);

    /// <summary>The group that appended to the log is in the journal up to the position. Under the lock.</summary>
    internal void OnCommitted(JournalPosition position)
    {
        if (_mark is { IsInGroup: true } mark)
        {
            mark.OnCommitted(position.Value, Store.Journal);
        }
    }

    /// <summary>Under the lock.</summary>
    private LogEnd End
    {
        get
        {
            long open = Producers?.FirstOpenOffset ?? -1;
            return new LogEnd(_next, open < 0 ? _next : Math.Max(open, StartOffset));
        }
    }

    /// <summary>Copies a batch to the tail. Under the lock.</summary>
    internal Span<byte> Place(ReadOnlySpan<byte> batch, long baseOffset)
    {
        Span<byte> placed = Tail.Add(this, batch, baseOffset);
        Volatile.Write(ref _next, Tail.Last!.EndOffset);
        return placed;
    }

    /// <summary>Lets go of leading chunks that are settled. Under the lock.</summary>
    internal void ReleaseSettled()
    {
        if (Cursor is { } cursor)
        {
            long floor = cursor.Floor;
            Tail.RemoveSettled(this, floor);
            if (Segments is { Count: > 0 } segments && segments[0].EndOffset <= floor)
            {
                QueueForMaintenance();
            }
        }
    }

    /// <summary>Asks for a look at this log: too much in memory, or segments that can go. Under the lock.</summary>
    internal void QueueForMaintenance()
    {
        if (!IsQueuedForMaintenance)
        {
            IsQueuedForMaintenance = true;
            Store.Queue(this);
        }
    }

    /// <summary>Notes how many bytes more, or fewer, there are in memory and on disk. Under the lock.</summary>
    internal void AddBytes(long bytes) => _bytes += bytes;

    internal void SetStart(long start)
    {
        Volatile.Write(ref _start, start);
        Producers?.OnStartMoved(start);
    }

    /// <summary>Notes whose batch was placed. Under the lock.</summary>
    internal void TrackProducer(ReadOnlySpan<byte> placed)
    {
        if (Cursor is null && RecordBatch.ProducerId(placed) >= 0)
        {
            (Producers ??= new ProducerStates(this)).Add(placed);
        }
    }

    /// <summary>Takes the producers of a checkpoint.</summary>
    internal void RestoreProducers(ReadOnlySpan<byte> states)
    {
        Producers = new ProducerStates(this);
        ProducerStatesFormat.Read(states, Producers);
    }

    /// <summary>Sets the end after recovery; offsets up to it that hold nothing are a hole. Under the lock.</summary>
    internal void SetNext(long next) => Volatile.Write(ref _next, next);

    internal void Fail(Exception error) => Failure ??= error;

    /// <summary>Drops everything in memory. Under the lock.</summary>
    internal void MarkDeleted()
    {
        IsDeleted = true;
        Tail.Clear(this);
        Cursor?.Release();
        _bytes = 0;
    }

    /// <summary>Takes the policy as it is; <see cref="SetRetention"/> is for others.</summary>
    internal void RestoreRetention(RetentionPolicy retention) => Retention = retention;

    /// <summary>Small batches are gathered in memory; what a cursor may settle before it is written, or what a group or a checkpoint has to do with, goes by the journal.</summary>
    private bool CanWriteThrough(int bytes) =>
        bytes >= Store.Options.WriteThroughBytesMin && Cursor is null && !IsInGroup && !Store.IsCheckpointing;

    /// <summary>Leaves the batch to be written to its segment by whoever writes the journal next, before the note of it. Under the lock.</summary>
    private JournalPosition WriteThrough(ReadOnlySpan<byte> placed, bool isAwaited)
    {
        if (!IsQueuedForWriting)
        {
            IsQueuedForWriting = true;
            Store.WriteThroughQueue.Enqueue(this);
        }
        Interlocked.Add(ref Store.WrittenThroughBytes, placed.Length);
        return AddNote(placed, Durability.OperatingSystem, isAwaited);
    }

    private JournalPosition AddNote(ReadOnlySpan<byte> placed, Durability promise, bool isAwaited)
    {
        Span<byte> note = stackalloc byte[WrittenBatch.PayloadBytes];
        WrittenBatch.Of(placed).Write(note);
        return Store.Journal.Add(JournalEntryType.Written, promise, Id.Value, note, isAwaited);
    }

    private void Validate(ReadOnlySpan<byte> batch)
    {
        if (!RecordBatch.LooksLikeHeader(batch) || RecordBatch.Size(batch) != batch.Length)
        {
            throw new ArgumentException("Not one whole record batch of version 2.", nameof(batch));
        }
        if (batch.Length > Store.Options.BatchBytesMax)
        {
            throw new ArgumentException($"A record batch of {batch.Length} bytes is larger than the store's limit of {Store.Options.BatchBytesMax}.", nameof(batch));
        }
        if (RecordBatch.CompressionType(batch) > CompressionType.Zstd)
        {
            throw new ArgumentException("A record batch of an unknown compression type.", nameof(batch));
        }
    }

    private void ThrowIfFailed()
    {
        if (Failure is { } failure)
        {
            throw new LogFailedException($"Log {Id.Value} stopped after a failed write; what it holds can still be read. Free or replace the disk, then restart.", failure);
        }
        if (Store.Journal.Failure is { } journalFailure)
        {
            throw new LogFailedException("The journal stopped after a failed write; nothing more can be promised. Free or replace the disk, then restart.", journalFailure);
        }
    }
}

/// <summary>Where an append landed.</summary>
public readonly record struct AppendResult(long BaseOffset, JournalPosition Position);
