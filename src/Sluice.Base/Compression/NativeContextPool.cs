namespace Sluice.Base.Compression;

/// <summary>Keeps a few of a native library's contexts, which are large and slow to make. Thread-safe.</summary>
internal sealed class NativeContextPool(Func<nint> create, Action<nint> free)
{
    private const int KeptMax = 8;

    private readonly Lock _sync = new();
    private readonly Stack<nint> _kept = new(KeptMax);

    /// <summary>The caller owns the context until <see cref="Return"/> or <see cref="Discard"/>.</summary>
    public nint Take()
    {
        lock (_sync)
        {
            if (_kept.TryPop(out nint kept))
            {
                return kept;
            }
        }
        nint context = create();
        return context != 0 ? context : throw new InsufficientMemoryException("A compression context could not be allocated.");
    }

    /// <summary>Gives back a context that can be used for other data.</summary>
    public void Return(nint context)
    {
        lock (_sync)
        {
            if (_kept.Count < KeptMax)
            {
                _kept.Push(context);
                return;
            }
        }
        free(context);
    }

    /// <summary>Gives back a context that is not to be used again.</summary>
    public void Discard(nint context) => free(context);
}
