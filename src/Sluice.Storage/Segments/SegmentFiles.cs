using Sluice.Base.Buffers;
using Sluice.Base.Disk;
using Sluice.Storage.Records;

namespace Sluice.Storage.Segments;

/// <summary>
/// Open segment files, at most a few hundred: the least recently used idle one is closed for the next. An idle log holds none.
/// Also finds each open segment's index. Thread-safe.
/// </summary>
internal sealed class SegmentFiles(IDisk disk, string root, BufferPool buffers, int openMax = 512) : IDisposable
{
    private readonly Lock _sync = new();
    private readonly Dictionary<Segment, Entry> _open = [];
    private readonly LinkedList<Entry> _byUse = new();

    public string PathOf(string path) => root.Length == 0 ? path : root + "/" + path;

    /// <summary>Opens the segment's file (creating it on <paramref name="create"/>); dispose the lease after use.</summary>
    public Lease Open(Segment segment, bool create = false)
    {
        lock (_sync)
        {
            if (_open.TryGetValue(segment, out Entry? entry))
            {
                _byUse.Remove(entry.Node);
                _byUse.AddLast(entry.Node);
                entry.Users++;
                return new Lease(this, entry);
            }
        }
        if (create)
        {
            disk.CreateDirectory(PathOf(segment.DirectoryPath));
        }
        Entry opened = new(segment, disk.Open(PathOf(segment.Path), create ? DiskOpenMode.OpenOrCreate : DiskOpenMode.Existing));
        lock (_sync)
        {
            if (_open.TryGetValue(segment, out Entry? other))
            {
                other.Users++;
                opened.File.Dispose();
                return new Lease(this, other);
            }
            opened.Users = 1;
            _open.Add(segment, opened);
            _byUse.AddLast(opened.Node);
            EvictIdle();
        }
        return new Lease(this, opened);
    }

    /// <summary>The segment's index: from memory, from its files, or rebuilt from the log file.</summary>
    public SegmentIndex IndexOf(in Lease lease)
    {
        Segment segment = lease.Segment;
        if (segment.Index is { } known)
        {
            return known;
        }
        SegmentIndex index = (segment.IsSealed ? TryReadIndex(segment) : null) ?? Rebuild(lease, segment.WrittenBytes);
        segment.Index = index;
        return index;
    }

    /// <summary>Closes the file, for deletion; those who read it now finish first.</summary>
    public void Forget(Segment segment)
    {
        lock (_sync)
        {
            if (_open.Remove(segment, out Entry? entry))
            {
                _byUse.Remove(entry.Node);
                entry.IsForgotten = true;
                if (entry.Users == 0)
                {
                    entry.File.Dispose();
                }
            }
        }
    }

    public void Dispose()
    {
        lock (_sync)
        {
            foreach (Entry entry in _open.Values)
            {
                entry.File.Dispose();
            }
            _open.Clear();
            _byUse.Clear();
        }
    }

    private SegmentIndex? TryReadIndex(Segment segment)
    {
        byte[]? offsets = TryReadAll(PathOf(segment.IndexPath));
        byte[]? times = TryReadAll(PathOf(segment.TimeIndexPath));
        return offsets is null || times is null ? null : SegmentIndex.TryDecode(offsets, times, segment.BaseOffset, segment.WrittenBytes);
    }

    private byte[]? TryReadAll(string path)
    {
        if (!disk.FileExists(path))
        {
            return null;
        }
        try
        {
            using IDiskFile file = disk.Open(path, DiskOpenMode.Existing);
            byte[] bytes = new byte[file.Length];
            int read = 0;
            while (read < bytes.Length)
            {
                int n = file.Read(read, bytes.AsSpan(read));
                if (n == 0)
                {
                    return null;
                }
                read += n;
            }
            return bytes;
        }
        catch (IOException)
        {
            // An index is only a short cut; the log file has it all.
            return null;
        }
    }

    private SegmentIndex Rebuild(in Lease lease, long length)
    {
        SegmentIndex index = new();
        byte[] header = buffers.Take(RecordBatch.HeaderBytes);
        try
        {
            long position = 0;
            while (position + RecordBatch.HeaderBytes <= length)
            {
                Span<byte> bytes = header.AsSpan(0, RecordBatch.HeaderBytes);
                if (lease.File.Read(position, bytes) < bytes.Length || !RecordBatch.LooksLikeHeader(bytes))
                {
                    break;
                }
                index.Add(bytes, position);
                position += RecordBatch.Size(bytes);
            }
        }
        finally
        {
            buffers.Return(header);
        }
        return index;
    }

    private void EvictIdle()
    {
        LinkedListNode<Entry>? node = _byUse.First;
        while (_open.Count > openMax && node is not null)
        {
            LinkedListNode<Entry>? next = node.Next;
            Entry entry = node.Value;
            if (entry.Users == 0)
            {
                _byUse.Remove(node);
                _open.Remove(entry.Segment);
                entry.File.Dispose();
                if (entry.Segment.IsSealed)
                {
                    entry.Segment.Index = null;
                }
            }
            node = next;
        }
    }

    private void Close(Entry entry)
    {
        lock (_sync)
        {
            entry.Users--;
            if (entry.Users == 0 && entry.IsForgotten)
            {
                entry.File.Dispose();
            }
        }
    }

    internal sealed class Entry
    {
        public Entry(Segment segment, IDiskFile file)
        {
            Segment = segment;
            File = file;
            Node = new LinkedListNode<Entry>(this);
        }

        public Segment Segment { get; }

        public IDiskFile File { get; }

        public LinkedListNode<Entry> Node { get; }

        public int Users { get; set; }

        public bool IsForgotten { get; set; }
    }

    /// <summary>The right to use an open file until disposed.</summary>
    internal readonly struct Lease(SegmentFiles owner, Entry entry) : IDisposable
    {
        public IDiskFile File => entry.File;

        public Segment Segment => entry.Segment;

        public void Dispose() => owner.Close(entry);
    }
}
