using Sluice.Admin.Metrics;
using Xunit;

namespace Sluice.Admin.Tests;

public sealed class GroupMetricsTests
{
    [Theory]
    [InlineData(1000, 1000, 0)]
    [InlineData(1001, 0, 1001)]
    public void Lags_are_left_out_when_they_are_too_many(int groups, int lines, int leftOut)
    {
        MetricsText text = new();
        GroupMetricsText.Write(new GroupList([.. Enumerable.Range(0, groups).Select(static index => new GroupInfo
        {
            Name = $"g{index}",
            Type = "classic",
            State = "Empty",
            Protocol = "",
            Members = [],
            Partitions = [new GroupPartition("t", 0, 5, 7, 2), new GroupPartition("t", 1, 5, 6, 1), new GroupPartition("gone", 0, 5, null, null)],
        })], [4, 7]), text);
        string[] written = text.ToString().Split('\n');
        Assert.Equal(lines, written.Count(static line => line.StartsWith("sluice_kafka_group_lag{", StringComparison.Ordinal) && line.EndsWith(",topic=\"t\"} 3", StringComparison.Ordinal)));
        Assert.Contains($"sluice_kafka_group_lag_left_out {leftOut}", written);
        Assert.Contains("sluice_kafka_groups_partitions_failed 2", written);
        Assert.Contains($"sluice_kafka_groups_lag {groups * 3}", written);
        Assert.Contains($"sluice_kafka_groups{{type=\"classic\",state=\"Empty\"}} {groups}", written);
    }
}
