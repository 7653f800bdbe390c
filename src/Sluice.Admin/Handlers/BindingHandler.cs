using System.Security.Cryptography;
using System.Text.Json;
using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>/api/bindings and the bindings of queues and exchanges. Every queue and topic is bound to the default exchange by its name; those bindings are shown, and cannot be changed.</summary>
internal static class BindingHandler
{
    private const string QueuePath = "api/bindings/{vhost}/e/{source}/q/{queue}";
    private const string ExchangePath = "api/bindings/{vhost}/e/{source}/e/{exchange}";

    public static void Map(Routes routes)
    {
        routes.Get("api/bindings", Role.Management, request => request.ReplyListAsync(request.VisibleVirtualHosts().SelectMany(Of), AdminJson.Default.BindingModel));
        routes.Get("api/bindings/{vhost}", Role.Management, request => request.ReplyListAsync(Of(request.VirtualHost()), AdminJson.Default.BindingModel));
        routes.Get("api/queues/{vhost}/{queue}/bindings", Role.Management, OfQueue);
        routes.Get("api/exchanges/{vhost}/{exchange}/bindings/source", Role.Management, BySource);
        routes.Get("api/exchanges/{vhost}/{exchange}/bindings/destination", Role.Management, ByDestination);
        routes.Get(QueuePath, Role.Management, Between);
        routes.Post(QueuePath, Role.Management, Post);
        routes.Get(QueuePath + "/{key}", Role.Management, One);
        routes.Delete(QueuePath + "/{key}", Role.Management, Delete);
        routes.Get(ExchangePath, Role.Management, Between);
        routes.Post(ExchangePath, Role.Management, Post);
        routes.Get(ExchangePath + "/{key}", Role.Management, One);
        routes.Delete(ExchangePath + "/{key}", Role.Management, Delete);
    }

    private static IEnumerable<BindingModel> Of(VirtualHost host) =>
        host.ListQueues().Where(static queue => !queue.IsInternal).Select(queue => queue.Name).Union(host.ListTopics().Where(topic => !topic.Definition.IsInternal).Select(topic => topic.Name))
            .Select(name => Model("", host, DestinationKind.Queue, name, name, Arguments.Empty))
            .Concat(host.ListBindings().Select(entry => Model(
                entry.Source, host, entry.Binding.Destination is MessageQueue ? DestinationKind.Queue : DestinationKind.Exchange, entry.Binding.Destination.Name, entry.Binding.RoutingKey, entry.Binding.Arguments)));

    private static Task OfQueue(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        MessageQueue queue = QueueHandler.Find(request, host);
        return request.ReplyListAsync(Of(host).Where(binding => binding.DestinationType == "queue" && binding.Destination == queue.Name), AdminJson.Default.BindingModel);
    }

    private static Task BySource(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        string name = AdminException.ValueOf(host.FindExchange(ExchangeHandler.NameIn(request))).Name;
        return request.ReplyListAsync(Of(host).Where(binding => binding.Source == name), AdminJson.Default.BindingModel);
    }

    private static Task ByDestination(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        string name = AdminException.ValueOf(host.FindExchange(ExchangeHandler.NameIn(request))).Name;
        return request.ReplyListAsync(Of(host).Where(binding => binding.DestinationType == "exchange" && binding.Destination == name), AdminJson.Default.BindingModel);
    }

    private static Task Between(AdminRequest request) => request.ReplyListAsync(Between(request, request.VirtualHost()), AdminJson.Default.BindingModel);

    private static Task One(AdminRequest request) => request.ReplyAsync(Find(request, request.VirtualHost()), AdminJson.Default.BindingModel);

    private static async Task Post(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        JsonBody body = await request.ReadBodyAsync("source", "destination", "destination_type", "routing_key", "arguments", "properties_key").ConfigureAwait(false);
        (string source, DestinationKind kind, string destination) = Ends(request, host);
        string key = body.OptionalText("routing_key") ?? "";
        Arguments arguments = body.Arguments("arguments");
        RequireToBind(request, host, source, kind, destination, key);
        AdminException.ThrowIfFailed(await host.BindAsync(source, kind, destination, key, arguments, owner: null).ConfigureAwait(false));
        request.Http.Response.StatusCode = 201;
        request.Http.Response.Headers.Location = PropertiesKey(key, arguments);
    }

    private static async Task Delete(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        BindingModel binding = Find(request, host);
        (string source, DestinationKind kind, string destination) = Ends(request, host);
        RequireToBind(request, host, source, kind, destination, binding.RoutingKey);
        AdminException.ThrowIfFailed(await host.UnbindAsync(source, kind, destination, binding.RoutingKey, binding.Arguments, owner: null).ConfigureAwait(false));
        await request.NoContent().ConfigureAwait(false);
    }

    private static void RequireToBind(AdminRequest request, VirtualHost host, string source, DestinationKind kind, string destination, string routingKey)
    {
        if (source.Length == 0 || (kind == DestinationKind.Exchange && destination.Length == 0))
        {
            throw AdminException.NotAuthorised("operation not permitted on the default exchange");
        }

        request.Require(Access.Write, kind == DestinationKind.Queue ? "queue" : "exchange", host.Name, destination);
        request.Require(Access.Read, "exchange", host.Name, source);
        if (host.FindExchange(source) is { IsOk: true, Value.Type: "topic" } && !request.AccessTo(host.Name).AllowsTopic(Access.Read, source, routingKey))
        {
            throw AdminException.NotAuthorised($"read access to topic '{routingKey}' in exchange '{source}' in vhost '{host.Name}' refused for user '{request.User.Name}'");
        }
    }

    private static (string Source, DestinationKind Kind, string Destination) Ends(AdminRequest request, VirtualHost host)
    {
        string source = AdminException.ValueOf(host.FindExchange(ExchangeHandler.NameIn(request, "source"))).Name;
        return request.Has("queue")
            ? (source, DestinationKind.Queue, QueueHandler.Find(request, host).Name)
            : (source, DestinationKind.Exchange, AdminException.ValueOf(host.FindExchange(ExchangeHandler.NameIn(request))).Name);
    }

    private static IEnumerable<BindingModel> Between(AdminRequest request, VirtualHost host)
    {
        (string source, DestinationKind kind, string destination) = Ends(request, host);
        string type = Word(kind);
        return Of(host).Where(binding => binding.Source == source && binding.DestinationType == type && binding.Destination == destination);
    }

    private static BindingModel Find(AdminRequest request, VirtualHost host) =>
        Between(request, host).FirstOrDefault(binding => binding.PropertiesKey == request["key"] || Uri.UnescapeDataString(binding.PropertiesKey) == request["key"]) ?? throw AdminException.NotFound($"there is no binding '{request["key"]}' there");

    private static BindingModel Model(string source, VirtualHost host, DestinationKind kind, string destination, string routingKey, Arguments arguments) =>
        new(source, host.Name, destination, Word(kind), routingKey, arguments, PropertiesKey(routingKey, arguments));

    private static string Word(DestinationKind kind) => kind == DestinationKind.Queue ? "queue" : "exchange";

    /// <summary>What names one of several bindings between the same two: the routing key, escaped, and a digest of the arguments if there are any; "~" for neither.</summary>
    private static string PropertiesKey(string routingKey, Arguments arguments)
    {
        if (arguments.Count == 0)
        {
            return routingKey.Length == 0 ? "~" : Uri.EscapeDataString(routingKey);
        }

        using MemoryStream json = new();
        using (Utf8JsonWriter writer = new(json))
        {
            ArgumentsJson.Write(writer, new Arguments(new SortedDictionary<string, object?>(arguments.Items.ToDictionary(item => item.Key, item => item.Value), StringComparer.Ordinal)));
        }

        return $"{Uri.EscapeDataString(routingKey)}~{Convert.ToHexStringLower(SHA256.HashData(json.ToArray()).AsSpan(0, 12))}";
    }
}
