using Sluice.Storage.Records;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage;

/// <summary>What <see cref="LogReader.TryPeek"/> found.</summary>
public enum PeekResult
{
    Record,

    /// <summary>No record yet at or after the position.</summary>
    EndOfLog,

    /// <summary>The record is only in a file: <see cref="Log.LoadWindow"/> at <see cref="LogReader.NextOffset"/>, then <see cref="LogReader.Attach"/>.</summary>
    NeedsLoad,
}

/// <summary>
/// Sequential position on a log, for all records or for those of transactions that were committed alone. Reads the tail from memory and a backlog from windows that its owner loads off its lock.
/// Used by one thread at a time (the owner's lock). Costs a few dozen bytes while idle at the end of the log.
/// </summary>
public sealed class LogReader : IDisposable
{
    private readonly Log _log;
    private readonly bool _isCommittedOnly;
    private long _next;

    // Where the bytes come from: a chunk of the tail (referenced while _holdsChunk) or a window (owned).
    private byte[]? _buffer;
    private Chunk? _chunk;
    private LogWindow? _window;
    private LogWindow? _nextWindow;
    private long _chunkSerial;
    private bool _holdsChunk;

    // The batch entered. Its records lie in the source, or decompressed in a buffer of their own.
    private RecordContext _context;
    private BatchOpener? _opener;
    private bool _isDecompressed;
    private int _recordsLeft;
    private int _position;
    private int _peekedEnd;
    private int _batchEnd;
    private long _batchEndOffset;

    internal LogReader(Log log, long offset, bool isCommittedOnly)
    {
        _log = log;
        _next = offset;
        _isCommittedOnly = isCommittedOnly;
    }

    /// <summary>Holds a part of a file in memory, or a part of the tail for longer than the log itself may need it, or a decompressed batch.</summary>
    public bool HoldsMemory => _window is not null || _holdsChunk || _isDecompressed;

    /// <summary>The position: offset of the next record, or the hole before it.</summary>
    public long NextOffset => _next;

    /// <summary>
    /// Shows the next record without moving. Skips holes and control batches; opens compressed batches. The view is valid until the next call on this reader.
    /// </summary>
    /// <exception cref="LogFailedException">A batch cannot be read; it says where reading can go on.</exception>
    public PeekResult TryPeek(out RecordView record)
    {
        while (true)
        {
            while (_recordsLeft > 0)
            {
                int end = RecordParser.Parse(_isDecompressed ? _opener!.Decompressed : _buffer.AsSpan(0, _batchEnd), _position, _context, out record);
                if (end < 0)
                {
                    throw new LogFailedException($"The record batch at offset {_context.BaseOffset} of log {_log.Id.Value} holds no valid record at offset {_next}.") { ResumeOffset = _batchEndOffset };
                }
                if (record.Offset >= _next)
                {
                    _peekedEnd = end;
                    _next = record.Offset;
                    return PeekResult.Record;
                }
                _position = end;
                _recordsLeft--;
            }
            if (!TryEnterBatch(out PeekResult result))
            {
                record = default;
                return result;
            }
        }
    }

    /// <summary>Moves past the record last peeked.</summary>
    public void Advance()
    {
        if (_peekedEnd == 0)
        {
            throw new InvalidOperationException("Advance needs a record peeked since the last move.");
        }
        _position = _peekedEnd;
        _peekedEnd = 0;
        _recordsLeft--;
        _next++;
    }

    /// <summary>Places the reader at an offset, forward or back.</summary>
    public void Seek(long offset)
    {
        if (offset == _next)
        {
            return;
        }
        bool forward = offset > _next;
        _next = offset;
        _peekedEnd = 0;
        if (forward && _recordsLeft > 0 && offset < _batchEndOffset)
        {
            return;
        }
        LeaveBatch();
        if (_window is { } window && offset >= window.CoveredFrom && offset < window.EndOffset)
        {
            _batchEnd = forward ? _batchEnd : window.Start;
            return;
        }
        if (!forward || _window is not null)
        {
            LeaveSource();
        }
    }

    /// <summary>True when the current file window is half used and the next is not there yet: load it from <paramref name="offset"/> and attach.</summary>
    public bool WantsPrefetch(out long offset)
    {
        offset = 0;
        if (_window is not { } window || _nextWindow is not null || _batchEnd - window.Start < (window.End - window.Start) / 2)
        {
            return false;
        }
        offset = window.EndOffset;
        lock (_log.Sync)
        {
            return _log.Segments.AtOrAfter(offset) is { } segment && (_log.Tail.First is not { } first || segment.BaseOffset < first.FirstOffset);
        }
    }

    /// <summary>Takes ownership of the window; disposes it if it no longer fits the position.</summary>
    public void Attach(LogWindow window)
    {
        ArgumentNullException.ThrowIfNull(window);
        if (_window is { } current && _next < current.EndOffset)
        {
            if (_nextWindow is null && window.CoveredFrom <= current.EndOffset && window.EndOffset > current.EndOffset)
            {
                _nextWindow = window;
            }
            else
            {
                window.Dispose();
            }
            return;
        }
        if (_recordsLeft > 0 || _next < window.CoveredFrom || _next >= window.EndOffset)
        {
            window.Dispose();
            return;
        }
        LeaveSource();
        Enter(window);
    }

    /// <summary>Gives back the memory it reads from and keeps its place. What was peeked must be peeked again.</summary>
    public void LetGo()
    {
        LeaveBatch();
        LeaveSource();
    }

    public void Dispose() => LetGo();

    private void Enter(LogWindow window)
    {
        _window = window;
        _buffer = window.Buffer;
        _batchEnd = window.Start;
    }

    private bool TryEnterBatch(out PeekResult result)
    {
        result = PeekResult.Record;
        if (_batchEndOffset > _next)
        {
            // Behind the last record of the batch: what its header claims beyond is a hole.
            _next = _batchEndOffset;
        }
        LeaveBatch();
        while (true)
        {
            int limit = _window is { } window ? window.End : _holdsChunk ? _chunk!.Length : 0;
            while (_batchEnd < limit)
            {
                ReadOnlySpan<byte> batch = _buffer.AsSpan(_batchEnd, limit - _batchEnd);
                int size = RecordBatch.Size(batch);
                long endOffset = RecordBatch.EndOffset(batch);
                if (endOffset > _next && _isCommittedOnly && _log.Producers is { } producers)
                {
                    if (RecordBatch.BaseOffset(batch) >= _log.LastStableOffset)
                    {
                        LetChunkGo();
                        result = PeekResult.EndOfLog;
                        return false;
                    }
                    if (RecordBatch.IsTransactional(batch) && producers.IsAborted(RecordBatch.ProducerId(batch), RecordBatch.BaseOffset(batch)))
                    {
                        _next = endOffset;
                    }
                }
                if (endOffset > _next && RecordBatch.IsControl(batch))
                {
                    _next = endOffset;
                }
                if (endOffset > _next)
                {
                    _context = new RecordContext(batch);
                    _position = _batchEnd + RecordBatch.HeaderBytes;
                    if (RecordBatch.IsCompressed(batch))
                    {
                        Decompress(batch[..size]);
                    }
                    _batchEnd += size;
                    _batchEndOffset = endOffset;
                    _recordsLeft = RecordBatch.RecordCount(batch);
                    return true;
                }
                _batchEnd += size;
            }
            if (_next >= _log.NextOffset)
            {
                LetChunkGo();
                result = PeekResult.EndOfLog;
                return false;
            }
            if (_nextWindow is { } next && _next >= next.CoveredFrom && _next < next.EndOffset)
            {
                _nextWindow = null;
                LeaveSource();
                Enter(next);
                continue;
            }
            if (!TryLocate(out result))
            {
                return false;
            }
        }
    }

    /// <summary>Finds the position in memory, or says that it is in a file.</summary>
    private bool TryLocate(out PeekResult result)
    {
        lock (_log.Sync)
        {
            _next = Math.Max(_next, _log.PhysicalStart);
            Chunk? chunk = _chunk;
            bool known = chunk is not null && chunk.Serial == _chunkSerial && chunk.Owner == _log;
            if (known && chunk!.EndOffset > _next && chunk.FirstOffset <= _next)
            {
                if (!_holdsChunk)
                {
                    chunk.AddReference();
                    _holdsChunk = true;
                    _buffer = chunk.Buffer;
                }
                result = PeekResult.Record;
                return true;
            }
            chunk = known ? chunk : _log.Tail.First;
            while (chunk is not null && chunk.EndOffset <= _next)
            {
                chunk = chunk.Next;
            }
            Segment? segment = chunk is not null && chunk.FirstOffset <= _next ? null : _log.Segments.AtOrAfter(_next);
            if (segment is not null && (chunk is null || segment.BaseOffset < chunk.FirstOffset))
            {
                _next = Math.Max(_next, segment.BaseOffset);
                LeaveSource();
                result = PeekResult.NeedsLoad;
                return false;
            }
            LeaveSource();
            if (chunk is null)
            {
                _next = Math.Max(_next, _log.NextOffset);
                result = PeekResult.EndOfLog;
                return false;
            }
            chunk.AddReference();
            _chunk = chunk;
            _chunkSerial = chunk.Serial;
            _holdsChunk = true;
            _buffer = chunk.Buffer;
            _batchEnd = 0;
            result = PeekResult.Record;
            return true;
        }
    }

    /// <summary>If it throws, the reader is still before the batch.</summary>
    private void Decompress(ReadOnlySpan<byte> batch)
    {
        _opener ??= new BatchOpener(_log.Store.Buffers, _log.Store.Options.DecompressedBatchBytesMax);
        _opener.Open(_log.Id.Value, batch);
        _isDecompressed = true;
        _position = 0;
    }

    private void LeaveBatch()
    {
        if (_isDecompressed)
        {
            _isDecompressed = false;
            _opener!.Dispose();
        }
        _recordsLeft = 0;
        _position = 0;
        _peekedEnd = 0;
        _batchEndOffset = 0;
    }

    /// <summary>Keeps the place but not the memory.</summary>
    private void LetChunkGo()
    {
        if (_holdsChunk)
        {
            _holdsChunk = false;
            _buffer = null;
            _log.Store.Chunks.Drop(_chunk!);
        }
    }

    private void LeaveSource()
    {
        LetChunkGo();
        _chunk = null;
        _buffer = null;
        _window?.Dispose();
        _window = null;
        _nextWindow?.Dispose();
        _nextWindow = null;
        _batchEnd = 0;
    }
}
