using System.Globalization;

namespace Sluice.Protocols.Kafka.Groups.Configs;

/// <summary>What the configuration of a share group comes to. Times in ms.</summary>
internal sealed record ShareSettings
{
    private readonly IReadOnlyDictionary<string, string> _config;

    public ShareSettings(IReadOnlyDictionary<string, string> config)
    {
        _config = config;
        SessionTimeoutMs = Number(GroupConfigKey.SessionTimeoutMs);
        HeartbeatIntervalMs = Number(GroupConfigKey.HeartbeatIntervalMs);
        AssignmentIntervalMs = config.ContainsKey(GroupConfigKey.AssignmentIntervalMs) ? Number(GroupConfigKey.AssignmentIntervalMs) : null;
        RecordLockDurationMs = Number(GroupConfigKey.RecordLockDurationMs);
        DeliveryCountMax = Number(GroupConfigKey.DeliveryCountLimit);
        InFlightMax = Number(GroupConfigKey.PartitionMaxRecordLocks);
        OffsetReset = Text(GroupConfigKey.AutoOffsetReset);
        ReadsCommitted = Text(GroupConfigKey.IsolationLevel) == GroupConfigKey.ReadCommitted;
        MayRenew = bool.Parse(Text(GroupConfigKey.RenewAcknowledgeEnable));
    }

    /// <summary>After which a member that is not heard of is gone.</summary>
    public int SessionTimeoutMs { get; }

    public int HeartbeatIntervalMs { get; }

    /// <summary>What lies between two assignments; null: it is not configured.</summary>
    public int? AssignmentIntervalMs { get; }

    /// <summary>How long a member has a record before it is available again.</summary>
    public int RecordLockDurationMs { get; }

    /// <summary>How often a record is delivered at most.</summary>
    public int DeliveryCountMax { get; }

    /// <summary>How many records of a partition may be between the start of the group and the last one delivered.</summary>
    public int InFlightMax { get; }

    /// <summary>Where the group begins in a partition that it has not read; as configured.</summary>
    public string OffsetReset { get; }

    /// <summary>Records of transactions are delivered once they are committed, and not at all if they are rolled back.</summary>
    public bool ReadsCommitted { get; }

    /// <summary>Members may keep records for longer.</summary>
    public bool MayRenew { get; }

    private int Number(string name) => int.Parse(Text(name), CultureInfo.InvariantCulture);

    private string Text(string name) => _config.GetValueOrDefault(name, GroupConfigKey.All[name].Default);
}
