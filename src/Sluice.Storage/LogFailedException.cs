namespace Sluice.Storage;

/// <summary>The log stopped taking promises (a failed write or sync), or a part of it is damaged.</summary>
public sealed class LogFailedException : IOException
{
    public LogFailedException()
    {
    }

    public LogFailedException(string message)
        : base(message)
    {
    }

    public LogFailedException(string message, Exception inner)
        : base(message, inner)
    {
    }

    /// <summary>For damage: the first offset after it, where reading can go on. Null when the log as a whole failed.</summary>
    public long? ResumeOffset { get; init; }
}
