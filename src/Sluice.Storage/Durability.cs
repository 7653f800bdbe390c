namespace Sluice.Storage;

/// <summary>What a publish is promised once acknowledged. Persisted and configured by name; values never change.</summary>
public enum Durability : byte
{
    /// <summary>May be lost with the process.</summary>
    Memory = 0,

    /// <summary>Survives a kill of the process (written to the operating system), not a power loss.</summary>
    OperatingSystem = 1,

    /// <summary>Survives a power loss (journal written and synced).</summary>
    Disk = 2,
}

/// <summary>
/// A point in the broker-wide journal: everything queued before it is covered once the journal reports it durable.
/// <see cref="None"/> means nothing needs waiting for.
/// </summary>
public readonly record struct JournalPosition(long Value) : IComparable<JournalPosition>
{
    public static JournalPosition None => default;

    public int CompareTo(JournalPosition other) => Value.CompareTo(other.Value);

    public static JournalPosition Max(JournalPosition a, JournalPosition b) => a.Value >= b.Value ? a : b;

    public static bool operator <(JournalPosition a, JournalPosition b) => a.Value < b.Value;

    public static bool operator >(JournalPosition a, JournalPosition b) => a.Value > b.Value;

    public static bool operator <=(JournalPosition a, JournalPosition b) => a.Value <= b.Value;

    public static bool operator >=(JournalPosition a, JournalPosition b) => a.Value >= b.Value;
}

/// <summary>Identifies a log for ever; never reused, also not after deletion.</summary>
public readonly record struct LogId(long Value);
