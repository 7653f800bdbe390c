namespace Sluice.Protocols.Kafka.Groups.Offsets;

/// <summary>Offsets that transactions have committed and whose end decides whether they count, by producer id. Guarded by the shard's lock.</summary>
internal sealed class PendingOffsets
{
    private readonly Dictionary<long, Dictionary<(string Group, TopicIndex Key), CommittedOffset>> _byProducer = [];

    /// <summary>Groups of which there is any; some may be named more than once.</summary>
    public IEnumerable<string> Groups => All.Select(static pending => pending.Group);

    private IEnumerable<(string Group, TopicIndex Key)> All => _byProducer.Values.SelectMany(static offsets => offsets.Keys);

    /// <summary>The partitions for which a transaction is about to commit an offset of the group.</summary>
    public IEnumerable<TopicIndex> Of(string group) => All.Where(pending => pending.Group == group).Select(static pending => pending.Key);

    public bool Has(string group, TopicIndex key) => _byProducer.Values.Any(offsets => offsets.ContainsKey((group, key)));

    public void Put(long producerId, string group, TopicIndex key, CommittedOffset offset)
    {
        if (!_byProducer.TryGetValue(producerId, out Dictionary<(string, TopicIndex), CommittedOffset>? offsets))
        {
            _byProducer.Add(producerId, offsets = []);
        }

        offsets[(group, key)] = offset;
    }

    /// <summary>Whatever transactions have committed for it is out of date.</summary>
    public void Remove(string group, TopicIndex key)
    {
        foreach ((long producerId, Dictionary<(string, TopicIndex), CommittedOffset> offsets) in _byProducer)
        {
            if (offsets.Remove((group, key)) && offsets.Count == 0)
            {
                // Removing is allowed while a dictionary is walked.
                _byProducer.Remove(producerId);
            }
        }
    }

    /// <summary>The producer's transaction ends: what it has committed, which is forgotten here.</summary>
    public IReadOnlyCollection<(string Group, TopicIndex Key, CommittedOffset Offset)> Take(long producerId) =>
        _byProducer.Remove(producerId, out Dictionary<(string Group, TopicIndex Key), CommittedOffset>? offsets)
            ? [.. offsets.Select(static pending => (pending.Key.Group, pending.Key.Key, pending.Value))]
            : [];
}
