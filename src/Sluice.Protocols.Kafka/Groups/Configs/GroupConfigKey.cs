using System.Collections.Frozen;
using System.Globalization;
using System.Xml;
using Sluice.Broker.Topics;

namespace Sluice.Protocols.Kafka.Groups.Configs;

/// <summary>
/// The configuration of groups under Kafka's names (https://kafka.apache.org/documentation/#groupconfigs) and with its limits. A key that would have no effect here is not among
/// them and so is refused.
/// </summary>
internal static class GroupConfigKey
{
    public const string ConsumerSessionTimeoutMs = "consumer.session.timeout.ms";
    public const string ConsumerHeartbeatIntervalMs = "consumer.heartbeat.interval.ms";
    public const string ConsumerAssignmentIntervalMs = "consumer.assignment.interval.ms";
    public const string SessionTimeoutMs = "share.session.timeout.ms";
    public const string HeartbeatIntervalMs = "share.heartbeat.interval.ms";
    public const string AssignmentIntervalMs = "share.assignment.interval.ms";
    public const string RecordLockDurationMs = "share.record.lock.duration.ms";
    public const string DeliveryCountLimit = "share.delivery.count.limit";
    public const string PartitionMaxRecordLocks = "share.partition.max.record.locks";
    public const string AutoOffsetReset = "share.auto.offset.reset";
    public const string IsolationLevel = "share.isolation.level";
    public const string RenewAcknowledgeEnable = "share.renew.acknowledge.enable";

    public const string Latest = "latest", Earliest = "earliest", ByDuration = "by_duration:";
    public const string ReadCommitted = "read_committed";

    /// <summary>Every key, by name.</summary>
    public static FrozenDictionary<string, TopicConfigKey> All { get; } = new TopicConfigKey[]
    {
        new(ConsumerSessionTimeoutMs, TopicConfigType.Int, "45000", Number(45_000, 60_000)),
        new(ConsumerHeartbeatIntervalMs, TopicConfigType.Int, "5000", Number(5000, 15_000)),
        new(ConsumerAssignmentIntervalMs, TopicConfigType.Int, "1000", Number(0, 15_000)),
        new(SessionTimeoutMs, TopicConfigType.Int, "45000", Number(45_000, 60_000)),
        new(HeartbeatIntervalMs, TopicConfigType.Int, "5000", Number(5000, 15_000)),
        new(AssignmentIntervalMs, TopicConfigType.Int, "1000", Number(0, 15_000)),
        new(RecordLockDurationMs, TopicConfigType.Int, "30000", Number(15_000, 60_000)),
        new(DeliveryCountLimit, TopicConfigType.Int, "5", Number(2, 10)),
        new(PartitionMaxRecordLocks, TopicConfigType.Int, "2000", Number(100, 4000)),
        new(AutoOffsetReset, TopicConfigType.Text, Latest, static value => value is Latest or Earliest || Duration(value) is not null ? null : "it must be latest, earliest or by_duration: and an ISO 8601 duration"),
        new(IsolationLevel, TopicConfigType.Text, "read_uncommitted", static value => value is ReadCommitted or "read_uncommitted" ? null : "it must be read_committed or read_uncommitted"),
        new(RenewAcknowledgeEnable, TopicConfigType.Boolean, "true", static value => bool.TryParse(value, out _) ? null : "it must be true or false"),
    }.ToFrozenDictionary(static key => key.Name, StringComparer.Ordinal);

    /// <summary>What is wrong with a configuration; null: nothing.</summary>
    public static string? Problem(IReadOnlyDictionary<string, string> config)
    {
        foreach ((string name, string value) in config)
        {
            if (!All.TryGetValue(name, out TopicConfigKey? key))
            {
                return $"Unknown group config name: {name}";
            }

            if (key.Problem(value) is { } problem)
            {
                return $"Invalid value {value} for configuration {name}: {problem}";
            }
        }

        return null;
    }

    /// <summary>How long before now a group is to begin; null: the value says no duration.</summary>
    public static TimeSpan? Duration(string value)
    {
        if (!value.StartsWith(ByDuration, StringComparison.Ordinal))
        {
            return null;
        }

        try
        {
            TimeSpan duration = XmlConvert.ToTimeSpan(value[ByDuration.Length..]);
            return duration >= TimeSpan.Zero ? duration : null;
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            return null;
        }
    }

    private static Func<string, string?> Number(int min, int max) => value =>
        int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && number >= min && number <= max ? null : $"it must be a whole number from {min} to {max}";
}
