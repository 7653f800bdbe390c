namespace Sluice.Protocols.Kafka.Groups.Offsets;

/// <summary>The committed offsets of a shard's groups. Guarded by the shard's lock.</summary>
internal sealed class CommittedOffsets
{
    private static readonly Dictionary<TopicIndex, CommittedOffset> s_none = [];

    private readonly Dictionary<string, Dictionary<TopicIndex, CommittedOffset>> _byGroup = new(StringComparer.Ordinal);

    /// <summary>Groups that have any.</summary>
    public IReadOnlyCollection<string> Groups => _byGroup.Keys;

    /// <summary>Empty if the group has none.</summary>
    public IReadOnlyDictionary<TopicIndex, CommittedOffset> Of(string group) => _byGroup.GetValueOrDefault(group, s_none);

    public CommittedOffset? Find(string group, string topic, int partition) => Of(group).GetValueOrDefault(new TopicIndex(topic, partition));

    public void Put(string group, string topic, int partition, CommittedOffset offset)
    {
        if (!_byGroup.TryGetValue(group, out Dictionary<TopicIndex, CommittedOffset>? offsets))
        {
            _byGroup.Add(group, offsets = []);
        }

        offsets[new TopicIndex(topic, partition)] = offset;
    }

    public void Remove(string group, string topic, int partition)
    {
        if (_byGroup.TryGetValue(group, out Dictionary<TopicIndex, CommittedOffset>? offsets) && offsets.Remove(new TopicIndex(topic, partition)) && offsets.Count == 0)
        {
            _byGroup.Remove(group);
        }
    }
}

/// <summary>A partition by its topic's name and its index.</summary>
internal readonly record struct TopicIndex(string Topic, int Partition);
