using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Broker;
using Sluice.Broker.Queues;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>/api/vhosts.</summary>
internal static class VirtualHostHandler
{
    public static void Map(Routes routes)
    {
        routes.Get("api/vhosts", Role.Management, request => request.ReplyListAsync(request.VisibleVirtualHosts().Select(Model), AdminJson.Default.VirtualHostModel));
        routes.Get("api/vhosts/{vhost}", Role.Management, One);
        routes.Put("api/vhosts/{vhost}", Role.Administrator, Put);
        routes.Delete("api/vhosts/{vhost}", Role.Administrator, Delete);
        routes.Get("api/vhosts/{vhost}/permissions", Role.Administrator, Permissions);
        routes.Get("api/vhosts/{vhost}/topic-permissions", Role.Administrator, TopicPermissions);
    }

    /// <summary>Ready and unacknowledged messages, queues and consumers of a virtual host; the broker's own topics have no part in them.</summary>
    public static (long Ready, long Unacknowledged, int Queues, int Consumers) Totals(VirtualHost host)
    {
        long ready = 0;
        long unacknowledged = 0;
        int consumers = 0;
        MessageQueue[] queues = [.. host.ListQueues().Where(static queue => !queue.IsInternal)];
        foreach (MessageQueue queue in queues)
        {
            ready += queue.ReadyCount;
            unacknowledged += queue.UnsettledCount;
            consumers += queue.ConsumerCount;
        }

        return (ready, unacknowledged, queues.Length, consumers);
    }

    private static VirtualHostModel Model(VirtualHost host)
    {
        (long ready, long unacknowledged, _, _) = Totals(host);
        return new VirtualHostModel(host.Name, Tracing: false, ready + unacknowledged, ready, unacknowledged);
    }

    private static Task One(AdminRequest request)
    {
        VirtualHost host = request.ExistingVirtualHost(request["vhost"]);
        if (!request.IsMonitor)
        {
            _ = request.AccessTo(host.Name);
        }

        return request.ReplyAsync(Model(host), AdminJson.Default.VirtualHostModel);
    }

    /// <summary>The creator gets all permissions in it, as RabbitMQ's tools expect.</summary>
    private static async Task Put(AdminRequest request)
    {
        string name = request["vhost"];
        JsonBody body = await request.ReadBodyAsync("tracing", "description", "tags").ConfigureAwait(false);
        if (body.Flag("tracing"))
        {
            throw AdminException.BadRequest("tracing is not supported");
        }

        bool isNew = request.Context.Broker.FindVirtualHost(name) is null;
        AdminException.ValueOf(await request.Context.Broker.CreateVirtualHostAsync(name, request.User.Name).ConfigureAwait(false));
        if (isNew)
        {
            await request.Context.AccessControl.PutPermissionAsync(new Permission(request.User.Name, name, ".*", ".*", ".*"), request.User.Name).ConfigureAwait(false);
        }

        await request.Put(isNew).ConfigureAwait(false);
    }

    private static async Task Delete(AdminRequest request)
    {
        string name = request["vhost"];
        AdminException.ThrowIfFailed(await request.Context.Broker.DeleteVirtualHostAsync(name, request.User.Name).ConfigureAwait(false));
        await request.Context.AccessControl.DeleteVirtualHostAsync(name).ConfigureAwait(false);
        foreach (ConnectionInfo connection in request.Context.Connections.List().Where(connection => connection.VirtualHost == name))
        {
            request.Context.Connections.Close(connection.Name, $"vhost '{name}' is deleted");
        }

        await request.NoContent().ConfigureAwait(false);
    }

    private static Task Permissions(AdminRequest request)
    {
        string name = request.ExistingVirtualHost(request["vhost"]).Name;
        return request.ReplyListAsync(request.Context.AccessControl.Permissions.Where(permission => permission.VirtualHost == name).Select(PermissionHandler.Model), AdminJson.Default.PermissionModel);
    }

    private static Task TopicPermissions(AdminRequest request)
    {
        string name = request.ExistingVirtualHost(request["vhost"]).Name;
        return request.ReplyListAsync(request.Context.AccessControl.TopicPermissions.Where(permission => permission.VirtualHost == name).Select(PermissionHandler.Model), AdminJson.Default.TopicPermissionModel);
    }
}
