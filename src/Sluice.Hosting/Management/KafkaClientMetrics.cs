using Sluice.Admin;
using Sluice.Protocols.Kafka.Telemetry;

namespace Sluice.Hosting.Management;

/// <summary>Shows the management API what Kafka clients tell of themselves.</summary>
internal static class KafkaClientMetrics
{
    public static IReadOnlyList<ClientMetricsInfo> List(ClientTelemetry telemetry) => [.. telemetry.List().Select(Describe)];

    private static ClientMetricsInfo Describe(ClientMetrics client) => new()
    {
        InstanceId = client.InstanceId,
        ClientId = client.ClientId,
        SoftwareName = client.SoftwareName,
        SoftwareVersion = client.SoftwareVersion,
        PeerHost = client.Address,
        PeerPort = client.Port,
        PushIntervalMs = client.IntervalMs,
        Requested = client.Requested,
        ReceivedAt = client.ReceivedAt,
        IsTerminating = client.IsTerminating,
        Values = [.. client.Values.Select(static value => new ClientMetricInfo(value.Name, value.Attributes, value.IsTotal, value.Value))],
        LeftOff = client.LeftOff,
    };
}
