using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>/api/exchanges, but for publishing.</summary>
internal static class ExchangeHandler
{
    /// <summary>How a path names the nameless exchange.</summary>
    private const string DefaultExchange = "amq.default";

    public static void Map(Routes routes)
    {
        routes.Get("api/exchanges", Role.Management, All);
        routes.Get("api/exchanges/{vhost}", Role.Management, OfVirtualHost);
        routes.Get("api/exchanges/{vhost}/{exchange}", Role.Management, One);
        routes.Put("api/exchanges/{vhost}/{exchange}", Role.Management, Put);
        routes.Delete("api/exchanges/{vhost}/{exchange}", Role.Management, Delete);
    }

    /// <summary>The exchange name of a path.</summary>
    public static string NameIn(AdminRequest request, string part = "exchange") => request[part] == DefaultExchange ? "" : request[part];

    private static Task All(AdminRequest request) => request.ReplyListAsync(
        request.VisibleVirtualHosts().SelectMany(host => host.ListExchanges().Select(exchange => Model(host, exchange))), AdminJson.Default.ExchangeModel);

    private static Task OfVirtualHost(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        return request.ReplyListAsync(host.ListExchanges().Select(exchange => Model(host, exchange)), AdminJson.Default.ExchangeModel);
    }

    private static Task One(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        return request.ReplyAsync(Model(host, AdminException.ValueOf(host.FindExchange(NameIn(request)))), AdminJson.Default.ExchangeModel);
    }

    private static async Task Put(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        string name = NameIn(request);
        JsonBody body = await request.ReadBodyAsync("type", "durable", "auto_delete", "internal", "arguments").ConfigureAwait(false);
        ExchangeDefinition definition = new(name, body.Text("type"), body.Flag("durable"), body.Flag("auto_delete"), body.Flag("internal"), body.Arguments("arguments"));
        bool isNew = !host.FindExchange(name).IsOk;
        request.Require(Access.Configure, "exchange", host.Name, name);
        if (isNew && definition.Arguments["alternate-exchange"] is string alternate)
        {
            request.Require(Access.Read, "exchange", host.Name, name);
            request.Require(Access.Write, "exchange", host.Name, alternate);
        }

        AdminException.ThrowIfFailed(await host.DeclareExchangeAsync(definition).ConfigureAwait(false));
        await request.Put(isNew).ConfigureAwait(false);
    }

    private static async Task Delete(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        string name = NameIn(request);
        request.Require(Access.Configure, "exchange", host.Name, name);
        AdminException.ValueOf(host.FindExchange(name));
        AdminException.ThrowIfFailed(await host.DeleteExchangeAsync(name, request.HasSwitch("if-unused")).ConfigureAwait(false));
        await request.NoContent().ConfigureAwait(false);
    }

    private static ExchangeModel Model(VirtualHost host, ExchangeDefinition exchange) => new(
        exchange.Name,
        host.Name,
        exchange.Type,
        exchange.Durable,
        exchange.AutoDelete,
        exchange.Internal,
        exchange.Arguments,
        PolicyHandler.OfExchange(host, exchange.Name));
}
