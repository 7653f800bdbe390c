using Sluice.Broker;
using Sluice.Broker.Topics;

namespace Sluice.Protocols.Kafka.Coordination;

/// <summary>A topic that keeps the state of a coordinator, as Kafka names and divides it.</summary>
/// <param name="Name">Of the topic.</param>
/// <param name="Partitions">How many it gets when it is made; it may be there with another number.</param>
internal sealed record InternalTopic(string Name, int Partitions)
{
    /// <summary>The last record of a key is all there is to say of it; else the coordinator itself gives up what counts no more.</summary>
    public bool IsCompacted { get; init; } = true;

    /// <summary>Smaller than other topics': only what is complete is compacted, and the state is read as a whole at each start.</summary>
    private const string SegmentBytes = "8388608";

    /// <summary>Which partition keeps a group or a transactional id: Kafka's choice, by Java's hash of its name.</summary>
    public static int PartitionOf(string id, int partitions)
    {
        int hash = 0;
        foreach (char c in id)
        {
            hash = unchecked((31 * hash) + c);
        }

        return hash == int.MinValue ? 0 : Math.Abs(hash) % partitions;
    }

    /// <summary>The topic; null: it is not there. What a client made of its name before it was reserved is not it: what is kept there would not stay.</summary>
    public Topic? Find(VirtualHost host) => host.FindTopic(Name) is { Definition.IsInternal: true } topic ? topic : null;

    /// <summary>The topic, made if it is not there.</summary>
    public async ValueTask<BrokerResult<Topic>> OpenAsync(VirtualHost host, Func<Guid> newId)
    {
        if (Find(host) is { } known)
        {
            return known;
        }

        BrokerResult<Topic> created = await host.CreateTopicAsync(Define(newId(), new Dictionary<string, string>(StringComparer.Ordinal)), Partitions).ConfigureAwait(false);
        return !created.IsOk && Find(host) is { } raced ? raced : created;
    }

    /// <summary>How it is made.</summary>
    /// <param name="id">The new topic's.</param>
    /// <param name="config">What is set; else it is as its coordinator needs it.</param>
    public TopicDefinition Define(Guid id, IReadOnlyDictionary<string, string> config)
    {
        var whole = new Dictionary<string, string>(config, StringComparer.Ordinal);
        whole.TryAdd(TopicConfig.SegmentBytes, SegmentBytes);
        if (IsCompacted)
        {
            whole.TryAdd(TopicConfig.CleanupPolicy, TopicConfig.Compact);
        }
        else
        {
            whole.TryAdd(TopicConfig.RetentionMs, "-1");
        }

        return new TopicDefinition(Name, id, whole, IsInternal: true);
    }
}
