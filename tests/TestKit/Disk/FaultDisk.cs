using Sluice.Base.Disk;

namespace Sluice.TestKit.Disk;

/// <summary>What a crash leaves behind.</summary>
public enum CrashKind
{
    /// <summary>The process is killed: the operating system keeps everything written.</summary>
    Process,

    /// <summary>The power goes: unsynced writes may be lost, torn at 512-byte sectors, or kept; so may unsynced directory changes.</summary>
    Power,
}

/// <summary>
/// A disk in memory that fails on purpose, all by one seed. Knows for each file what is synced and, sector by sector, what is only written;
/// and for each directory which creations, renames and deletions are synced. Thread-safe.
/// </summary>
public sealed class FaultDisk : IDisk
{
    public const int SectorBytes = 512;

    private readonly Lock _sync = new();
    private readonly Random _random;
    private readonly SortedSet<string> _directories = new(StringComparer.Ordinal) { "" };
    private readonly HashSet<string> _locks = [];
    private readonly List<string> _trace = [];

    // What running programs see, and what a power loss is sure to leave.
    private SortedDictionary<string, FileData> _names = new(StringComparer.Ordinal);
    private SortedDictionary<string, FileData> _syncedNames = new(StringComparer.Ordinal);
    private int _incarnation;

    public FaultDisk(int seed) => _random = new Random(seed);

    /// <summary>Throws instead of doing the operation; gets "write path", "sync path", "open path", "move path", "syncdir path", "delete path".</summary>
    public Func<string, Exception?>? Fault { get; set; }

    /// <summary>Bytes all files together may hold; writing more fails as a full disk does.</summary>
    public long CapacityBytes { get; set; } = long.MaxValue;

    /// <summary>When set, each write, sync, move and directory sync is noted in <see cref="Trace"/>.</summary>
    public bool IsTracing { get; set; }

    public IReadOnlyList<string> Trace
    {
        get
        {
            lock (_sync)
            {
                return [.. _trace];
            }
        }
    }

    /// <summary>Bytes of all files.</summary>
    public long UsedBytes
    {
        get
        {
            lock (_sync)
            {
                return _names.Values.Sum(static f => (long)f.Length);
            }
        }
    }

    /// <summary>Adds a line to the trace.</summary>
    public void Note(string line)
    {
        lock (_sync)
        {
            if (IsTracing)
            {
                _trace.Add(line);
            }
        }
    }

    /// <summary>Ends every open file and lock and leaves what the kind of crash leaves.</summary>
    public void Crash(CrashKind kind)
    {
        lock (_sync)
        {
            _incarnation++;
            _locks.Clear();
            if (kind == CrashKind.Process)
            {
                return;
            }
            SortedDictionary<string, FileData> names = new(_syncedNames, StringComparer.Ordinal);
            foreach (string name in _names.Keys.Union(_syncedNames.Keys).ToList())
            {
                _names.TryGetValue(name, out FileData? now);
                _syncedNames.TryGetValue(name, out FileData? synced);
                if (now != synced && _random.Next(2) == 0)
                {
                    if (now is null)
                    {
                        names.Remove(name);
                    }
                    else
                    {
                        // A rename is atomic: the old name goes when the new one stays.
                        foreach (string other in names.Where(pair => pair.Value == now).Select(static pair => pair.Key).ToList())
                        {
                            names.Remove(other);
                        }
                        names[name] = now;
                    }
                }
            }
            foreach (FileData file in names.Values.Distinct())
            {
                file.LosePower(_random);
            }
            _names = names;
            _syncedNames = new(names, StringComparer.Ordinal);
        }
    }

    /// <summary>Flips one bit of a file, behind everybody's back.</summary>
    public void FlipBit(string path, long position, int bit)
    {
        lock (_sync)
        {
            _names[path].Flip((int)position, bit);
        }
    }

    public byte[] ReadAll(string path)
    {
        lock (_sync)
        {
            return _names[path].Content();
        }
    }

    public IDiskFile Open(string path, DiskOpenMode mode)
    {
        lock (_sync)
        {
            Check("open", path);
            bool exists = _names.TryGetValue(path, out FileData? data);
            if (exists && mode == DiskOpenMode.CreateNew)
            {
                throw new IOException($"{path} exists.");
            }
            if (!exists)
            {
                if (mode == DiskOpenMode.Existing)
                {
                    throw new FileNotFoundException($"{path} does not exist.");
                }
                if (!_directories.Contains(ParentOf(path)))
                {
                    throw new DirectoryNotFoundException($"The directory of {path} does not exist.");
                }
                data = new FileData();
                _names.Add(path, data);
            }
            return new OpenFile(this, data!, path, _incarnation);
        }
    }

    public bool FileExists(string path)
    {
        lock (_sync)
        {
            return _names.ContainsKey(path);
        }
    }

    public bool DirectoryExists(string path)
    {
        lock (_sync)
        {
            return _directories.Contains(path);
        }
    }

    public void CreateDirectory(string path)
    {
        lock (_sync)
        {
            for (string at = path; at.Length > 0; at = ParentOf(at))
            {
                _directories.Add(at);
            }
        }
    }

    public IReadOnlyList<string> List(string path)
    {
        lock (_sync)
        {
            return [.. _names.Keys.Concat(_directories).Where(name => name.Length > 0 && ParentOf(name) == path)
                .Select(static name => name[(name.LastIndexOf('/') + 1)..]).Distinct().Order(StringComparer.Ordinal)];
        }
    }

    public void DeleteFile(string path)
    {
        lock (_sync)
        {
            Check("delete", path);
            _names.Remove(path);
        }
    }

    public void DeleteDirectory(string path)
    {
        lock (_sync)
        {
            Check("delete", path);
            foreach (string name in _names.Keys.Where(name => name.StartsWith(path + "/", StringComparison.Ordinal)).ToList())
            {
                _names.Remove(name);
            }
            _directories.RemoveWhere(name => name == path || name.StartsWith(path + "/", StringComparison.Ordinal));
        }
    }

    public void Move(string from, string to)
    {
        lock (_sync)
        {
            Check("move", from + " " + to);
            if (!_names.Remove(from, out FileData? data))
            {
                throw new FileNotFoundException($"{from} does not exist.");
            }
            _names[to] = data;
        }
    }

    public void SyncDirectory(string path)
    {
        lock (_sync)
        {
            Check("syncdir", path);
            foreach (string name in _names.Keys.Union(_syncedNames.Keys).Where(name => ParentOf(name) == path).ToList())
            {
                if (_names.TryGetValue(name, out FileData? data))
                {
                    _syncedNames[name] = data;
                }
                else
                {
                    _syncedNames.Remove(name);
                }
            }
        }
    }

    public long FreeBytes(string path) => CapacityBytes - UsedBytes;

    public IDisposable AcquireLock(string path)
    {
        lock (_sync)
        {
            return _locks.Add(path) ? new Held(this, path, _incarnation) : throw new DiskLockedException($"{path} is held.");
        }
    }

    private static string ParentOf(string path) => path.LastIndexOf('/') is > 0 and int at ? path[..at] : "";

    private void Check(string operation, string path)
    {
        string line = operation + " " + path;
        if (IsTracing && operation != "open")
        {
            _trace.Add(line);
        }
        if (Fault?.Invoke(line) is { } error)
        {
            throw error;
        }
    }

    private sealed class Held(FaultDisk disk, string path, int incarnation) : IDisposable
    {
        public void Dispose()
        {
            lock (disk._sync)
            {
                if (disk._incarnation == incarnation)
                {
                    disk._locks.Remove(path);
                }
            }
        }
    }

    private sealed class OpenFile(FaultDisk disk, FileData data, string path, int incarnation) : IDiskFile
    {
        public long Length
        {
            get
            {
                lock (disk._sync)
                {
                    return data.Length;
                }
            }
        }

        public int Read(long position, Span<byte> destination)
        {
            lock (disk._sync)
            {
                ThrowIfGone();
                return data.Read((int)position, destination);
            }
        }

        public void Write(long position, ReadOnlySpan<byte> source)
        {
            lock (disk._sync)
            {
                ThrowIfGone();
                disk.Check("write", path);
                long growth = position + source.Length - data.Length;
                if (growth > 0 && growth > disk.CapacityBytes - disk.UsedBytes)
                {
                    throw new IOException($"No space left on device: {path}");
                }
                data.Write((int)position, source);
            }
        }

        public void Sync()
        {
            lock (disk._sync)
            {
                ThrowIfGone();
                disk.Check("sync", path);
                data.Sync();
            }
        }

        public void SetLength(long length)
        {
            lock (disk._sync)
            {
                ThrowIfGone();
                disk.Check("setlength", path);
                data.SetLength((int)length);
            }
        }

        public void Dispose()
        {
        }

        private void ThrowIfGone()
        {
            if (disk._incarnation != incarnation)
            {
                throw new IOException($"{path}: the process that opened it is gone.");
            }
        }
    }

    /// <summary>Content as written, as synced, and the sectors in which they may differ.</summary>
    private sealed class FileData
    {
        private readonly HashSet<int> _dirty = [];
        private byte[] _now = [];
        private byte[] _synced = [];
        private int _syncedLength;

        public int Length { get; private set; }

        public byte[] Content() => _now[..Length];

        public int Read(int position, Span<byte> destination)
        {
            int n = Math.Clamp(Length - position, 0, destination.Length);
            _now.AsSpan(Math.Min(position, Length), n).CopyTo(destination);
            return n;
        }

        public void Write(int position, ReadOnlySpan<byte> source)
        {
            int end = position + source.Length;
            Grow(ref _now, end);
            source.CopyTo(_now.AsSpan(position));
            Length = Math.Max(Length, end);
            for (int sector = position / SectorBytes; sector * SectorBytes < end; sector++)
            {
                _dirty.Add(sector);
            }
        }

        public void SetLength(int length)
        {
            Grow(ref _now, length);
            if (length < Length)
            {
                _now.AsSpan(length, Length - length).Clear();
            }
            for (int sector = Math.Min(length, Length) / SectorBytes; sector * SectorBytes < Math.Max(length, Length); sector++)
            {
                _dirty.Add(sector);
            }
            Length = length;
        }

        public void Sync()
        {
            Grow(ref _synced, Length);
            foreach (int sector in _dirty)
            {
                CopySector(_now, _synced, sector);
            }
            _syncedLength = Length;
            _dirty.Clear();
        }

        public void Flip(int position, int bit)
        {
            _now[position] ^= (byte)(1 << bit);
            if (position < _synced.Length)
            {
                _synced[position] ^= (byte)(1 << bit);
            }
        }

        /// <summary>Each unsynced sector is kept or lost; or only a prefix of them is kept, as a disk that writes in order would.</summary>
        public void LosePower(Random random)
        {
            if (_dirty.Count == 0)
            {
                Length = _syncedLength;
                return;
            }
            List<int> sectors = [.. _dirty.Order()];
            bool inOrder = random.Next(2) == 0;
            int keptCount = random.Next(sectors.Count + 1);
            Grow(ref _synced, _now.Length);
            for (int i = 0; i < sectors.Count; i++)
            {
                if (inOrder ? i < keptCount : random.Next(2) == 0)
                {
                    CopySector(_now, _synced, sectors[i]);
                    _syncedLength = Math.Max(_syncedLength, Math.Min(Length, (sectors[i] + 1) * SectorBytes));
                }
            }
            _now = _synced.AsSpan().ToArray();
            Length = _syncedLength;
            _now.AsSpan(Length).Clear();
            _synced = _now.AsSpan().ToArray();
            _dirty.Clear();
        }

        private static void Grow(ref byte[] array, int length)
        {
            if (array.Length < length)
            {
                Array.Resize(ref array, (int)Math.Max(length, array.Length * 2L));
            }
        }

        private static void CopySector(byte[] from, byte[] to, int sector)
        {
            int at = sector * SectorBytes;
            int n = Math.Min(SectorBytes, Math.Min(from.Length, to.Length) - at);
            if (n > 0)
            {
                from.AsSpan(at, n).CopyTo(to.AsSpan(at));
            }
        }
    }
}
