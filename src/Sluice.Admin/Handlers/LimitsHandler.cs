using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>/api/vhost-limits and /api/user-limits.</summary>
internal static class LimitsHandler
{
    private const string Connections = "max-connections";
    private const string Queues = "max-queues";
    private const string Channels = "max-channels";

    public static void Map(Routes routes)
    {
        routes.Get("api/vhost-limits", Role.Management, OfVirtualHosts);
        routes.Get("api/vhost-limits/{vhost}", Role.Management, OfVirtualHost);
        routes.Put("api/vhost-limits/{vhost}/{name}", Role.Administrator, PutVirtualHost);
        routes.Delete("api/vhost-limits/{vhost}/{name}", Role.Administrator, request => SetVirtualHostAsync(request, null));
        routes.Get("api/user-limits", Role.Administrator, request => request.ReplyListAsync(UserHandler.Sorted(request).Where(user => user.Limits != default).Select(Model), AdminJson.Default.LimitsModel));
        routes.Get("api/user-limits/{user}", Role.Administrator, OfUser);
        routes.Put("api/user-limits/{user}/{name}", Role.Administrator, PutUser);
        routes.Delete("api/user-limits/{user}/{name}", Role.Administrator, request => SetUserAsync(request, null));
    }

    public static Dictionary<string, int> Values(VirtualHostLimits limits)
    {
        Dictionary<string, int> values = [];
        if (limits.ConnectionsMax is { } connections)
        {
            values[Connections] = connections;
        }

        if (limits.QueuesMax is { } queues)
        {
            values[Queues] = queues;
        }

        return values;
    }

    /// <summary>The limits with one of them set; null or below zero lifts it.</summary>
    public static VirtualHostLimits With(VirtualHostLimits limits, string name, int? value) => name switch
    {
        Connections => limits with { ConnectionsMax = value is < 0 ? null : value },
        Queues => limits with { QueuesMax = value is < 0 ? null : value },
        _ => throw AdminException.BadRequest($"there is no limit '{name}'; there are {Connections} and {Queues}"),
    };

    private static UserLimits With(UserLimits limits, string name, int? value) => name switch
    {
        Connections => limits with { ConnectionsMax = value is < 0 ? null : value },
        Channels => limits with { ChannelsMax = value is < 0 ? null : value },
        _ => throw AdminException.BadRequest($"there is no limit '{name}'; there are {Connections} and {Channels}"),
    };

    private static Task OfVirtualHosts(AdminRequest request)
    {
        HashSet<string> visible = [.. request.VisibleVirtualHosts().Select(host => host.Name)];
        return request.ReplyListAsync(
            request.Context.AccessControl.VirtualHostLimits.Where(entry => visible.Contains(entry.Key)).Select(entry => new LimitsModel(entry.Key, null, Values(entry.Value))), AdminJson.Default.LimitsModel);
    }

    private static Task OfVirtualHost(AdminRequest request)
    {
        string name = request.VirtualHost().Name;
        VirtualHostLimits limits = request.Context.AccessControl.LimitsOf(name);
        LimitsModel[] models = limits == default ? [] : [new LimitsModel(name, null, Values(limits))];
        return request.ReplyListAsync(models, AdminJson.Default.LimitsModel);
    }

    private static async Task PutVirtualHost(AdminRequest request)
    {
        JsonBody body = await request.ReadBodyAsync("value").ConfigureAwait(false);
        await SetVirtualHostAsync(request, body.Number("value")).ConfigureAwait(false);
    }

    private static async Task SetVirtualHostAsync(AdminRequest request, int? value)
    {
        string host = request.ExistingVirtualHost(request["vhost"]).Name;
        await request.Context.AccessControl.ChangeVirtualHostLimitsAsync(host, limits => With(limits, request["name"], value), request.User.Name).ConfigureAwait(false);
        await request.NoContent().ConfigureAwait(false);
    }

    private static Task OfUser(AdminRequest request)
    {
        User user = Find(request);
        LimitsModel[] models = user.Limits == default ? [] : [Model(user)];
        return request.ReplyListAsync(models, AdminJson.Default.LimitsModel);
    }

    private static async Task PutUser(AdminRequest request)
    {
        JsonBody body = await request.ReadBodyAsync("value").ConfigureAwait(false);
        await SetUserAsync(request, body.Number("value")).ConfigureAwait(false);
    }

    private static async Task SetUserAsync(AdminRequest request, int? value)
    {
        string name = Find(request).Name;
        await request.Context.AccessControl.ChangeUserAsync(name, user => (user ?? throw None(request)) with { Limits = With(user.Limits, request["name"], value) }, request.User.Name).ConfigureAwait(false);
        await request.NoContent().ConfigureAwait(false);
    }

    private static User Find(AdminRequest request) => request.Context.AccessControl.FindUser(request["user"]) ?? throw None(request);

    private static AdminException None(AdminRequest request) => AdminException.NotFound($"there is no user '{request["user"]}'");

    private static LimitsModel Model(User user) => new(null, user.Name, UserHandler.Limits(user));
}
