using Sluice.Storage.Records;
using Sluice.Storage.Segments;

namespace Sluice.Storage.Compaction;

/// <summary>
/// One pass over a log: reads its dirty part to learn the newest offset of each key, then rewrites all segments up to there, group by group. Each step
/// is short, so that other maintenance is done between them; segments are changed by maintenance alone. Nothing is dropped before what supersedes it is
/// at least as safe: the old files stay until a checkpoint, which syncs everything, names the new.
/// </summary>
internal sealed class CompactionRun : IDisposable
{
    private const int WindowBytes = 256 << 10;

    private readonly StoreContext _store;
    private readonly SegmentReplacer _replacer;
    private readonly Log _log;
    private readonly CompactionPolicy _policy;
    private readonly long _nowMs;
    private readonly long _dirtyFrom;
    private readonly OffsetMap _map;
    private readonly TransactionFilter _mapped;
    private readonly TransactionFilter _rewritten;
    private readonly BatchOpener _opener;
    private BatchCompactor? _compactor;
    private long _position;

    /// <param name="store">The store.</param>
    /// <param name="replacer">Writes the new segments.</param>
    /// <param name="log">The log.</param>
    /// <param name="dirtyFrom">Below it everything was compacted before.</param>
    /// <param name="end">End of the last segment that may be compacted.</param>
    /// <param name="policy">The log's.</param>
    /// <param name="nowMs">Unix ms.</param>
    public CompactionRun(StoreContext store, SegmentReplacer replacer, Log log, long dirtyFrom, long end, CompactionPolicy policy, long nowMs)
    {
        _store = store;
        _replacer = replacer;
        _log = log;
        _policy = policy;
        _nowMs = nowMs;
        _dirtyFrom = dirtyFrom;
        End = end;
        _position = dirtyFrom;
        _map = new OffsetMap(end - dirtyFrom, store.Options.CompactionMapBytesMax);
        IReadOnlyList<Producers.AbortedTransaction> aborted = log.Producers?.CollectAborted(0, end) ?? [];
        _mapped = new TransactionFilter(aborted.Where(a => a.LastOffset >= dirtyFrom));
        _rewritten = new TransactionFilter(aborted);
        _opener = new BatchOpener(store.Buffers, store.Options.DecompressedBatchBytesMax);
    }

    public Log Log => _log;

    public long End { get; }

    /// <summary>End of what the pass compacts, once it is done: less than <see cref="End"/> if not all keys found room.</summary>
    public long MapEnd { get; private set; } = -1;

    /// <summary>Does a part; true when all is done. Segments that were replaced are added to the list.</summary>
    /// <exception cref="IOException">Something could not be read or written; what was replaced before stays so, the rest stays as it is.</exception>
    public bool Step(List<Segment> replaced)
    {
        if (MapEnd < 0)
        {
            MapSegment();
            return false;
        }
        return RewriteGroup(replaced);
    }

    public void Dispose()
    {
        _opener.Dispose();
        _compactor?.Dispose();
    }

    /// <summary>Learns the keys of one segment.</summary>
    private void MapSegment()
    {
        Segment? segment = NextSegment(_position, End);
        if (segment is null)
        {
            FinishMap(End);
            return;
        }
        while (_position < segment.EndOffset && SegmentReader.Load(_store.Files, _store.Buffers, segment, segment.WrittenBytes, _position, WindowBytes) is { } window)
        {
            using (window)
            {
                for (int at = window.Start; at < window.End;)
                {
                    ReadOnlySpan<byte> batch = window.Buffer.AsSpan(at, RecordBatch.Size(window.Buffer.AsSpan(at)));
                    at += batch.Length;
                    if (!TryMap(batch))
                    {
                        FinishMap(RecordBatch.BaseOffset(batch));
                        return;
                    }
                }
                _position = window.EndOffset;
            }
        }
        _position = segment.EndOffset;
    }

    private bool TryMap(ReadOnlySpan<byte> batch)
    {
        if (_mapped.CanDiscard(batch) || RecordBatch.IsControl(batch))
        {
            return true;
        }
        RecordContext context = new(batch);
        ReadOnlySpan<byte> records = _opener.Open(_log.Id.Value, batch);
        int position = 0;
        for (int left = RecordBatch.RecordCount(batch); left > 0 && position >= 0; left--)
        {
            position = RecordParser.Parse(records, position, context, out RecordView record);
            if (position >= 0 && record.HasKey && record.Offset >= _dirtyFrom && !_map.TryPut(record.Key, record.Offset))
            {
                return false;
            }
        }
        return true;
    }

    private void FinishMap(long end)
    {
        if (end <= _dirtyFrom)
        {
            throw new LogFailedException($"The keys of the record batch at offset {_dirtyFrom} of log {_log.Id.Value} do not fit into the {_store.Options.CompactionMapBytesMax} bytes for compaction.") { ResumeOffset = end };
        }
        MapEnd = end;
        _position = 0;
        _compactor = new BatchCompactor(_store, _log.Id.Value, _map, _rewritten) { MapEnd = end, KeptEnd = End, NowMs = _nowMs, DeleteRetentionMs = _policy.DeleteRetentionMs };
    }

    /// <summary>Rewrites neighbouring segments that together are at most a full one.</summary>
    private bool RewriteGroup(List<Segment> replaced)
    {
        List<Segment> group = [];
        long bytes = 0;
        long segmentBytes = _log.Retention.SegmentBytes ?? _store.Options.SegmentBytes;
        for (Segment? next = NextSegment(_position, MapEnd); next is not null && (group.Count == 0 || bytes + next.WrittenBytes <= segmentBytes); next = NextSegment(next.EndOffset, MapEnd))
        {
            group.Add(next);
            bytes += next.WrittenBytes;
        }
        if (group.Count == 0)
        {
            return true;
        }
        _position = group[^1].EndOffset;
        lock (_log.Sync)
        {
            _compactor!.Producers = new LastBatches(_log.Producers);
        }
        Segment? target = null;
        bool isReplaced = false;
        try
        {
            bool isChanged = group.Count > 1;
            foreach (Segment source in group)
            {
                isChanged |= Copy(source, group, ref target);
            }
            if (isChanged)
            {
                if (target is not null)
                {
                    _replacer.Seal(target);
                }
                isReplaced = _replacer.Swap(_log, group, target);
            }
        }
        finally
        {
            if (!isReplaced)
            {
                _replacer.Discard(target);
            }
        }
        if (isReplaced)
        {
            replaced.AddRange(group);
            ForgetTail();
        }
        return false;
    }

    /// <summary>Appends what stays of a segment; true if that is not all.</summary>
    private bool Copy(Segment source, List<Segment> group, ref Segment? target)
    {
        bool isChanged = false;
        long offset = source.BaseOffset;
        while (offset < source.EndOffset && SegmentReader.Load(_store.Files, _store.Buffers, source, source.WrittenBytes, offset, WindowBytes) is { } window)
        {
            using (window)
            {
                for (int at = window.Start; at < window.End;)
                {
                    ReadOnlySpan<byte> batch = window.Buffer.AsSpan(at, RecordBatch.Size(window.Buffer.AsSpan(at)));
                    at += batch.Length;
                    ReadOnlySpan<byte> kept = _compactor!.Compact(batch);
                    isChanged |= kept != batch;
                    if (!kept.IsEmpty)
                    {
                        target ??= _replacer.Create(_log, group, RecordBatch.BaseOffset(kept));
                        _replacer.Append(target, kept);
                    }
                }
                offset = window.EndOffset;
            }
        }
        return isChanged;
    }

    /// <summary>
    /// Readers see what was compacted, not what was before: the copy in memory goes. And a transaction rolled back of which neither a file nor memory holds a record
    /// need not be told of any more.
    /// </summary>
    private void ForgetTail()
    {
        lock (_log.Sync)
        {
            while (_log.Tail.First is { } first && first.EndOffset <= _position && first.FlushedLength == first.Length)
            {
                _log.Tail.RemoveFirst(_log);
            }
            long inMemoryFrom = _log.Tail.First?.FirstOffset ?? long.MaxValue;
            _log.Producers?.RemoveAborted(aborted => aborted.LastOffset < inMemoryFrom && _rewritten.Gone.Contains(aborted));
        }
    }

    /// <summary>The segment at or after the offset, if it begins below the end and is complete.</summary>
    private Segment? NextSegment(long offset, long end)
    {
        lock (_log.Sync)
        {
            return !_log.IsDeleted && _log.Segments.AtOrAfter(offset) is { IsSealed: true } segment && segment.BaseOffset < end ? segment : null;
        }
    }
}
