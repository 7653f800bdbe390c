using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Base.Changes;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>/api/permissions and /api/topic-permissions.</summary>
internal static class PermissionHandler
{
    public static void Map(Routes routes)
    {
        routes.Get("api/permissions", Role.Administrator, request => request.ReplyListAsync(request.Context.AccessControl.Permissions.Select(Model), AdminJson.Default.PermissionModel));
        routes.Get("api/permissions/{vhost}/{user}", Role.Administrator, One);
        routes.Put("api/permissions/{vhost}/{user}", Role.Administrator, Put);
        routes.Delete("api/permissions/{vhost}/{user}", Role.Administrator, Delete);
        routes.Get("api/topic-permissions", Role.Administrator, request => request.ReplyListAsync(request.Context.AccessControl.TopicPermissions.Select(Model), AdminJson.Default.TopicPermissionModel));
        routes.Get("api/topic-permissions/{vhost}/{user}", Role.Administrator, Topics);
        routes.Put("api/topic-permissions/{vhost}/{user}", Role.Administrator, PutTopic);
        routes.Delete("api/topic-permissions/{vhost}/{user}", Role.Administrator, DeleteTopics);
    }

    public static PermissionModel Model(Permission permission) => new(permission.User, permission.VirtualHost, permission.Configure, permission.Write, permission.Read);

    public static TopicPermissionModel Model(TopicPermission permission) => new(permission.User, permission.VirtualHost, permission.Exchange, permission.Write, permission.Read);

    /// <summary>Sets a permission; a wrong pattern or an unknown user is a bad request.</summary>
    public static async Task<PutOutcome> SetAsync(AdminRequest request, Permission permission)
    {
        _ = request.ExistingVirtualHost(permission.VirtualHost);
        try
        {
            return await request.Context.AccessControl.PutPermissionAsync(permission, request.User.Name).ConfigureAwait(false);
        }
        catch (ArgumentException error)
        {
            throw AdminException.BadRequest(WithoutParameter(error));
        }
    }

    public static async Task<PutOutcome> SetAsync(AdminRequest request, TopicPermission permission)
    {
        _ = request.ExistingVirtualHost(permission.VirtualHost);
        try
        {
            return await request.Context.AccessControl.PutTopicPermissionAsync(permission, request.User.Name).ConfigureAwait(false);
        }
        catch (ArgumentException error)
        {
            throw AdminException.BadRequest(WithoutParameter(error));
        }
    }

    /// <summary>The message without the name of a parameter of ours behind it.</summary>
    private static string WithoutParameter(ArgumentException error) =>
        error.ParamName is { } name ? error.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : error.Message;

    private static Task One(AdminRequest request) => request.ReplyAsync(
        Model(request.Context.AccessControl.FindPermission(request["user"], request["vhost"]) ?? throw None(request)), AdminJson.Default.PermissionModel);

    private static async Task Put(AdminRequest request)
    {
        JsonBody body = await request.ReadBodyAsync("configure", "write", "read").ConfigureAwait(false);
        PutOutcome outcome = await SetAsync(request, new Permission(request["user"], request["vhost"], body.Text("configure"), body.Text("write"), body.Text("read"))).ConfigureAwait(false);
        await request.Put(outcome == PutOutcome.Created).ConfigureAwait(false);
    }

    private static async Task Delete(AdminRequest request)
    {
        if (!await request.Context.AccessControl.DeletePermissionAsync(request["user"], request["vhost"], request.User.Name).ConfigureAwait(false))
        {
            throw None(request);
        }

        if (request["user"] == request.Context.KafkaAnonymousUser && request["vhost"] == request.Context.Groups?.VirtualHost
            && request.Context.AccessControl.FindUser(request["user"])?.IsAdministrator == false)
        {
            request.Remark($"Kafka clients that do not log in are user '{request["user"]}' (setting Kafka:AnonymousUser): from now on they may only do what entries of the access list allow.");
        }

        await request.NoContent().ConfigureAwait(false);
    }

    private static Task Topics(AdminRequest request)
    {
        TopicPermissionModel[] found = [.. OfPath(request).Select(Model)];
        return found.Length > 0 ? request.ReplyListAsync(found, AdminJson.Default.TopicPermissionModel) : throw None(request);
    }

    private static async Task PutTopic(AdminRequest request)
    {
        JsonBody body = await request.ReadBodyAsync("exchange", "write", "read").ConfigureAwait(false);
        PutOutcome outcome = await SetAsync(request, new TopicPermission(request["user"], request["vhost"], body.Text("exchange"), body.Text("write"), body.Text("read"))).ConfigureAwait(false);
        await request.Put(outcome == PutOutcome.Created).ConfigureAwait(false);
    }

    private static async Task DeleteTopics(AdminRequest request)
    {
        if (!await request.Context.AccessControl.DeleteTopicPermissionsAsync(request["user"], request["vhost"], exchange: null, request.User.Name).ConfigureAwait(false))
        {
            throw None(request);
        }

        await request.NoContent().ConfigureAwait(false);
    }

    private static IEnumerable<TopicPermission> OfPath(AdminRequest request) =>
        request.Context.AccessControl.TopicPermissions.Where(permission => permission.User == request["user"] && permission.VirtualHost == request["vhost"]);

    private static AdminException None(AdminRequest request) => AdminException.NotFound($"user '{request["user"]}' has no such permission in virtual host '{request["vhost"]}'");
}
