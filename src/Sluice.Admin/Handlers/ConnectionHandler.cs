using Sluice.Admin.Http;
using Sluice.Admin.Json;

namespace Sluice.Admin.Handlers;

/// <summary>/api/connections and /api/channels. Users without the monitoring tag see their own.</summary>
internal static class ConnectionHandler
{
    private const string DefaultReason = "Closed via management";

    public static void Map(Routes routes)
    {
        routes.Get("api/connections", Role.Management, request => Connections(request, Visible(request)));
        routes.Get("api/connections/{name}", Role.Management, request => request.ReplyAsync(Model(request, Find(request)), AdminJson.Default.ConnectionModel));
        routes.Delete("api/connections/{name}", Role.Management, Close);
        routes.Get("api/connections/{name}/channels", Role.Management, request => Channels(request, [Find(request)]));
        routes.Get("api/vhosts/{vhost}/connections", Role.Management, request => Connections(request, InVirtualHost(request)));
        routes.Get("api/vhosts/{vhost}/channels", Role.Management, request => Channels(request, InVirtualHost(request)));
        routes.Get("api/channels", Role.Management, request => Channels(request, Visible(request)));
        routes.Get("api/channels/{name}", Role.Management, OneChannel);
    }

    public static IReadOnlyList<ConnectionInfo> Visible(AdminRequest request) =>
        [.. request.Context.Connections.List().Where(connection => request.IsMonitor || connection.User == request.User.Name).OrderBy(connection => connection.Name, StringComparer.Ordinal)];

    /// <summary>How many there are of each protocol.</summary>
    public static Dictionary<string, int> CountByProtocol(AdminRequest request, IReadOnlyList<ConnectionInfo> connections) =>
        request.Context.Connections.Protocols.ToDictionary(protocol => protocol, protocol => connections.Count(connection => connection.Protocol == protocol), StringComparer.Ordinal);

    private static IEnumerable<ConnectionInfo> InVirtualHost(AdminRequest request)
    {
        string name = request.VirtualHost().Name;
        return Visible(request).Where(connection => connection.VirtualHost == name);
    }

    private static Task Connections(AdminRequest request, IEnumerable<ConnectionInfo> connections) =>
        request.ReplyListAsync(connections.Select(connection => Model(request, connection)), AdminJson.Default.ConnectionModel);

    private static Task Channels(AdminRequest request, IEnumerable<ConnectionInfo> connections) =>
        request.ReplyListAsync(connections.SelectMany(connection => connection.Channels.Select(channel => Model(request, connection, channel))), AdminJson.Default.ChannelModel);

    private static Task OneChannel(AdminRequest request)
    {
        ChannelModel? found = Visible(request).SelectMany(connection => connection.Channels.Select(channel => Model(request, connection, channel))).FirstOrDefault(channel => channel.Name == request["name"]);
        return request.ReplyAsync(found ?? throw AdminException.NotFound($"there is no channel '{request["name"]}'"), AdminJson.Default.ChannelModel);
    }

    private static Task Close(AdminRequest request)
    {
        ConnectionInfo connection = Find(request);
        string reason = request.Http.Request.Headers["X-Reason"].ToString() is { Length: > 0 } given ? given : DefaultReason;
        return request.Context.Connections.Close(connection.Name, reason) ? request.NoContent() : throw None(request);
    }

    private static ConnectionInfo Find(AdminRequest request) => Visible(request).FirstOrDefault(connection => connection.Name == request["name"]) ?? throw None(request);

    private static AdminException None(AdminRequest request) => AdminException.NotFound($"there is no connection '{request["name"]}'");

    private static ConnectionModel Model(AdminRequest request, ConnectionInfo connection) => new(
        connection.Name,
        request.Context.NodeName,
        connection.User,
        connection.VirtualHost,
        connection.Protocol,
        connection.State,
        connection.PeerHost,
        connection.PeerPort,
        connection.IsTls,
        connection.Channels.Count,
        connection.FrameMax,
        connection.HeartbeatSeconds,
        connection.ConnectedAt.ToUnixTimeMilliseconds(),
        connection.ClientName,
        connection.SoftwareName,
        connection.SoftwareVersion,
        connection.Mechanism,
        connection.ClientProperties);

    private static ChannelModel Model(AdminRequest request, ConnectionInfo connection, ChannelInfo channel) => new(
        $"{connection.Name} ({channel.Number})",
        channel.Number,
        request.Context.NodeName,
        connection.User,
        connection.VirtualHost,
        channel.IsConfirming,
        channel.IsTransactional,
        channel.ConsumerCount,
        channel.UnacknowledgedCount,
        channel.UnconfirmedCount,
        channel.PrefetchCount,
        channel.GlobalPrefetchCount,
        new ConnectionReference(connection.Name, connection.PeerHost, connection.PeerPort));
}
