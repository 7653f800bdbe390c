using Sluice.Admin.Http;
using Sluice.Admin.Json;

namespace Sluice.Admin.Handlers;

/// <summary>/api/client-metrics: what Kafka clients tell of themselves (KIP-714). RabbitMQ has no such thing.</summary>
internal static class ClientMetricsHandler
{
    public static void Map(Routes routes)
    {
        routes.Get("api/client-metrics", Role.Monitoring, request => request.ReplyListAsync(
            request.Context.ClientMetrics().OrderBy(static client => client.InstanceId, StringComparer.Ordinal).Select(static client => Model(client, withValues: false)), AdminJson.Default.ClientMetricsModel));
        routes.Get("api/client-metrics/{name}", Role.Monitoring, request => request.ReplyAsync(Model(Find(request), withValues: true), AdminJson.Default.ClientMetricsModel));
    }

    private static ClientMetricsInfo Find(AdminRequest request) =>
        request.Context.ClientMetrics().FirstOrDefault(client => client.InstanceId == request["name"]) ?? throw AdminException.NotFound($"there is no client instance '{request["name"]}'");

    private static ClientMetricsModel Model(ClientMetricsInfo client, bool withValues) => new(
        client.InstanceId,
        client.ClientId,
        client.SoftwareName,
        client.SoftwareVersion,
        client.PeerHost,
        client.PeerPort,
        client.PushIntervalMs,
        client.Requested,
        client.ReceivedAt?.ToUnixTimeMilliseconds(),
        client.IsTerminating,
        client.Values.Count,
        client.LeftOff,
        withValues ? [.. client.Values.Select(static value => new ClientMetricModel(value.Name, value.IsTotal ? "total" : "gauge", value.Attributes.DistinctBy(static attribute => attribute.Key).ToDictionary(), value.Value))] : null);
}
