using System.Diagnostics;
using Sluice.Broker;
using Sluice.Broker.Queues;
using Sluice.Broker.Shares;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Shares;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Shares;

/// <summary>Share groups for consumers that speak another protocol: they read what they name, without being members.</summary>
internal sealed class ShareGroups(string virtualHost, ShareCoordinator positions, GroupCoordinator groups) : IShareGroups
{
    public string VirtualHost => virtualHost;

    public async ValueTask<BrokerResult<IReadOnlyList<ISharePosition>>> JoinAsync(string group, IReadOnlyList<TopicPartition> partitions, StreamStart? start)
    {
        // A client of Kafka would be told to come again while groups are read.
        await positions.WhenLoadedAsync().ConfigureAwait(false);
        Topic topic = partitions[0].Topic;
        KafkaErrorCode error = await groups.RunShareAsync(group, (shares, _, turn) => Use(shares, group, topic, turn), static code => code).ConfigureAwait(false);
        if (error != KafkaErrorCode.None)
        {
            return error == KafkaErrorCode.GroupIdNotFound
                ? new BrokerResult(BrokerStatus.Differs, $"group '{group}' in vhost '{virtualHost}' is no share group")
                : Unavailable(group, error);
        }

        var found = new ISharePosition[partitions.Count];
        for (int i = 0; i < found.Length; i++)
        {
            (error, SharePartition? position) = await positions.OpenAsync(group, partitions[i], start).ConfigureAwait(false);
            if (error != KafkaErrorCode.None)
            {
                Leave(group);
                return Unavailable(group, error);
            }

            found[i] = position ?? throw new UnreachableException();
        }

        return found;
    }

    public void Leave(string group) => _ = groups.RunShareAsync(
        group,
        static (_, found, _) => found is null ? 0 : found.OtherUses = Math.Max(0, found.OtherUses - 1),
        static _ => 0);

    private static KafkaErrorCode Use(ShareOperations shares, string group, Topic topic, GroupTurn turn)
    {
        if (shares.FindOrCreate(group, turn) is not { } found)
        {
            return KafkaErrorCode.GroupIdNotFound;
        }

        found.OtherUses++;
        var read = new GroupTopic(topic.Name, topic.Id, topic.Partitions.Count);
        if (found.Topics.GetValueOrDefault(topic.Id) != read)
        {
            shares.SetTopics(found, [.. found.Topics.Values.Where(known => known.Id != read.Id), read], turn);
        }

        return KafkaErrorCode.None;
    }

    private BrokerResult Unavailable(string group, KafkaErrorCode error) =>
        new(BrokerStatus.Unavailable, $"where share group '{group}' in vhost '{virtualHost}' is cannot be kept ({error})");
}
