using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sluice.Base.Disk;

/// <summary>A file of the operating system, read and written by position.</summary>
internal sealed partial class SystemDiskFile(SafeFileHandle handle, string path) : IDiskFile
{
    private static readonly bool HasDataSync = OperatingSystem.IsLinux();

    public long Length => RandomAccess.GetLength(handle);

    public SafeFileHandle Handle => handle;

    public int Read(long position, Span<byte> destination) => RandomAccess.Read(handle, destination, position);

    public void Write(long position, ReadOnlySpan<byte> source) => RandomAccess.Write(handle, source, position);

    public void Sync()
    {
        if (!HasDataSync)
        {
            RandomAccess.FlushToDisk(handle);
            return;
        }
        if (DataSync(handle) != 0)
        {
            throw new IOException($"Cannot sync {path} (errno {Marshal.GetLastPInvokeError()}).");
        }
    }

    public void SetLength(long length) => RandomAccess.SetLength(handle, length);

    public void Dispose() => handle.Dispose();

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int DataSync(SafeFileHandle handle);
}
