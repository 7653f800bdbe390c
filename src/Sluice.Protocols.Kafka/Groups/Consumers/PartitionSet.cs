using System.Collections;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>Partitions of any topics. Never changes.</summary>
internal sealed class PartitionSet : IReadOnlyCollection<PartitionKey>, IEquatable<PartitionSet>
{
    private readonly HashSet<PartitionKey> _partitions;

    public PartitionSet(IEnumerable<PartitionKey> partitions) => _partitions = [.. partitions];

    public static PartitionSet Empty { get; } = new([]);

    public int Count => _partitions.Count;

    public static PartitionSet Of(IEnumerable<ConsumerGroupHeartbeatRequest.TopicPartitionsData> topics) =>
        new(topics.SelectMany(static topic => topic.Partitions.Select(index => new PartitionKey(topic.TopicId, index))));

    public static PartitionSet Of(IEnumerable<ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions> topics) =>
        new(topics.SelectMany(static topic => topic.Partitions.Select(index => new PartitionKey(topic.TopicId, index))));

    public static PartitionSet Of(IEnumerable<ConsumerGroupTargetAssignmentMemberValue.TopicPartition> topics) =>
        new(topics.SelectMany(static topic => topic.Partitions.Select(index => new PartitionKey(topic.TopicId, index))));

    public bool Contains(PartitionKey partition) => _partitions.Contains(partition);

    public PartitionSet Intersect(PartitionSet other) => new(_partitions.Where(other.Contains));

    public PartitionSet Except(PartitionSet other) => new(_partitions.Where(partition => !other.Contains(partition)));

    public PartitionSet Union(IEnumerable<PartitionKey> other) => new(_partitions.Concat(other));

    public bool Overlaps(PartitionSet other) => _partitions.Overlaps(other._partitions);

    public bool IsSubsetOf(PartitionSet other) => _partitions.IsSubsetOf(other._partitions);

    /// <summary>By topic, in a fixed order.</summary>
    public IEnumerable<(Guid Topic, int[] Indexes)> ByTopic() =>
        _partitions.GroupBy(static partition => partition.Topic).OrderBy(static topic => topic.Key).Select(static topic => (topic.Key, topic.Select(static partition => partition.Index).Order().ToArray()));

    public bool Equals(PartitionSet? other) => other is not null && _partitions.SetEquals(other._partitions);

    public override bool Equals(object? obj) => Equals(obj as PartitionSet);

    public override int GetHashCode() => _partitions.Aggregate(0, static (hash, partition) => hash ^ partition.GetHashCode());

    public IEnumerator<PartitionKey> GetEnumerator() => _partitions.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
