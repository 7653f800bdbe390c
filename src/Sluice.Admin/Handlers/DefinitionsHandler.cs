using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>/api/definitions: everything that was declared, out and in again, in RabbitMQ's file format, with members of Sluice's own for what RabbitMQ does not have.</summary>
internal static class DefinitionsHandler
{
    private const string Version = "3.10.8";
    private const string OperatorPolicy = DefinitionsImport.OperatorPolicy;

    public static void Map(Routes routes)
    {
        routes.Get("api/definitions", Role.Administrator, ExportAll);
        routes.Get("api/definitions/{vhost}", Role.Administrator, ExportOne);
        routes.Post("api/definitions", Role.Administrator, static request => new DefinitionsImport(request, into: null).RunAsync());
        routes.Post("api/definitions/{vhost}", Role.Administrator, static request => new DefinitionsImport(request, request.ExistingVirtualHost(request["vhost"])).RunAsync());
    }

    private static Task ExportAll(AdminRequest request)
    {
        AdminContext context = request.Context;
        IReadOnlyList<VirtualHost> hosts = context.Broker.ListVirtualHosts();
        return request.ReplyAsync(
            new DefinitionsModel(
                Version,
                Version,
                "Sluice",
                context.Version,
                [.. UserHandler.Sorted(request).Select(Model)],
                [.. hosts.Select(host => new VirtualHostDefinition(host.Name, LimitsHandler.Values(context.AccessControl.LimitsOf(host.Name))))],
                [.. InOrder(context.AccessControl.Permissions, static one => [one.VirtualHost, one.User]).Select(PermissionHandler.Model)],
                [.. InOrder(context.AccessControl.TopicPermissions, static one => [one.VirtualHost, one.User, one.Exchange]).Select(PermissionHandler.Model)],
                [.. hosts.SelectMany(host => OperatorPolicies(host, host.Name))],
                [.. hosts.SelectMany(host => Policies(host, host.Name))],
                [.. hosts.SelectMany(host => Queues(host, host.Name))],
                [.. hosts.SelectMany(host => Exchanges(host, host.Name))],
                [.. hosts.SelectMany(host => Bindings(host, host.Name))],
                [.. hosts.SelectMany(host => TopicDefinitions.Export(host, host.Name))])
            {
                Sections = context.DefinitionSections.ToDictionary(static section => section.Name, static section => JsonSerializer.SerializeToElement(new JsonArray([.. section.Export()]), AdminJson.Default.JsonArray)),
            },
            AdminJson.Default.DefinitionsModel);
    }

    /// <summary>Of one virtual host: without users, and without its name, so that it can be imported into another.</summary>
    private static Task ExportOne(AdminRequest request)
    {
        VirtualHost host = request.ExistingVirtualHost(request["vhost"]);
        return request.ReplyAsync(
            new DefinitionsModel(
                Version,
                Version,
                "Sluice",
                request.Context.Version,
                Users: null,
                Vhosts: null,
                Permissions: null,
                TopicPermissions: null,
                [.. OperatorPolicies(host, null)],
                [.. Policies(host, null)],
                [.. Queues(host, null)],
                [.. Exchanges(host, null)],
                [.. Bindings(host, null)],
                [.. TopicDefinitions.Export(host, null)]),
            AdminJson.Default.DefinitionsModel);
    }

    private static UserDefinition Model(User user)
    {
        (string hash, string algorithm) = UserHandler.Export(user.Password);
        return new UserDefinition(user.Name, hash, algorithm, user.Tags, UserHandler.Limits(user), user.Scram.IsEmpty ? null : [.. ScramDefinitions.Export(user)]);
    }

    private static IEnumerable<ParameterModel> OperatorPolicies(VirtualHost host, string? name) => host.ListPolicies().Where(policy => policy.IsOperator)
        .Select(policy => new ParameterModel(name, OperatorPolicy, policy.Name, new PolicyValueModel(policy.Pattern, policy.ApplyTo, Sorted(policy.Settings), policy.Priority)));

    private static IEnumerable<PolicyDefinitionModel> Policies(VirtualHost host, string? name) => host.ListPolicies().Where(policy => !policy.IsOperator)
        .Select(policy => new PolicyDefinitionModel(name, policy.Name, policy.Pattern, policy.ApplyTo, Sorted(policy.Settings), policy.Priority));

    /// <summary>What streams are partitions of is defined as a topic.</summary>
    private static IEnumerable<QueueDefinitionModel> Queues(VirtualHost host, string? name)
    {
        HashSet<string> topics = [.. TopicDefinitions.Of(host).Select(static topic => topic.Name)];
        return host.ListQueues().Where(queue => !queue.IsOnePartition && !topics.Contains(queue.Name)).Select(queue => queue.Definition).Where(queue => !queue.Exclusive)
            .Select(queue => new QueueDefinitionModel(name, queue.Name, queue.Durable, queue.AutoDelete, Sorted(queue.Arguments)));
    }

    private static IEnumerable<ExchangeDefinitionModel> Exchanges(VirtualHost host, string? name) => host.ListExchanges().Where(exchange => !IsPredeclared(exchange.Name))
        .Select(exchange => new ExchangeDefinitionModel(name, exchange.Name, exchange.Type, exchange.Durable, exchange.AutoDelete, exchange.Internal, Sorted(exchange.Arguments)));

    private static IEnumerable<BindingDefinitionModel> Bindings(VirtualHost host, string? name) => InOrder(
        host.ListBindings()
            .Where(entry => entry.Source.Length > 0 && entry.Binding.Destination is not MessageQueue { Definition.Exclusive: true })
            .Select(entry => new BindingDefinitionModel(
                name, entry.Source, entry.Binding.Destination.Name, entry.Binding.Destination is MessageQueue ? "queue" : "exchange", entry.Binding.RoutingKey, Sorted(entry.Binding.Arguments))),
        static one => [one.Source, one.DestinationType, one.Destination, one.RoutingKey, JsonSerializer.Serialize(one.Arguments, AdminJson.Default.Arguments)]);

    /// <summary>Files of the same definitions are the same, in whatever order all was declared.</summary>
    private static IEnumerable<T> InOrder<T>(IEnumerable<T> items, Func<T, string[]> keys) =>
        items.OrderBy(keys, Comparer<string[]>.Create(static (left, right) => left.Zip(right, string.CompareOrdinal).FirstOrDefault(static order => order != 0)));

    private static Arguments Sorted(Arguments arguments) =>
        arguments.Count < 2 ? arguments : new Arguments(new SortedDictionary<string, object?>(arguments.Items.ToDictionary(), StringComparer.Ordinal));

    /// <summary>Every virtual host has these from its beginning.</summary>
    private static bool IsPredeclared(string exchange) => exchange.Length == 0 || exchange.StartsWith("amq.", StringComparison.Ordinal);
}
