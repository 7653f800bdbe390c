using System.Globalization;

namespace Sluice.Protocols.Kafka.Groups.Configs;

/// <summary>What the configuration of a consumer group comes to. Times in ms.</summary>
internal sealed record ConsumerSettings
{
    private readonly IReadOnlyDictionary<string, string> _config;

    public ConsumerSettings(IReadOnlyDictionary<string, string> config)
    {
        _config = config;
        SessionTimeoutMs = Number(GroupConfigKey.ConsumerSessionTimeoutMs);
        HeartbeatIntervalMs = Number(GroupConfigKey.ConsumerHeartbeatIntervalMs);
        AssignmentIntervalMs = config.ContainsKey(GroupConfigKey.ConsumerAssignmentIntervalMs) ? Number(GroupConfigKey.ConsumerAssignmentIntervalMs) : null;
    }

    /// <summary>After which a member that is not heard of is gone; members that speak the classic protocol choose their own.</summary>
    public int SessionTimeoutMs { get; }

    public int HeartbeatIntervalMs { get; }

    /// <summary>What lies between two assignments; null: it is not configured.</summary>
    public int? AssignmentIntervalMs { get; }

    private int Number(string name) => int.Parse(_config.GetValueOrDefault(name, GroupConfigKey.All[name].Default), CultureInfo.InvariantCulture);
}
