namespace Sluice.Client.Consuming;

/// <summary>Is told which partitions a member of a group gets and gives up. Called within ConsumeAsync and DisposeAsync, so that the consumer may be asked to commit here.</summary>
public interface IRebalanceListener
{
    /// <summary>They are this member's from now on.</summary>
    Task OnAssignedAsync(IReadOnlyCollection<TopicPartition> partitions);

    /// <summary>They will be another's when this is done; what was taken of them can still be committed.</summary>
    Task OnRevokedAsync(IReadOnlyCollection<TopicPartition> partitions);

    /// <summary>They may be another's already: the member was out of the group.</summary>
    Task OnLostAsync(IReadOnlyCollection<TopicPartition> partitions);
}
