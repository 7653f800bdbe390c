namespace Sluice.Protocols.Kafka.Groups;

/// <summary>Something that a group does at a time unless it is told otherwise before. Guarded by its shard's lock.</summary>
internal sealed class GroupTimer(Action<GroupTurn> action)
{
    /// <summary>Of a timer that is not set.</summary>
    public const long Never = long.MaxValue;

    /// <summary>When it is due, on the clock of <see cref="GroupTimers"/>.</summary>
    public long DueMs { get; set; } = Never;

    /// <summary>The place in the queue that counts; it may lie before <see cref="DueMs"/>, because a timer that is put off keeps its place until then.</summary>
    public long QueuedMs { get; set; } = Never;

    public void Fire(GroupTurn turn) => action(turn);
}
