using System.Text.Json;
using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Base.Changes;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>/api/users.</summary>
internal static class UserHandler
{
    /// <summary>What a hash of Sluice's own is called where RabbitMQ names its algorithms.</summary>
    private const string OwnAlgorithm = "sluice_password_hashing_pbkdf2";

    public static void Map(Routes routes)
    {
        routes.Get("api/users", Role.Administrator, request => request.ReplyListAsync(Sorted(request).Select(Model), AdminJson.Default.UserModel));
        routes.Get("api/users/{user}", Role.Administrator, request => request.ReplyAsync(Model(Find(request)), AdminJson.Default.UserModel));
        routes.Put("api/users/{user}", Role.Administrator, Put);
        routes.Delete("api/users/{user}", Role.Administrator, Delete);
        routes.Get("api/users/{user}/permissions", Role.Administrator, Permissions);
        routes.Get("api/users/{user}/topic-permissions", Role.Administrator, TopicPermissions);
    }

    /// <summary>The hash as definition files carry it.</summary>
    public static (string Hash, string Algorithm) Export(PasswordHash? password)
    {
        if (password is null)
        {
            return ("", OwnAlgorithm);
        }

        string[] parts = password.Encode().Split('$');
        string Joined() => Convert.ToBase64String([.. Convert.FromBase64String(parts[1]), .. Convert.FromBase64String(parts[2])]);
        return password.Algorithm switch
        {
            PasswordAlgorithm.RabbitSha256 => (Joined(), "rabbit_password_hashing_sha256"),
            PasswordAlgorithm.RabbitSha512 => (Joined(), "rabbit_password_hashing_sha512"),
            _ => (password.Encode(), OwnAlgorithm),
        };
    }

    /// <summary>The user that a request or definition describes: password, password_hash with hashing_algorithm, tags, limits.</summary>
    public static User Read(AccessControl accessControl, string name, JsonBody body)
    {
        JsonBody limits = body.Find("limits") is { } given ? new JsonBody(given).AllowOnly("max-connections", "max-channels") : new JsonBody(JsonElement.Parse("{}"));
        var user = new User(name, null, ReadTags(body), new UserLimits(Limit(limits, "max-connections"), Limit(limits, "max-channels")));
        return body.OptionalText("password") is { Length: > 0 } password ? accessControl.WithPassword(user, password) : user with { Password = ReadHash(body) };
    }

    public static Dictionary<string, int> Limits(User user)
    {
        Dictionary<string, int> limits = [];
        if (user.Limits.ConnectionsMax is { } connections)
        {
            limits["max-connections"] = connections;
        }

        if (user.Limits.ChannelsMax is { } channels)
        {
            limits["max-channels"] = channels;
        }

        return limits;
    }

    public static IEnumerable<User> Sorted(AdminRequest request) => request.Context.AccessControl.Users.OrderBy(user => user.Name, StringComparer.Ordinal);

    private static UserModel Model(User user)
    {
        (string hash, string algorithm) = Export(user.Password);
        return new UserModel(user.Name, hash, algorithm, user.Tags, Limits(user), ScramDefinitions.Mechanisms(user));
    }

    private static User Find(AdminRequest request) =>
        request.Context.AccessControl.FindUser(request["user"]) ?? throw AdminException.NotFound($"there is no user '{request["user"]}'");

    private static async Task Put(AdminRequest request)
    {
        string name = request["user"];
        JsonBody body = await request.ReadBodyAsync("password", "password_hash", "hashing_algorithm", "tags", "limits").ConfigureAwait(false);
        if (!body.Has("tags"))
        {
            throw AdminException.BadRequest("'tags' is missing: give an empty string for a user without management rights");
        }

        User user = Read(request.Context.AccessControl, name, body);
        if (!user.HasTag(UserTags.Administrator))
        {
            KeepAnAdministrator(request, name);
        }

        PutOutcome outcome = await request.Context.AccessControl.PutUserAsync(user, request.User.Name, keepsLimits: !body.Has("limits")).ConfigureAwait(false);
        await request.Put(outcome == PutOutcome.Created).ConfigureAwait(false);
    }

    private static async Task Delete(AdminRequest request)
    {
        KeepAnAdministrator(request, request["user"]);
        if (!await request.Context.AccessControl.DeleteUserAsync(request["user"], request.User.Name).ConfigureAwait(false))
        {
            throw AdminException.NotFound($"there is no user '{request["user"]}'");
        }

        if (request["user"] == request.Context.KafkaAnonymousUser)
        {
            request.Remark($"Kafka clients that do not log in are user '{request["user"]}' (setting Kafka:AnonymousUser), who is deleted: they are refused from now on. Let them log in, or name another user there.");
        }

        foreach (ConnectionInfo connection in request.Context.Connections.List().Where(connection => connection.User == request["user"]))
        {
            request.Context.Connections.Close(connection.Name, $"user '{request["user"]}' is deleted");
        }

        await request.NoContent().ConfigureAwait(false);
    }

    /// <summary>Without any administrator nobody could make one again: the broker has no other way in.</summary>
    private static void KeepAnAdministrator(AdminRequest request, string leaving)
    {
        if (request.Context.AccessControl.FindUser(leaving)?.HasTag(UserTags.Administrator) == true
            && !request.Context.AccessControl.Users.Any(user => user.Name != leaving && user.HasTag(UserTags.Administrator)))
        {
            throw AdminException.BadRequest($"user '{leaving}' is the last administrator: give another user the tag administrator first");
        }
    }

    private static Task Permissions(AdminRequest request)
    {
        string name = Find(request).Name;
        return request.ReplyListAsync(request.Context.AccessControl.Permissions.Where(permission => permission.User == name).Select(PermissionHandler.Model), AdminJson.Default.PermissionModel);
    }

    private static Task TopicPermissions(AdminRequest request)
    {
        string name = Find(request).Name;
        return request.ReplyListAsync(request.Context.AccessControl.TopicPermissions.Where(permission => permission.User == name).Select(PermissionHandler.Model), AdminJson.Default.TopicPermissionModel);
    }

    private static PasswordHash? ReadHash(JsonBody body)
    {
        if (body.OptionalText("password_hash") is not { Length: > 0 } hash)
        {
            return null;
        }

        try
        {
            return body.OptionalText("hashing_algorithm") == OwnAlgorithm ? PasswordHash.Parse(hash) : PasswordHash.ImportRabbit(hash, body.OptionalText("hashing_algorithm"));
        }
        catch (FormatException error)
        {
            throw AdminException.BadRequest(error.Message);
        }
    }

    /// <summary>A comma-separated string or an array.</summary>
    private static string[] ReadTags(JsonBody body) => body.Find("tags") switch
    {
        null => [],
        { ValueKind: JsonValueKind.String } text => text.GetString()!.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
        { ValueKind: JsonValueKind.Array } list when list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) => [.. list.EnumerateArray().Select(item => item.GetString()!)],
        _ => throw AdminException.BadRequest("'tags' must be a string of comma-separated tags or an array of strings"),
    };

    private static int? Limit(JsonBody limits, string name) => limits.Has(name) && limits.Number(name) is var value && value >= 0 ? value : null;
}
