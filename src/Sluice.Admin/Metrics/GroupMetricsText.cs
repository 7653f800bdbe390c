namespace Sluice.Admin.Metrics;

/// <summary>How many groups there are, and how far they are behind. What a group is behind in a topic is a figure of its own only as long as those are not too many for one scrape.</summary>
internal static class GroupMetricsText
{
    /// <summary>Most pairs of a group and a topic.</summary>
    private const int LagsMax = 1000;

    public static void Write(GroupList listed, MetricsText text)
    {
        IReadOnlyList<GroupInfo> groups = listed.Groups;
        text.Single("sluice_kafka_groups_partitions_failed", "gauge", "Partitions of the topic that keeps the groups whose groups are not served after an error, and are missing here.", listed.FailedPartitions.Count);
        text.Family("sluice_kafka_groups", "gauge", "Consumer groups and share groups.");
        foreach (IGrouping<(string Type, string State), GroupInfo> kind in groups.GroupBy(static group => (group.Type, group.State)).OrderBy(static kind => kind.Key))
        {
            text.Value("sluice_kafka_groups", kind.Count(), ("type", kind.Key.Type), ("state", kind.Key.State));
        }

        text.Single("sluice_kafka_group_members", "gauge", "Members of all groups.", groups.Sum(static group => group.Members.Count));
        text.Single("sluice_kafka_groups_lag", "gauge", "Records that groups have still to read, all together.", groups.Sum(static group => group.Lag ?? 0));
        text.Single("sluice_kafka_groups_partitions_lag_unknown", "gauge", "Partitions of groups whose lag is not known: mostly, nothing was committed yet.", groups.Sum(static group => group.Partitions.Count(static partition => partition.Lag is null)));
        (string Group, string Topic, long Lag)[] lags = [.. groups.SelectMany(static group => group.Partitions.Where(static partition => partition.Lag is not null)
            .GroupBy(static partition => partition.Topic).Select(topic => (group.Name, topic.Key, topic.Sum(static partition => partition.Lag!.Value))))];
        bool isTooMany = lags.Length > LagsMax;
        text.Single("sluice_kafka_group_lag_left_out", "gauge", $"Figures of sluice_kafka_group_lag that are left out, which are all of them when there are more than {LagsMax}.", isTooMany ? lags.Length : 0);
        text.Family("sluice_kafka_group_lag", "gauge", "Records of a topic that a group has still to read.");
        foreach ((string group, string topic, long lag) in isTooMany ? [] : lags)
        {
            text.Value("sluice_kafka_group_lag", lag, ("group", group), ("topic", topic));
        }
    }
}
