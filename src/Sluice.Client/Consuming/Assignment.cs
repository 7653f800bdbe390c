namespace Sluice.Client.Consuming;

/// <summary>The partitions that a consumer reads now. Belongs to whoever calls the consumer.</summary>
internal sealed class Assignment
{
    private readonly Dictionary<TopicPartition, PartitionState> _states = [];

    public IReadOnlyCollection<TopicPartition> Partitions => _states.Keys;

    public IReadOnlyCollection<PartitionState> States => _states.Values;

    /// <summary>Some partition has no position: it must be looked up before records come.</summary>
    public bool LacksPositions => _states.Values.Any(static state => !state.HasPosition);

    /// <summary>Where each partition is, as far as that is known.</summary>
    public TopicPartitionOffset[] Positions => [.. _states.Values.Where(static state => state.HasPosition).Select(static state => new TopicPartitionOffset(state.Partition, state.Position))];

    /// <exception cref="InvalidOperationException">It is not assigned.</exception>
    public PartitionState this[TopicPartition partition] =>
        _states.TryGetValue(partition, out PartitionState? state) ? state : throw new InvalidOperationException($"{partition} is not assigned to this consumer.");

    public bool Has(PartitionState state) => _states.TryGetValue(state.Partition, out PartitionState? own) && own == state;

    public void Add(IEnumerable<TopicPartition> partitions)
    {
        foreach (TopicPartition partition in partitions)
        {
            _states.TryAdd(partition, new PartitionState(partition));
        }
    }

    public void Remove(IEnumerable<TopicPartition> partitions)
    {
        foreach (TopicPartition partition in partitions)
        {
            if (_states.Remove(partition, out PartitionState? state))
            {
                // What was read ahead is dropped.
                state.Rewind();
            }
        }
    }
}
