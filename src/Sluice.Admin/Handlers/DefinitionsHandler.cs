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
    private const string OperatorPolicy = "operator_policy";

    private static readonly string[] Members =
    [
        "rabbit_version", "rabbitmq_version", "product_name", "product_version", "users", "vhosts", "permissions", "topic_permissions", "parameters", "global_parameters", "policies", "queues", "exchanges", "bindings", TopicDefinitions.Section,
    ];

    public static void Map(Routes routes)
    {
        routes.Get("api/definitions", Role.Administrator, ExportAll);
        routes.Get("api/definitions/{vhost}", Role.Administrator, ExportOne);
        routes.Post("api/definitions", Role.Administrator, request => ImportAsync(request, into: null));
        routes.Post("api/definitions/{vhost}", Role.Administrator, request => ImportAsync(request, request.ExistingVirtualHost(request["vhost"])));
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

    /// <summary>
    /// Takes definitions in, in the order in which they build on each other. What exists already is left as it is, but users, permissions and policies, which are set.
    /// The first that cannot be is the answer; those before it stay.
    /// </summary>
    private static async Task ImportAsync(AdminRequest request, VirtualHost? into)
    {
        IReadOnlyList<DefinitionSection> sections = request.Context.DefinitionSections;
        JsonBody body = await request.ReadBodyAsync([.. Members, .. sections.Select(static section => section.Name)]).ConfigureAwait(false);
        if (into is null)
        {
            await ImportHostsAndUsersAsync(request, body).ConfigureAwait(false);
            await ImportSectionsAsync(request, body).ConfigureAwait(false);
        }
        else if (body.Has("users") || body.Has("vhosts") || body.Has("permissions") || body.Has("topic_permissions") || sections.Any(section => body.Has(section.Name)))
        {
            throw AdminException.BadRequest("users, vhosts, permissions and what Kafka's administration sets for all of the broker cannot be imported into one virtual host");
        }

        CheckGlobalParameters(body);
        VirtualHost Host(JsonBody definition) => into ?? request.ExistingVirtualHost(definition.Text("vhost"));
        foreach (JsonBody parameter in body.Objects("parameters"))
        {
            await ImportParameterAsync(Host(parameter), parameter).ConfigureAwait(false);
        }

        foreach (JsonBody policy in body.Objects("policies"))
        {
            policy.AllowOnly("vhost", "name", "pattern", "apply-to", "definition", "priority");
            AdminException.ThrowIfFailed(await Host(policy).SetPolicyAsync(PolicyHandler.Read(policy.Text("name"), policy, isOperator: false)).ConfigureAwait(false));
        }

        foreach (JsonBody queue in body.Objects("queues"))
        {
            await ImportQueueAsync(Host(queue), queue).ConfigureAwait(false);
        }

        await EachAsync(body, TopicDefinitions.Section, topic => TopicDefinitions.ImportAsync(Host(topic), topic)).ConfigureAwait(false);

        foreach (JsonBody exchange in body.Objects("exchanges"))
        {
            await ImportExchangeAsync(Host(exchange), exchange).ConfigureAwait(false);
        }

        foreach (JsonBody binding in body.Objects("bindings"))
        {
            await ImportBindingAsync(Host(binding), binding).ConfigureAwait(false);
        }

        await request.NoContent().ConfigureAwait(false);
    }

    /// <summary>Takes the entries of a list in one after the other; what is wrong with one names it.</summary>
    private static async Task EachAsync(JsonBody body, string list, Func<JsonBody, Task> importAsync)
    {
        int index = 0;
        foreach (JsonBody entry in body.Objects(list))
        {
            string which = $"{list}[{index++}]{(entry.Find("name") is { ValueKind: JsonValueKind.String } name ? $" '{name.GetString()}'" : "")}";
            try
            {
                await importAsync(entry).ConfigureAwait(false);
            }
            catch (AdminException error)
            {
                throw error.In(which);
            }
            catch (FormatException error)
            {
                throw AdminException.BadRequest(error.Message).In(which);
            }
        }
    }

    private static async Task ImportSectionsAsync(AdminRequest request, JsonBody body)
    {
        foreach (DefinitionSection section in request.Context.DefinitionSections)
        {
            await EachAsync(body, section.Name, entry => section.ImportAsync(entry.Element, request.User.Name).AsTask()).ConfigureAwait(false);
        }
    }

    private static async Task ImportHostsAndUsersAsync(AdminRequest request, JsonBody body)
    {
        AdminContext context = request.Context;
        foreach (JsonBody host in body.Objects("vhosts"))
        {
            host.AllowOnly("name", "limits", "metadata", "description", "tags");
            string name = host.Text("name");
            AdminException.ValueOf(await context.Broker.CreateVirtualHostAsync(name).ConfigureAwait(false));
            if (host.Find("limits") is { ValueKind: System.Text.Json.JsonValueKind.Object } given)
            {
                JsonBody limits = new(given);
                VirtualHostLimits wanted = given.EnumerateObject().Aggregate(default(VirtualHostLimits), (all, limit) => LimitsHandler.With(all, limit.Name, limits.Number(limit.Name)));
                await context.AccessControl.PutVirtualHostLimitsAsync(name, wanted).ConfigureAwait(false);
            }
        }

        await EachAsync(body, "users", user =>
        {
            user.AllowOnly("name", "password", "password_hash", "hashing_algorithm", "tags", "limits", ScramDefinitions.Member);
            return context.AccessControl.PutUserAsync(ScramDefinitions.Read(UserHandler.Read(context.AccessControl, user.Text("name"), user), user)).AsTask();
        }).ConfigureAwait(false);

        foreach (JsonBody permission in body.Objects("permissions"))
        {
            permission.AllowOnly("user", "vhost", "configure", "write", "read");
            await PermissionHandler.SetAsync(request, new Permission(permission.Text("user"), permission.Text("vhost"), permission.Text("configure"), permission.Text("write"), permission.Text("read"))).ConfigureAwait(false);
        }

        foreach (JsonBody permission in body.Objects("topic_permissions"))
        {
            permission.AllowOnly("user", "vhost", "exchange", "write", "read");
            await PermissionHandler.SetAsync(request, new TopicPermission(permission.Text("user"), permission.Text("vhost"), permission.Text("exchange"), permission.Text("write"), permission.Text("read"))).ConfigureAwait(false);
        }
    }

    /// <summary>What only describes the cluster that the file comes from is passed over; anything else would have to do something, and does not.</summary>
    private static void CheckGlobalParameters(JsonBody body)
    {
        foreach (JsonBody parameter in body.Objects("global_parameters"))
        {
            if (parameter.Text("name") is not ("cluster_name" or "internal_cluster_id"))
            {
                throw AdminException.BadRequest($"the global parameter '{parameter.Text("name")}' is not supported");
            }
        }
    }

    private static async Task ImportParameterAsync(VirtualHost host, JsonBody parameter)
    {
        parameter.AllowOnly("vhost", "component", "name", "value");
        if (parameter.Text("component") != OperatorPolicy || parameter.Find("value") is not { } value)
        {
            throw AdminException.BadRequest($"parameters of component '{parameter.Text("component")}' are not supported; those of {OperatorPolicy} are");
        }

        JsonBody policy = new JsonBody(value).AllowOnly("pattern", "apply-to", "definition", "priority");
        AdminException.ThrowIfFailed(await host.SetPolicyAsync(PolicyHandler.Read(parameter.Text("name"), policy, isOperator: true)).ConfigureAwait(false));
    }

    private static async Task ImportQueueAsync(VirtualHost host, JsonBody queue)
    {
        queue.AllowOnly("vhost", "name", "type", "durable", "auto_delete", "arguments");
        string name = queue.Text("name");
        if (host.FindQueue(name, owner: null).Status == BrokerStatus.NotFound)
        {
            QueueDefinition definition = new(name, queue.Flag("durable"), Exclusive: false, queue.Flag("auto_delete"), queue.Arguments("arguments"));
            AdminException.ValueOf(await host.DeclareQueueAsync(definition, owner: null).ConfigureAwait(false));
        }
    }

    private static async Task ImportExchangeAsync(VirtualHost host, JsonBody exchange)
    {
        exchange.AllowOnly("vhost", "name", "type", "durable", "auto_delete", "internal", "arguments");
        string name = exchange.Text("name");
        if (!host.FindExchange(name).IsOk)
        {
            ExchangeDefinition definition = new(name, exchange.Text("type"), exchange.Flag("durable"), exchange.Flag("auto_delete"), exchange.Flag("internal"), exchange.Arguments("arguments"));
            AdminException.ThrowIfFailed(await host.DeclareExchangeAsync(definition).ConfigureAwait(false));
        }
    }

    private static async Task ImportBindingAsync(VirtualHost host, JsonBody binding)
    {
        binding.AllowOnly("vhost", "source", "destination", "destination_type", "routing_key", "arguments", "properties_key");
        DestinationKind kind = binding.Text("destination_type") switch
        {
            "queue" => DestinationKind.Queue,
            "exchange" => DestinationKind.Exchange,
            string other => throw AdminException.BadRequest($"destination_type '{other}' is neither queue nor exchange"),
        };
        if (binding.Text("source").Length > 0)
        {
            AdminException.ThrowIfFailed(await host.BindAsync(binding.Text("source"), kind, binding.Text("destination"), binding.Text("routing_key"), binding.Arguments("arguments"), owner: null).ConfigureAwait(false));
        }
    }
}
