using System.Globalization;
using Sluice.Base.Disk;
using Sluice.Storage.Journaling;
using Sluice.Storage.Records;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage.Checkpoints;

/// <summary>
/// During recovery, takes over what a log has in its files beyond what the snapshot knows: batches that went straight there, and those between them. A batch of which the journal has a
/// note was written after all that is before it in the log, so the files are read in order, each batch checked against its checksum, against what the journal has brought back into memory
/// and against the note. At the first that does not fit, the files end. Only for logs without a cursor.
/// </summary>
internal sealed class SegmentAdopter(StoreContext store, SegmentWriter writer)
{
    private enum Step
    {
        /// <summary>All below the wanted offset is taken over.</summary>
        Done,

        /// <summary>The file ends where a batch ends.</summary>
        FileEnd,

        /// <summary>What follows is not what was written there for good.</summary>
        Torn,
    }

    /// <summary>Takes over batches that end at or below an offset, as far as the files have them.</summary>
    /// <param name="log">Without a cursor.</param>
    /// <param name="through">One past the last offset wanted.</param>
    /// <param name="note">The journal's note of the last batch; null when all wanted is in memory as well.</param>
    public void Adopt(Log log, long through, WrittenBatch? note)
    {
        List<long>? bases = null;
        while (FileEnd(log) < through)
        {
            Segment? last = log.Segments is { Count: > 0 } segments ? segments[^1] : null;
            Step step = last is { IsSealed: false } ? Extend(log, last, through, note) : Step.FileEnd;
            if (step == Step.Torn)
            {
                CutAfter(log);
            }
            if (step != Step.FileEnd)
            {
                break;
            }
            bases ??= ListBases(log);
            int next = bases.FindIndex(offset => offset >= FileEnd(log) && offset < through);
            while (next >= 0 && next + 1 < bases.Count && bases[next + 1] <= log.PhysicalStart)
            {
                // Given up as a whole, and only not deleted yet.
                next++;
            }
            if (next < 0 || !TryOpen(log, new Segment(log.Id.Value, bases[next], generation: 0), through, note))
            {
                break;
            }
        }
        lock (log.Sync)
        {
            log.Tail.MarkWritten(log, FileEnd(log));
        }
    }

    private static long FileEnd(Log log) => log.Segments is { Count: > 0 } segments ? segments[^1].EndOffset : 0;

    /// <summary>Makes the log's next file its newest segment if it holds batches that can be taken over.</summary>
    private bool TryOpen(Log log, Segment segment, long through, WrittenBatch? note)
    {
        // A file in between may be gone because retention dropped it; what the journal has brought back of it goes to a file again, since the log's memory is always its end.
        long fileEnd = FileEnd(log);
        Step step = Look(log, segment, through, note, out bool isAcceptable);
        if (!isAcceptable)
        {
            store.Files.Forget(segment);
            if (step != Step.Done)
            {
                DeleteFrom(log, segment.BaseOffset);
            }
            return false;
        }
        byte[] between = TailBytes(log, fileEnd, segment.BaseOffset);
        if (between.Length > 0)
        {
            writer.Append(log, between);
        }
        if (log.Segments is { Count: > 0 } segments && segments[^1] is { IsSealed: false } last)
        {
            writer.Seal(last);
        }
        lock (log.Sync)
        {
            (log.Segments ??= []).Add(segment);
        }
        return true;
    }

    /// <summary>
    /// Cuts what follows the log's last batch in its files, durably: it has been called lost, other batches are about to be written in its place, and should the power go in the midst of
    /// that, it must not come back.
    /// </summary>
    private void CutAfter(Log log)
    {
        Segment last = log.Segments![^1];
        using (SegmentFiles.Lease lease = store.Files.Open(last))
        {
            lease.File.SetLength(last.WrittenBytes);
            lease.File.Sync();
        }
        DeleteFrom(log, Math.Max(last.EndOffset, last.BaseOffset + 1));
    }

    private void DeleteFrom(Log log, long offset)
    {
        foreach (long baseOffset in ListBases(log).Where(baseOffset => baseOffset >= offset))
        {
            store.Disk.DeleteFile(store.PathOf(new Segment(log.Id.Value, baseOffset, generation: 0).Path));
        }
        store.Disk.SyncDirectory(store.PathOf($"logs/{log.Id.Value:x16}"));
    }

    private Step Look(Log log, Segment segment, long through, WrittenBatch? note, out bool isAcceptable)
    {
        using SegmentFiles.Lease lease = store.Files.Open(segment);
        TailWalk tail = new(log, segment.BaseOffset);
        Step step = Check(lease.File, 0, log, segment.BaseOffset, through, note, ref tail, out byte[]? batch);
        isAcceptable = batch is not null;
        Return(batch);
        return step;
    }

    private Step Extend(Log log, Segment segment, long through, WrittenBatch? note)
    {
        using SegmentFiles.Lease lease = store.Files.Open(segment);
        TailWalk tail = new(log, FileEnd(log));
        while (true)
        {
            Step step = Check(lease.File, segment.WrittenBytes, log, FileEnd(log), through, note, ref tail, out byte[]? buffer);
            if (buffer is null)
            {
                return step;
            }
            ReadOnlySpan<byte> batch = buffer.AsSpan(0, RecordBatch.Size(buffer));
            Take(log, segment, batch);
            Return(buffer);
        }
    }

    private void Take(Log log, Segment segment, ReadOnlySpan<byte> batch)
    {
        if (RecordBatch.BaseOffset(batch) >= log.NextOffset)
        {
            log.TrackProducer(batch);
            log.SetNext(RecordBatch.EndOffset(batch));
            log.MarkPersisted(log.NextOffset);
        }
        segment.Index?.Add(batch, segment.WrittenBytes);
        segment.EndOffset = RecordBatch.EndOffset(batch);
        segment.MaxTimestamp = Math.Max(segment.MaxTimestamp, RecordBatch.MaxTimestamp(batch));
        segment.WrittenBytes += batch.Length;
        log.AddBytes(batch.Length);
        store.WrittenThroughBytes += batch.Length;
    }

    /// <summary>Reads the batch at the position; it is null unless it can be taken over, and then the caller returns the buffer.</summary>
    private Step Check(IDiskFile file, long position, Log log, long from, long through, WrittenBatch? note, ref TailWalk tail, out byte[]? batch)
    {
        batch = null;
        Span<byte> header = stackalloc byte[RecordBatch.HeaderBytes];
        int read = file.ReadFully(position, header);
        if (read == 0)
        {
            return Step.FileEnd;
        }
        if (read < header.Length || !RecordBatch.LooksLikeHeader(header) || RecordBatch.Size(header) > store.Options.BatchBytesMax || RecordBatch.BaseOffset(header) < from)
        {
            return Step.Torn;
        }
        if (RecordBatch.EndOffset(header) > through)
        {
            return Step.Done;
        }
        if (!Fits(log, header, note, ref tail))
        {
            return Step.Torn;
        }
        int size = RecordBatch.Size(header);
        byte[] buffer = store.Buffers.Take(size);
        if (file.ReadFully(position, buffer.AsSpan(0, size)) < size || !RecordBatch.IsIntact(buffer.AsSpan(0, size)))
        {
            Return(buffer);
            return Step.Torn;
        }
        batch = buffer;
        return Step.Done;
    }

    /// <summary>
    /// Whether memory or the journal's note knows of the batch. What memory has and the file passes over was given up by retention before it was written: a loss of power tears a file, but
    /// does not leave whole batches one right after another with some missing in between.
    /// </summary>
    private static bool Fits(Log log, scoped ReadOnlySpan<byte> header, WrittenBatch? note, ref TailWalk tail)
    {
        long offset = RecordBatch.BaseOffset(header);
        while (!tail.Next.IsEmpty && RecordBatch.BaseOffset(tail.Next) < offset)
        {
            tail.MoveOn();
        }
        if (!tail.Next.IsEmpty && RecordBatch.BaseOffset(tail.Next) == offset)
        {
            bool isSame = tail.Next[..RecordBatch.HeaderBytes].SequenceEqual(header);
            tail.MoveOn();
            return isSame;
        }
        if (RecordBatch.EndOffset(header) <= log.PhysicalStart)
        {
            // Given up since, so the snapshot left it out.
            return true;
        }
        return note is { } written && offset >= log.NextOffset && offset == written.BaseOffset
            && RecordBatch.Checksum(header) == written.Checksum && RecordBatch.Size(header) == written.Bytes;
    }

    private static byte[] TailBytes(Log log, long from, long to)
    {
        using MemoryStream bytes = new();
        for (TailWalk tail = new(log, from); !tail.Next.IsEmpty && RecordBatch.BaseOffset(tail.Next) < to; tail.MoveOn())
        {
            bytes.Write(tail.Next);
        }
        return bytes.ToArray();
    }

    /// <summary>Offsets at which the log's files begin, in order; not of those that compaction or the cleaner wrote, which only a snapshot can make part of a log.</summary>
    private List<long> ListBases(Log log)
    {
        string directory = store.PathOf($"logs/{log.Id.Value:x16}");
        List<long> bases = [];
        if (store.Disk.DirectoryExists(directory))
        {
            foreach (string name in store.Disk.List(directory))
            {
                if (name.Length == 24 && name.EndsWith(".log", StringComparison.Ordinal) && long.TryParse(name.AsSpan(0, 20), NumberStyles.None, CultureInfo.InvariantCulture, out long offset))
                {
                    bases.Add(offset);
                }
            }
        }
        bases.Sort();
        return bases;
    }

    private void Return(byte[]? buffer)
    {
        if (buffer is not null)
        {
            store.Buffers.Return(buffer);
        }
    }

    /// <summary>The batches that a log has in memory, from an offset on, one after another.</summary>
    private ref struct TailWalk
    {
        private Chunk? _chunk;
        private int _at;

        public TailWalk(Log log, long from)
        {
            _chunk = log.Tail.First;
            SkipEmpty();
            while (!Next.IsEmpty && RecordBatch.BaseOffset(Next) < from)
            {
                MoveOn();
            }
        }

        /// <summary>Empty at the end.</summary>
        public readonly ReadOnlySpan<byte> Next => _chunk is null ? default : _chunk.Buffer.AsSpan(_at, RecordBatch.Size(_chunk.Buffer.AsSpan(_at)));

        public void MoveOn()
        {
            _at += Next.Length;
            SkipEmpty();
        }

        private void SkipEmpty()
        {
            while (_chunk is not null && _at >= _chunk.Length)
            {
                _chunk = _chunk.Next;
                _at = 0;
            }
        }
    }
}
