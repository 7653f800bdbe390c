using System.Globalization;
using Sluice.Admin.Http;
using Sluice.Admin.Json;

namespace Sluice.Admin.Handlers;

/// <summary>/api/health/checks: 200 when well, 503 with the reason when not.</summary>
internal static class HealthHandler
{
    public static void Map(Routes routes)
    {
        routes.Get("api/health/checks/alarms", Role.Management, Alarms);
        routes.Get("api/health/checks/local-alarms", Role.Management, Alarms);
        routes.Get("api/health/checks/virtual-hosts", Role.Management, VirtualHosts);
        routes.Get("api/health/checks/port-listener/{port}", Role.Management, Port);
        routes.Get("api/health/checks/protocol-listener/{protocol}", Role.Management, Protocol);

        // One node has no quorum to lose and no mirrors to wait for.
        routes.Get("api/health/checks/node-is-quorum-critical", Role.Management, request => request.Health(isWell: true, ""));
        routes.Get("api/health/checks/node-is-mirror-sync-critical", Role.Management, request => request.Health(isWell: true, ""));
    }

    private static Task Alarms(AdminRequest request) => request.Health(request.Context.Broker.BlockedReason is null, $"publishers are blocked: {request.Context.Broker.BlockedReason}");

    private static Task VirtualHosts(AdminRequest request) => request.Health(request.Context.Broker.Store.Failure is null, $"storage has failed: {request.Context.Broker.Store.Failure?.Message}");

    private static Task Port(AdminRequest request)
    {
        if (!int.TryParse(request["port"], NumberStyles.None, CultureInfo.InvariantCulture, out int port))
        {
            throw AdminException.BadRequest($"'{request["port"]}' is not a port number");
        }

        return request.Health(request.Context.Listeners().Any(listener => listener.Port == port), $"no active listener on port {port}");
    }

    private static Task Protocol(AdminRequest request)
    {
        string protocol = request["protocol"];
        return request.Health(request.Context.Listeners().Any(listener => Same(listener.Protocol, protocol)), $"no active listener for protocol {protocol}");
    }

    /// <summary>RabbitMQ's names and its short forms: amqp/ssl is also amqps, http/ssl also https.</summary>
    private static bool Same(string protocol, string asked) => string.Equals(Long(protocol), Long(asked), StringComparison.OrdinalIgnoreCase);

    private static string Long(string protocol) => protocol.ToLowerInvariant() switch
    {
        "amqp0.9.1" or "amqp091" => "amqp",
        "amqps" => "amqp/ssl",
        "https" => "http/ssl",
        string other => other,
    };
}
