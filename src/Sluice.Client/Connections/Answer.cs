using Sluice.Base.Buffers;

namespace Sluice.Client.Connections;

/// <summary>An answer whose bytes lie in a pooled block: the message borrows from it until <see cref="Dispose"/>.</summary>
internal sealed class Answer<TResponse>(TResponse message, BufferPool pool, byte[]? block) : IDisposable
{
    private byte[]? _block = block;

    public TResponse Message { get; } = message;

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _block, null) is { } own)
        {
            FramePool.Return(pool, own);
        }
    }
}
