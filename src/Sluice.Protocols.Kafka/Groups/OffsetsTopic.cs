using Sluice.Broker;
using Sluice.Broker.Topics;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>The internal topic that keeps groups and their offsets, as Kafka names and divides it.</summary>
internal static class OffsetsTopic
{
    public const string Name = "__consumer_offsets";

    /// <summary>Which partition keeps a group: Kafka's choice, by Java's hash of its name.</summary>
    public static int PartitionOf(string groupId, int partitions)
    {
        int hash = 0;
        foreach (char c in groupId)
        {
            hash = unchecked((31 * hash) + c);
        }

        return hash == int.MinValue ? 0 : Math.Abs(hash) % partitions;
    }

    /// <summary>The topic, made if it is not there; null: it can't be made.</summary>
    public static async ValueTask<Topic?> OpenAsync(VirtualHost host, int partitions, Func<Guid> newId)
    {
        if (host.FindTopic(Name) is { } known)
        {
            return known;
        }

        // All is kept for ever: what a later record of the same key replaces may go, which is compaction's work.
        var config = new Dictionary<string, string>(StringComparer.Ordinal) { [TopicConfig.RetentionMs] = "-1", [TopicConfig.RetentionBytes] = "-1" };
        BrokerResult<Topic> created = await host.CreateTopicAsync(new TopicDefinition(Name, newId(), config, IsInternal: true), partitions).ConfigureAwait(false);
        return created.Value ?? host.FindTopic(Name);
    }
}
