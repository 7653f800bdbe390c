using System.Diagnostics;
using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Broker;

namespace Sluice.Admin.Handlers;

/// <summary>/api/overview, whoami, cluster-name, nodes, extensions.</summary>
internal static class OverviewHandler
{
    /// <summary>The version of RabbitMQ's API that the answers are shaped after, for tools that look at it.</summary>
    private const string ApiVersion = "3.10.8";

    private static readonly string[] ExchangeTypes = ["direct", "fanout", "headers", "topic", "x-consistent-hash", "x-delayed-message"];

    public static void Map(Routes routes)
    {
        routes.Get("api/overview", Role.Management, Overview);
        routes.Get("api/whoami", Role.Management, request => request.ReplyAsync(new WhoAmIModel(request.User.Name, request.User.Tags), AdminJson.Default.WhoAmIModel));
        routes.Get("api/cluster-name", Role.Management, request => request.ReplyAsync(new ClusterNameModel(request.Context.NodeName), AdminJson.Default.ClusterNameModel));
        routes.Get("api/nodes", Role.Monitoring, request => request.ReplyListAsync([Node(request.Context)], AdminJson.Default.NodeModel));
        routes.Get("api/nodes/{node}", Role.Monitoring, OneNode);
        routes.Get("api/extensions", Role.Management, request => request.ReplyListAsync([], AdminJson.Default.StatusModel));
    }

    private static Task Overview(AdminRequest request)
    {
        AdminContext context = request.Context;
        long ready = 0;
        long unacknowledged = 0;
        int queues = 0;
        int consumers = 0;
        int exchanges = 0;
        int topics = 0;
        int partitions = 0;
        foreach (VirtualHost host in request.VisibleVirtualHosts())
        {
            (long hostReady, long hostUnacknowledged, int hostQueues, int hostConsumers) = VirtualHostHandler.Totals(host);
            ready += hostReady;
            unacknowledged += hostUnacknowledged;
            queues += hostQueues;
            consumers += hostConsumers;
            exchanges += host.ListExchanges().Count;
            (int hostTopics, int hostPartitions) = TopicHandler.Totals(host);
            topics += hostTopics;
            partitions += hostPartitions;
        }

        IReadOnlyList<ConnectionInfo> connections = ConnectionHandler.Visible(request);
        return request.ReplyAsync(
            new OverviewModel(
                ApiVersion,
                "none",
                "Sluice",
                context.Version,
                ApiVersion,
                context.NodeName,
                context.NodeName,
                new QueueTotals(ready + unacknowledged, ready, unacknowledged),
                new ObjectTotals(connections.Sum(connection => connection.Channels.Count), connections.Count, ConnectionHandler.CountByProtocol(request, connections), consumers, exchanges, queues, topics, partitions),
                [.. context.Listeners().Select(listener => new ListenerModel(context.NodeName, listener.Protocol, listener.Address, listener.Port))],
                [.. ExchangeTypes.Select(type => new ExchangeTypeModel(type))]),
            AdminJson.Default.OverviewModel);
    }

    private static Task OneNode(AdminRequest request) => request["node"] == request.Context.NodeName
        ? request.ReplyAsync(Node(request.Context), AdminJson.Default.NodeModel)
        : throw AdminException.NotFound($"there is no node '{request["node"]}'");

    private static NodeModel Node(AdminContext context)
    {
        string? blocked = context.Broker.BlockedReason;
        using Process process = Process.GetCurrentProcess();
        return new NodeModel(
            context.NodeName,
            "disc",
            Running: true,
            Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture),
            (long)(context.Clock.GetUtcNow() - context.StartedAt).TotalMilliseconds,
            Environment.ProcessorCount,
            process.WorkingSet64,
            context.Broker.Store.FreeDiskBytes,
            MemAlarm: blocked?.Contains("memory", StringComparison.OrdinalIgnoreCase) ?? false,
            DiskFreeAlarm: blocked?.Contains("disk", StringComparison.OrdinalIgnoreCase) ?? false,
            blocked is null ? [] : [blocked]);
    }
}
