using Microsoft.Win32.SafeHandles;

namespace Sluice.Base.Disk;

/// <summary>
/// The file system as the broker sees it. The server uses the operating system's; tests and the simulator use one
/// in memory that loses unsynced writes, tears them and fails on purpose. Paths use '/' and are relative to the
/// disk's root. Every call may throw <see cref="IOException"/>; a caller that promised durability must then stop promising.
/// </summary>
public interface IDisk
{
    /// <summary>Opens a file for reading and writing.</summary>
    IDiskFile Open(string path, DiskOpenMode mode);

    bool FileExists(string path);

    bool DirectoryExists(string path);

    /// <summary>Creates the directory and its parents; no error if it is there.</summary>
    void CreateDirectory(string path);

    /// <summary>Names (not paths) of files and directories directly below <paramref name="path"/>, sorted ordinally; empty if there is no such directory.</summary>
    IReadOnlyList<string> List(string path);

    void DeleteFile(string path);

    /// <summary>Deletes a directory and all below it; no error if it is not there.</summary>
    void DeleteDirectory(string path);

    /// <summary>Renames a file, replacing the target. Survives a power loss only after <see cref="SyncDirectory"/> of the target's directory.</summary>
    void Move(string from, string to);

    /// <summary>Makes creations, renames and deletions in the directory survive a power loss.</summary>
    void SyncDirectory(string path);

    /// <summary>Bytes that can still be written on the volume holding <paramref name="path"/>.</summary>
    long FreeBytes(string path);

    /// <summary>Takes the exclusive lock file at <paramref name="path"/>, held until disposed.</summary>
    /// <exception cref="DiskLockedException">Another process (or disk user) holds it.</exception>
    IDisposable AcquireLock(string path);
}

/// <summary>How <see cref="IDisk.Open"/> treats a missing or present file.</summary>
public enum DiskOpenMode
{
    /// <summary>The file must exist.</summary>
    Existing,

    /// <summary>Opened if it exists, created if not; never truncated.</summary>
    OpenOrCreate,

    /// <summary>Created anew; an existing file is an error.</summary>
    CreateNew,
}

/// <summary>One open file. Positional and thread-safe: reads and writes at distinct positions may run at once.</summary>
public interface IDiskFile : IDisposable
{
    long Length { get; }

    /// <summary>Reads up to the span's length at <paramref name="position"/>; returns the bytes read, 0 at the end of the file.</summary>
    int Read(long position, Span<byte> destination);

    /// <summary>Reads as many bytes as there are, up to the span's length; fewer only at the end of the file.</summary>
    int ReadFully(long position, Span<byte> destination)
    {
        int read = 0;
        while (read < destination.Length)
        {
            int n = Read(position + read, destination[read..]);
            if (n == 0)
            {
                break;
            }

            read += n;
        }

        return read;
    }

    /// <summary>Writes all bytes into the page cache; they survive the process, not the power, until <see cref="Sync"/>.</summary>
    void Write(long position, ReadOnlySpan<byte> source);

    /// <summary>Returns once all written bytes would survive a power loss (fdatasync). After a failure nothing written since the last success may be trusted.</summary>
    void Sync();

    void SetLength(long length);

    /// <summary>The operating system's handle, from which the kernel itself can send the file; null where there is none (a disk in memory). Valid until the file is disposed.</summary>
    SafeFileHandle? Handle => null;
}

/// <summary>The lock file is held by somebody else.</summary>
public sealed class DiskLockedException : IOException
{
    public DiskLockedException()
    {
    }

    public DiskLockedException(string message)
        : base(message)
    {
    }

    public DiskLockedException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
