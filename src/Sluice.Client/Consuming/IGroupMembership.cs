namespace Sluice.Client.Consuming;

/// <summary>Who commits: the broker takes offsets from members of the current generation only.</summary>
/// <param name="MemberId">Empty for a consumer that is in no group's membership.</param>
/// <param name="Generation">Of the classic protocol, or the member's epoch; -1 likewise.</param>
/// <param name="InstanceId">The member's name that outlives it; null if it has none.</param>
internal readonly record struct CommitIdentity(string MemberId, int Generation, string? InstanceId)
{
    public static readonly CommitIdentity None = new("", -1, null);
}

/// <summary>A member's part in its group. Driven by whoever calls the consumer; heartbeats go by themselves.</summary>
internal interface IGroupMembership : IAsyncDisposable
{
    /// <summary>Something is to be done: join, or take a new assignment. Cheap, asked for each record.</summary>
    bool NeedsAttention { get; }

    /// <summary>The member has what the group last gave it, and the group asks for nothing.</summary>
    bool IsSettled { get; }

    CommitIdentity Identity { get; }

    /// <summary>The caller is about to consume: the member is not stuck.</summary>
    void OnPoll();

    /// <summary>Does what is to be done, as far as it can be done without waiting; wakes the consumer when there is more.</summary>
    /// <param name="assignment">Where partitions come and go.</param>
    /// <param name="cancel">Of the caller.</param>
    Task AttendAsync(IAssignmentTarget assignment, CancellationToken cancel);

    /// <summary>Tells the group that the member goes. Partitions were given up before.</summary>
    Task LeaveAsync();
}

/// <summary>The consumer, as its membership sees it.</summary>
internal interface IAssignmentTarget
{
    /// <summary>What the member wants to read.</summary>
    IReadOnlyCollection<string> Topics { get; }

    /// <summary>What it has.</summary>
    IReadOnlyCollection<TopicPartition> Owned { get; }

    /// <summary>Gives partitions up, after a commit of what was taken of them where that is automatic.</summary>
    Task RevokeAsync(IReadOnlyCollection<TopicPartition> partitions, CancellationToken cancel);

    /// <summary>Gives partitions up that may be another's already.</summary>
    Task LoseAsync(IReadOnlyCollection<TopicPartition> partitions);

    /// <summary>Takes partitions.</summary>
    Task AssignAsync(IReadOnlyCollection<TopicPartition> partitions);
}
