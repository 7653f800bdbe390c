using Microsoft.Extensions.Logging;
using Sluice.Base.Disk;
using Sluice.Storage.Records;

namespace Sluice.Storage.Segments;

/// <summary>Appends batches to a log's newest segment and begins new ones. Who does so to a log's own segments holds the flusher's lock.</summary>
internal sealed class SegmentWriter(StoreContext store)
{
    private const int WriteBytesMax = 256 << 10;

    /// <summary>Writes whole batches behind the log's last segment, as many segments as they need. After a failure the log's lists know only what was written whole.</summary>
    public void Append(Log log, ReadOnlySpan<byte> batches)
    {
        while (batches.Length > 0)
        {
            int first = RecordBatch.Size(batches);
            Segment segment = SegmentFor(log, batches[..first]);
            int segmentBytes = SegmentBytes(log);
            int part = first;
            while (part < batches.Length)
            {
                int size = RecordBatch.Size(batches[part..]);
                if (segment.WrittenBytes + part + size > segmentBytes)
                {
                    break;
                }
                part += size;
            }
            Append(log, segment, batches[..part]);
            batches = batches[part..];
        }
    }

    private int SegmentBytes(Log log) => log.Retention.SegmentBytes ?? store.Options.SegmentBytes;

    private void Append(Log log, Segment segment, ReadOnlySpan<byte> batches)
    {
        long position = segment.WrittenBytes;
        long end = position + batches.Length;
        using (SegmentFiles.Lease lease = store.Files.Open(segment, create: position == 0))
        {
            SegmentIndex index = position == 0 ? segment.Index ??= new SegmentIndex() : store.Files.IndexOf(lease);
            if (position == 0 && lease.File.Length != 0)
            {
                lease.File.SetLength(0);
            }
            for (int at = 0; at < batches.Length; at += WriteBytesMax)
            {
                lease.File.Write(position + at, batches.Slice(at, Math.Min(WriteBytesMax, batches.Length - at)));
            }
            long endOffset = segment.EndOffset;
            long maxTimestamp = segment.MaxTimestamp;
            for (int at = 0; at < batches.Length;)
            {
                ReadOnlySpan<byte> batch = batches[at..];
                index.Add(batch, position + at);
                endOffset = RecordBatch.EndOffset(batch);
                maxTimestamp = Math.Max(maxTimestamp, RecordBatch.MaxTimestamp(batch));
                at += RecordBatch.Size(batch);
            }
            lock (log.Sync)
            {
                if (position == 0)
                {
                    (log.Segments ??= []).Add(segment);
                }
                segment.EndOffset = endOffset;
                segment.MaxTimestamp = maxTimestamp;
                segment.WrittenBytes = end;
                log.AddBytes(batches.Length);
            }
        }
    }

    /// <summary>Ends the segment: exact file length and index files, which are only a short cut and may fail to be written.</summary>
    public void Seal(Segment segment)
    {
        using (SegmentFiles.Lease lease = store.Files.Open(segment))
        {
            SegmentIndex index = store.Files.IndexOf(lease);
            if (lease.File.Length > segment.WrittenBytes)
            {
                lease.File.SetLength(segment.WrittenBytes);
            }
            try
            {
                WriteIndex(segment.IndexPath, index.Encode(time: false, segment.BaseOffset, segment.WrittenBytes));
                WriteIndex(segment.TimeIndexPath, index.Encode(time: true, segment.BaseOffset, segment.WrittenBytes));
            }
            catch (IOException e)
            {
                store.Logger.LogWarning(e, "The index of {Path} could not be written; it will be rebuilt when needed.", store.PathOf(segment.Path));
            }
        }
        segment.IsSealed = true;
    }

    /// <summary>Makes all written segments of the log survive a power loss.</summary>
    /// <param name="log">Durable.</param>
    /// <param name="between">What is to be done after each, since a large one takes a while.</param>
    public void Sync(Log log, Action? between = null)
    {
        Segment[] dirty;
        lock (log.Sync)
        {
            dirty = log.Segments is { } segments ? [.. segments.Where(static s => s.SyncedBytes < s.WrittenBytes)] : [];
        }
        bool created = false;
        foreach (Segment segment in dirty)
        {
            if (IsDeleted(log))
            {
                return;
            }
            using (SegmentFiles.Lease lease = store.Files.Open(segment))
            {
                long written = segment.WrittenBytes;
                lease.File.Sync();
                created |= segment.SyncedBytes == 0;
                segment.SyncedBytes = written;
            }
            if (IsDeleted(log))
            {
                // Nobody else would close what was opened here after the log's files were let go.
                store.Files.Forget(segment);
                return;
            }
            between?.Invoke();
        }
        if (created)
        {
            store.Disk.SyncDirectory(store.PathOf(dirty[0].DirectoryPath));
            store.Disk.SyncDirectory(store.PathOf("logs"));
        }
    }

    private static bool IsDeleted(Log log)
    {
        lock (log.Sync)
        {
            return log.IsDeleted;
        }
    }

    private Segment SegmentFor(Log log, ReadOnlySpan<byte> batches)
    {
        Segment? last;
        lock (log.Sync)
        {
            last = log.Segments is { Count: > 0 } segments ? segments[^1] : null;
        }
        if (last is { IsSealed: false })
        {
            if (last.WrittenBytes + batches.Length <= SegmentBytes(log))
            {
                return last;
            }
            Seal(last);
        }
        return new Segment(log.Id.Value, RecordBatch.BaseOffset(batches), generation: 0) { BegunAtMs = store.Clock.GetUtcNow().ToUnixTimeMilliseconds() };
    }

    private void WriteIndex(string path, byte[] bytes)
    {
        using IDiskFile file = store.Disk.Open(store.PathOf(path), DiskOpenMode.OpenOrCreate);
        file.SetLength(0);
        for (int at = 0; at < bytes.Length; at += WriteBytesMax)
        {
            file.Write(at, bytes.AsSpan(at, Math.Min(WriteBytesMax, bytes.Length - at)));
        }
    }
}
