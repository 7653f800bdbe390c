namespace Sluice.Storage;

/// <summary>
/// Appends and settlements of several logs that are kept together or not at all, also across a crash: one journal entry.
/// The caller holds the appender's right (lock) of every log touched from the first operation until <see cref="Commit"/>.
/// </summary>
public sealed class JournalGroup : IDisposable
{
    /// <summary>Hands the group to the journal as one entry.</summary>
    public JournalPosition Commit() => throw new NotImplementedException();

    /// <summary>Releases buffers. A group that has operations and was not committed is a bug and throws.</summary>
    public void Dispose() => throw new NotImplementedException();
}
