using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Sluice.Admin.Json;
using Sluice.Broker;
using Sluice.Security;

namespace Sluice.Admin.Http;

/// <summary>One request of a user who has logged in, and the ways to answer it.</summary>
internal sealed class AdminRequest(AdminContext context, HttpContext http, User user, IReadOnlyDictionary<string, string> values, ILogger logger)
{
    private static readonly JsonDocumentOptions BodyOptions = new() { MaxDepth = 64 };

    /// <summary>What RabbitMQ's tools put into every body, whether it means anything there or not.</summary>
    private static readonly string[] Repeatable = ["vhost", "name"];

    public AdminContext Context => context;

    public HttpContext Http => http;

    public User User => user;

    /// <summary>Sees all virtual hosts, connections and channels.</summary>
    public bool IsMonitor => user.IsAdministrator || user.HasTag(UserTags.Monitoring);

    /// <summary>A name in the path.</summary>
    public string this[string name] => values[name];

    /// <summary>Whether the path has a part of this name.</summary>
    public bool Has(string name) => values.ContainsKey(name);

    /// <summary>The virtual host that the path names. 404 if there is none, 401 if the user may not enter it.</summary>
    public VirtualHost VirtualHost()
    {
        VirtualHost host = ExistingVirtualHost(this["vhost"]);
        _ = AccessTo(host.Name);
        return host;
    }

    public VirtualHost ExistingVirtualHost(string name) =>
        context.Broker.FindVirtualHost(name) ?? throw AdminException.NotFound($"there is no virtual host '{name}'");

    public VirtualHostAccess AccessTo(string virtualHost) =>
        context.AccessControl.Enter(user.Name, virtualHost) ?? throw AdminException.NotAuthorised($"User '{user.Name}' has no permissions in virtual host '{virtualHost}'");

    /// <summary>Asks for what the same operation would need over AMQP.</summary>
    public void Require(Access access, string kind, string virtualHost, string name)
    {
        if (!AccessTo(virtualHost).Allows(access, name))
        {
            string word = access switch { Access.Configure => "configure", Access.Write => "write", _ => "read" };
            throw AdminException.NotAuthorised($"{word} access to {kind} '{(name.Length == 0 ? "amq.default" : name)}' in vhost '{virtualHost}' refused for user '{user.Name}'");
        }
    }

    /// <summary>Virtual hosts that lists show to the user.</summary>
    public IEnumerable<VirtualHost> VisibleVirtualHosts() =>
        context.Broker.ListVirtualHosts().Where(host => IsMonitor || context.AccessControl.FindPermission(user.Name, host.Name) is not null);

    /// <summary>A switch in the query (if-unused=true).</summary>
    public bool HasSwitch(string name) => http.Request.Query[name].ToString() is "true" or "1";

    /// <summary>
    /// The body as a JSON object; an empty body is an empty object. Besides the members known it may repeat names that the path has, as RabbitMQ's tools do,
    /// but not say anything else than the path.
    /// </summary>
    public async Task<JsonBody> ReadBodyAsync(params string[] known)
    {
        JsonBody body = await ParseBodyAsync().ConfigureAwait(false);
        body.AllowOnly([.. known, .. values.Keys, .. Repeatable]);
        foreach ((string name, string value) in values.Where(part => !known.Contains(part.Key) && !Repeatable.Contains(part.Key)))
        {
            if (body.OptionalText(name) is { } repeated && repeated != value)
            {
                throw AdminException.BadRequest($"'{name}' is '{repeated}' in the body and '{value}' in the path");
            }
        }

        return body;
    }

    public Task ReplyAsync<T>(T value, JsonTypeInfo<T> type)
    {
        http.Response.ContentType = "application/json";
        return JsonSerializer.SerializeAsync(http.Response.Body, value, type, http.RequestAborted);
    }

    /// <summary>Answers with a list, as the query's columns, name, sort, page… ask for it.</summary>
    public Task ReplyListAsync<T>(IEnumerable<T> items, JsonTypeInfo<T> type)
    {
        http.Response.ContentType = "application/json";
        return ListQuery.Of(http.Request.Query).WriteAsync(items, type, http.Response.BodyWriter, http.RequestAborted);
    }

    /// <summary>Tells the operator of a change that the user has made.</summary>
    /// <param name="what">As in "deleted policy 'p'".</param>
    public void LogChange(string what) => logger.LogInformation("User '{User}' {What}", user.Name, what);

    /// <summary>Tells the operator of a change that the user has made in part.</summary>
    public void LogFailure(string what) => logger.LogWarning("User '{User}' {What}", user.Name, what);

    /// <summary>Tells the operator and the user of what they may not have expected of a request that succeeds. Before the answer.</summary>
    public void Remark(string sentence)
    {
        logger.LogWarning("{Remark}", sentence);
        RemarkHeader.Add(http.Response.Headers, sentence);
    }

    /// <summary>Tells the user only.</summary>
    public void RemarkToUser(string sentence) => RemarkHeader.Add(http.Response.Headers, sentence);

    public Task NoContent()
    {
        http.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    /// <summary>201 for what is new, 204 for what was there.</summary>
    public Task Put(bool isNew)
    {
        http.Response.StatusCode = isNew ? StatusCodes.Status201Created : StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    public Task Health(bool isWell, string reason) => isWell
        ? ReplyAsync(new StatusModel("ok"), AdminJson.Default.StatusModel)
        : Unwell(reason);

    private Task Unwell(string reason)
    {
        http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        return ReplyAsync(new StatusModel("failed", reason), AdminJson.Default.StatusModel);
    }

    private async Task<JsonBody> ParseBodyAsync()
    {
        try
        {
            using MemoryStream bytes = new();
            await http.Request.Body.CopyToAsync(bytes, http.RequestAborted).ConfigureAwait(false);
            using JsonDocument document = JsonDocument.Parse(bytes.Length == 0 ? "{}"u8.ToArray() : bytes.ToArray(), BodyOptions);
            return new JsonBody(document.RootElement.Clone());
        }
        catch (JsonException error)
        {
            throw AdminException.BadRequest($"the body is not valid JSON: {error.Message}");
        }
    }
}
