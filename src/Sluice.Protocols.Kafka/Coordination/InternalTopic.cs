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

    /// <summary>Keeps groups and their offsets.</summary>
    public const string Offsets = "__consumer_offsets";

    /// <summary>Keeps transactional ids.</summary>
    public const string Transactions = "__transaction_state";

    /// <summary>Keeps where share groups are.</summary>
    public const string Shares = "__share_group_state";

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

    /// <summary>The topic, made if it is not there; null: it can't be made.</summary>
    public async ValueTask<Topic?> OpenAsync(VirtualHost host, Func<Guid> newId)
    {
        if (host.FindTopic(Name) is { } known)
        {
            return known;
        }

        var config = new Dictionary<string, string>(StringComparer.Ordinal) { [TopicConfig.SegmentBytes] = SegmentBytes };
        if (IsCompacted)
        {
            config[TopicConfig.CleanupPolicy] = TopicConfig.Compact;
        }
        else
        {
            config[TopicConfig.RetentionMs] = "-1";
        }

        BrokerResult<Topic> created = await host.CreateTopicAsync(new TopicDefinition(Name, newId(), config, IsInternal: true), Partitions).ConfigureAwait(false);
        return created.Value ?? host.FindTopic(Name);
    }
}
