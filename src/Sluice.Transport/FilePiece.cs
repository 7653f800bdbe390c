using Microsoft.Win32.SafeHandles;

namespace Sluice.Transport;

/// <summary>A range of a file that the kernel sends by itself.</summary>
/// <param name="file">Stays open until the owner is disposed.</param>
/// <param name="position">Where the range begins.</param>
/// <param name="length">Bytes of the range.</param>
/// <param name="owner">Disposed when the range is sent or dropped.</param>
internal sealed class FilePiece(SafeFileHandle file, long position, long length, IDisposable owner) : OutputPiece
{
    public SafeFileHandle File => file;

    /// <summary>Where the rest begins.</summary>
    public long Position { get; private set; } = position;

    /// <summary>Bytes not yet sent.</summary>
    public long Remaining { get; private set; } = length;

    /// <summary>What it counts among the bytes that wait: it takes no memory but a peer that does not read must not pile it up either.</summary>
    public int Weight { get; } = (int)Math.Min(length, BlockPool.BlockBytes);

    public void Advance(long sent)
    {
        Position += sent;
        Remaining -= sent;
    }

    public override void Dispose() => owner.Dispose();
}
