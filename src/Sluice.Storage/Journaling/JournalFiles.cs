using Sluice.Base.Disk;

namespace Sluice.Storage.Journaling;

/// <summary>One journal file: positions [First, End) of the journal.</summary>
internal readonly record struct JournalFile(long Epoch, long First, long End);

/// <summary>
/// The journal's files: the one being written, the full ones a recovery would still need, and spares to overwrite.
/// Used under the journal's I/O lock only. Any failure is the journal's failure.
/// </summary>
internal sealed class JournalFiles(IDisk disk, string directory, int sparesMax) : IDisposable
{
    private readonly List<JournalFile> _full = [];
    private readonly Queue<string> _spares = new();
    private IDiskFile? _file;
    private long _epoch;
    private long _first;
    private long _end;
    private long _spareSerial;
    private bool _dirty;

    /// <summary>Bytes in files that a recovery would read.</summary>
    public long Bytes
    {
        get
        {
            long bytes = _end - _first;
            foreach (JournalFile file in _full)
            {
                bytes += file.End - file.First;
            }
            return bytes;
        }
    }

    /// <summary>Takes over what recovery found.</summary>
    public void Adopt(IEnumerable<JournalFile> files, IEnumerable<string> spareNames)
    {
        _full.AddRange(files);
        foreach (string name in spareNames)
        {
            _spares.Enqueue(name);
        }
    }

    /// <summary>Begins the epoch's file. The file before it is synced first, so that a durable header of the new one proves the old one whole.</summary>
    public void Begin(long epoch, long first)
    {
        if (_file is not null)
        {
            Sync();
            _file.Dispose();
            _file = null;
            _full.Add(new JournalFile(_epoch, _first, _end));
        }
        string path = PathOf(JournalFormat.FileName(epoch));
        if (_spares.TryDequeue(out string? spare))
        {
            disk.Move(PathOf(spare), path);
        }
        IDiskFile file = disk.Open(path, DiskOpenMode.OpenOrCreate);
        try
        {
            Span<byte> header = stackalloc byte[JournalFormat.FileHeaderBytes];
            JournalFormat.WriteFileHeader(header, epoch, first);
            file.Write(0, header);
            disk.SyncDirectory(directory);
        }
        catch
        {
            file.Dispose();
            throw;
        }
        _file = file;
        _epoch = epoch;
        _first = first;
        _end = first;
        _dirty = true;
    }

    public void Write(long position, ReadOnlySpan<byte> bytes)
    {
        _dirty = true;
        _file!.Write(JournalFormat.FileHeaderBytes + position - _first, bytes);
        _end = position + bytes.Length;
    }

    public void Sync()
    {
        if (_dirty)
        {
            _file!.Sync();
            _dirty = false;
        }
    }

    /// <summary>Turns files that end at or before the position into spares, or deletes them where there are enough.</summary>
    public void Retire(long position)
    {
        for (int i = 0; i < _full.Count;)
        {
            if (_full[i].End > position)
            {
                i++;
                continue;
            }
            string name = JournalFormat.FileName(_full[i].Epoch);
            if (_spares.Count < sparesMax)
            {
                string spare = $"spare-{_full[i].Epoch:x16}-{_spareSerial++}";
                disk.Move(PathOf(name), PathOf(spare));
                _spares.Enqueue(spare);
            }
            else
            {
                disk.DeleteFile(PathOf(name));
            }
            _full.RemoveAt(i);
        }
    }

    public void Dispose() => _file?.Dispose();

    private string PathOf(string name) => directory + "/" + name;
}
