using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sluice.Base.Disk;

/// <summary>The operating system's file system below one root directory.</summary>
public sealed partial class SystemDisk : IDisk
{
    private readonly string _root;

    /// <param name="root">Directory that relative paths start from; created when first needed.</param>
    public SystemDisk(string root)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        _root = Path.GetFullPath(root);
    }

    public IDiskFile Open(string path, DiskOpenMode mode)
    {
        FileMode fileMode = mode switch
        {
            DiskOpenMode.Existing => FileMode.Open,
            DiskOpenMode.OpenOrCreate => FileMode.OpenOrCreate,
            DiskOpenMode.CreateNew => FileMode.CreateNew,
            _ => throw new ArgumentOutOfRangeException(nameof(mode)),
        };
        string full = Resolve(path);
        try
        {
            return new SystemDiskFile(File.OpenHandle(full, fileMode, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete), full);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"No permission to open {full} for reading and writing.", e);
        }
    }

    public bool FileExists(string path) => File.Exists(Resolve(path));

    public bool DirectoryExists(string path) => Directory.Exists(Resolve(path));

    public void CreateDirectory(string path)
    {
        try
        {
            Directory.CreateDirectory(Resolve(path));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"No permission to create the directory {Resolve(path)}.", e);
        }
        catch (IOException e)
        {
            // Of a directory that the file system does not take the runtime says that it could not find a file.
            string why = e is FileNotFoundException or DirectoryNotFoundException ? "the file system takes none there" : e.Message.TrimEnd('.');
            throw new IOException($"The directory {Resolve(path)} cannot be created: {why}.", e);
        }
    }

    public IReadOnlyList<string> List(string path)
    {
        string full = Resolve(path);
        if (!Directory.Exists(full))
        {
            return [];
        }
        List<string> names = [];
        foreach (string entry in Directory.EnumerateFileSystemEntries(full))
        {
            names.Add(Path.GetFileName(entry));
        }
        names.Sort(StringComparer.Ordinal);
        return names;
    }

    public void DeleteFile(string path) => File.Delete(Resolve(path));

    public void DeleteDirectory(string path)
    {
        string full = Resolve(path);
        if (Directory.Exists(full))
        {
            Directory.Delete(full, recursive: true);
        }
    }

    public void Move(string from, string to) => File.Move(Resolve(from), Resolve(to), overwrite: true);

    public void SyncDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }
        string full = Resolve(path);
        int descriptor = OpenDescriptor(full, 0);
        if (descriptor < 0)
        {
            throw new IOException($"Cannot open the directory {full} to sync it (errno {Marshal.GetLastPInvokeError()}).");
        }
        try
        {
            if (SyncDescriptor(descriptor) != 0)
            {
                throw new IOException($"Cannot sync the directory {full} (errno {Marshal.GetLastPInvokeError()}).");
            }
        }
        finally
        {
            _ = CloseDescriptor(descriptor);
        }
    }

    public long FreeBytes(string path) => new DriveInfo(Resolve(path)).AvailableFreeSpace;

    public IDisposable AcquireLock(string path)
    {
        string full = Resolve(path);
        CreateDirectory(Path.GetDirectoryName(full)!);
        try
        {
            // FileShare.None takes an advisory lock that goes with the process.
            return File.OpenHandle(full, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or FileNotFoundException or PathTooLongException))
        {
            throw new DiskLockedException($"{full} is held by another process. Is a broker already running on this data directory?", e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new IOException($"The lock file {full} cannot be created: the file system takes none there.", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"No permission to take the lock file {full}.", e);
        }
    }

    private string Resolve(string path) => path.Length == 0 ? _root : Path.Combine(_root, path);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenDescriptor(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int SyncDescriptor(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int CloseDescriptor(int descriptor);
}
