using Microsoft.Win32.SafeHandles;

namespace Sluice.Transport;

/// <summary>A stream that can have the kernel send a file without its bytes passing through this process.</summary>
internal interface IFileSender
{
    /// <summary>Hands a part of the range to the socket; returns the bytes taken, 0 when the socket is full. Blocks while the file is read from the disk.</summary>
    /// <exception cref="IOException">The connection is closed, or the file is shorter than the range.</exception>
    long SendFile(SafeFileHandle file, long position, long length);

    /// <summary>Whether the range could be handed over without waiting for the disk, as far as can be told.</summary>
    bool IsInMemory(SafeFileHandle file, long position, long length);

    /// <summary>Completes when the socket may take more.</summary>
    ValueTask WaitWritableAsync();
}
