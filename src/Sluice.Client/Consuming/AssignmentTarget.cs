namespace Sluice.Client.Consuming;

/// <summary>Moves partitions as the group says: commits, tells the listener, changes the assignment.</summary>
internal sealed class AssignmentTarget(ConsumerOptions options, Assignment assignment, Func<IReadOnlyCollection<TopicPartition>, CancellationToken, Task> commit) : IAssignmentTarget
{
    public IReadOnlyCollection<string> Topics { get; set; } = [];

    public IReadOnlyCollection<TopicPartition> Owned => assignment.Partitions;

    public async Task RevokeAsync(IReadOnlyCollection<TopicPartition> partitions, CancellationToken cancel)
    {
        if (partitions.Count == 0)
        {
            return;
        }

        await commit(partitions, cancel).ConfigureAwait(false);
        if (options.RebalanceListener is { } listener)
        {
            await listener.OnRevokedAsync(partitions).ConfigureAwait(false);
        }

        assignment.Remove(partitions);
    }

    public async Task LoseAsync(IReadOnlyCollection<TopicPartition> partitions)
    {
        if (partitions.Count == 0)
        {
            return;
        }

        assignment.Remove(partitions);
        if (options.RebalanceListener is { } listener)
        {
            await listener.OnLostAsync(partitions).ConfigureAwait(false);
        }
    }

    public async Task AssignAsync(IReadOnlyCollection<TopicPartition> partitions)
    {
        assignment.Add(partitions);
        if (options.RebalanceListener is { } listener)
        {
            await listener.OnAssignedAsync(partitions).ConfigureAwait(false);
        }
    }
}
