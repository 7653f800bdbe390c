namespace Sluice.Transport;

/// <summary>A listener could not be started; the message says why and what to do.</summary>
public sealed class ListenException : IOException
{
    public ListenException()
    {
    }

    public ListenException(string message)
        : base(message)
    {
    }

    public ListenException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
