using Microsoft.Win32.SafeHandles;

namespace Sluice.Transport;

/// <summary>A range of a file that the kernel sends by itself.</summary>
/// <param name="file">Stays open until the owner is disposed.</param>
/// <param name="position">Where the range begins.</param>
/// <param name="length">Bytes of the range.</param>
/// <param name="owner">Disposed when the range is sent or dropped.</param>
internal sealed class FilePiece(SafeFileHandle file, long position, long length, IDisposable owner) : OutputPiece
{
    // Of what is in memory, so much at a time is looked for and sent where a connection's input is handled.
    private const int BytesHereMax = 256 << 10;

    private long _position = position;

    /// <summary>Bytes not yet sent.</summary>
    public long Remaining { get; private set; } = length;

    /// <summary>What it counts among the bytes that wait: it takes no memory but a peer that does not read must not pile it up either.</summary>
    public int Weight { get; } = (int)Math.Min(length, BlockPool.BlockBytes);

    private long NextBytes => Thread.CurrentThread.IsThreadPoolThread ? Remaining : Math.Min(Remaining, BytesHereMax);

    /// <summary>Whether <see cref="SendTo"/> may be called on this thread: on one where others' connections are handled as well, only if it does not wait for the disk.</summary>
    public bool MaySendHere(IFileSender sender) => Thread.CurrentThread.IsThreadPoolThread || sender.IsInMemory(file, _position, NextBytes);

    /// <summary>Sends the next part. When the task completes there may be more.</summary>
    public ValueTask SendTo(IFileSender sender)
    {
        for (long left = NextBytes; left > 0;)
        {
            long sent = sender.SendFile(file, _position, left);
            if (sent == 0)
            {
                return sender.WaitWritableAsync();
            }

            _position += sent;
            Remaining -= sent;
            left -= sent;
        }

        return default;
    }

    public override void Dispose() => owner.Dispose();
}
