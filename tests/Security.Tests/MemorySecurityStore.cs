namespace Sluice.Security.Tests;

/// <summary>Keeps entries in memory; can be told to fail.</summary>
internal sealed class MemorySecurityStore : ISecurityStore
{
    public SortedDictionary<string, ReadOnlyMemory<byte>> Entries { get; } = new(StringComparer.Ordinal);

    public Exception? Failure { get; set; }

    public int Commits { get; private set; }

    public IReadOnlyList<SecurityEntry> Load() => [.. Entries.Select(entry => new SecurityEntry(entry.Key, entry.Value))];

    /// <summary>What a commit waits for, unless it is null.</summary>
    public TaskCompletionSource? Gate { get; set; }

    public async ValueTask CommitAsync(IReadOnlyList<SecurityChange> changes)
    {
        if (Failure is not null)
        {
            throw Failure;
        }

        if (Gate is not null)
        {
            await Gate.Task;
        }

        Commits++;
        foreach (SecurityChange change in changes)
        {
            if (change.Value is { } value)
            {
                Entries[change.Key] = value;
            }
            else
            {
                Entries.Remove(change.Key);
            }
        }
    }
}
