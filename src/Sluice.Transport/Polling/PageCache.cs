using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sluice.Transport.Polling;

/// <summary>What the kernel has of a file in memory.</summary>
internal static partial class PageCache
{
    // preadv2(2): a read that would wait for the disk fails.
    private const int NoWait = 8;

    // The kernel reads ahead, and gives up pages again, by more than this as a rule.
    private const int SampleBytes = 64 << 10;

    // The C library has no preadv2.
    private static volatile bool s_cannotTell;

    /// <summary>Whether reading the range would not wait for the disk, as far as samples tell.</summary>
    /// <param name="file">Open to read.</param>
    /// <param name="position">Where the range begins.</param>
    /// <param name="length">More than 0.</param>
    /// <returns>False also where it cannot be told.</returns>
    public static bool Holds(SafeFileHandle file, long position, long length)
    {
        try
        {
            return !s_cannotTell && HoldsSamples(file, position, length);
        }
        catch (EntryPointNotFoundException)
        {
            s_cannotTell = true;
            return false;
        }
        catch (ObjectDisposedException)
        {
            // Whoever sends it finds out, where that ends the connection only.
            return false;
        }
    }

    private static unsafe bool HoldsSamples(SafeFileHandle file, long position, long length)
    {
        byte sample;
        var vector = new IoVector { Base = &sample, Length = 1 };
        long last = position + length - 1;
        for (long at = position; ; at = Math.Min(at + SampleBytes, last))
        {
            if (Read(file, &vector, 1, at, NoWait) != 1)
            {
                return false;
            }

            if (at == last)
            {
                return true;
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "preadv2", SetLastError = true)]
    private static unsafe partial nint Read(SafeFileHandle file, IoVector* vectors, int count, long offset, int flags);

    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct IoVector
    {
        public byte* Base;
        public nint Length;
    }
}
