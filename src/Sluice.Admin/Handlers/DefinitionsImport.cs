using System.Text;
using System.Text.Json;
using Sluice.Admin.Http;
using Sluice.Base.Changes;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>
/// One import of definitions, in the order in which they build on each other. What exists already is left as it is, but users, permissions, policies and what Kafka's administration
/// sets, which are set. The first that cannot be is the answer; those before it stay. What it comes to is one line of the log.
/// </summary>
/// <param name="request">Whose body is the file.</param>
/// <param name="into">The only virtual host that it is for; null: all of the broker.</param>
internal sealed class DefinitionsImport(AdminRequest request, VirtualHost? into)
{
    public const string OperatorPolicy = "operator_policy";

    private static readonly string[] s_members =
    [
        "rabbit_version", "rabbitmq_version", "product_name", "product_version", "users", "vhosts", "permissions", "topic_permissions", "parameters", "global_parameters", "policies", "queues", "exchanges", "bindings", TopicDefinitions.Section,
    ];

    /// <summary>How many entries of each list were created and changed.</summary>
    private readonly OrderedDictionary<string, (int Created, int Changed)> _done = [];
    private int _unchanged;

    public async Task RunAsync()
    {
        JsonBody body = await request.ReadBodyAsync([.. s_members, .. request.Context.DefinitionSections.Select(static section => section.Name)]).ConfigureAwait(false);
        string what = $"imported definitions{(into is null ? "" : $" into virtual host '{into.Name}'")}";
        try
        {
            await ImportAsync(body).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            request.LogFailure($"{what}, which ended early: {error.Message.TrimEnd('.')}. Until then: {Summary()}");
            throw;
        }

        request.LogChange($"{what}: {Summary()}");
        await request.NoContent().ConfigureAwait(false);
    }

    private async Task ImportAsync(JsonBody body)
    {
        if (into is null)
        {
            await ImportHostsAndUsersAsync(body).ConfigureAwait(false);
            await ImportSectionsAsync(body).ConfigureAwait(false);
        }
        else if (body.Has("users") || body.Has("vhosts") || body.Has("permissions") || body.Has("topic_permissions") || request.Context.DefinitionSections.Any(section => body.Has(section.Name)))
        {
            throw AdminException.BadRequest("users, vhosts, permissions and what Kafka's administration sets for all of the broker cannot be imported into one virtual host");
        }

        CheckGlobalParameters(body);
        await EachAsync(body, "parameters", parameter => ImportParameterAsync(Host(parameter), parameter)).ConfigureAwait(false);
        await EachAsync(body, "policies", policy =>
        {
            policy.AllowOnly("vhost", "name", "pattern", "apply-to", "definition", "priority");
            return PolicyHandler.SetAsync(request, Host(policy), PolicyHandler.Read(policy.Text("name"), policy, isOperator: false));
        }).ConfigureAwait(false);
        await EachAsync(body, "queues", queue => ImportQueueAsync(Host(queue), queue)).ConfigureAwait(false);
        await EachAsync(body, TopicDefinitions.Section, topic => TopicDefinitions.ImportAsync(request, Host(topic), topic)).ConfigureAwait(false);
        await EachAsync(body, "exchanges", exchange => ImportExchangeAsync(Host(exchange), exchange)).ConfigureAwait(false);
        await EachAsync(body, "bindings", binding => ImportBindingAsync(Host(binding), binding)).ConfigureAwait(false);
    }

    private VirtualHost Host(JsonBody definition) => into ?? request.ExistingVirtualHost(definition.Text("vhost"));

    private async Task ImportHostsAndUsersAsync(JsonBody body)
    {
        AccessControl access = request.Context.AccessControl;
        await EachEntryAsync(body, "vhosts", ImportHostAsync).ConfigureAwait(false);
        await EachAsync(body, "users", user =>
        {
            user.AllowOnly("name", "password", "password_hash", "hashing_algorithm", "tags", "limits", ScramDefinitions.Member);
            return access.PutUserAsync(ScramDefinitions.Read(UserHandler.Read(access, user.Text("name"), user), user), request.User.Name).AsTask();
        }).ConfigureAwait(false);
        await EachAsync(body, "permissions", permission =>
        {
            permission.AllowOnly("user", "vhost", "configure", "write", "read");
            return PermissionHandler.SetAsync(request, new Permission(permission.Text("user"), permission.Text("vhost"), permission.Text("configure"), permission.Text("write"), permission.Text("read")));
        }).ConfigureAwait(false);
        await EachAsync(body, "topic_permissions", permission =>
        {
            permission.AllowOnly("user", "vhost", "exchange", "write", "read");
            return PermissionHandler.SetAsync(request, new TopicPermission(permission.Text("user"), permission.Text("vhost"), permission.Text("exchange"), permission.Text("write"), permission.Text("read")));
        }).ConfigureAwait(false);
    }

    /// <summary>Counts itself: where its limits cannot be kept, the virtual host is there.</summary>
    private async Task ImportHostAsync(JsonBody host)
    {
        host.AllowOnly("name", "limits", "metadata", "description", "tags");
        string name = host.Text("name");
        VirtualHostLimits? wanted = null;
        if (host.Find("limits") is { ValueKind: JsonValueKind.Object } given)
        {
            JsonBody limits = new(given);
            wanted = given.EnumerateObject().Aggregate(default(VirtualHostLimits), (all, limit) => LimitsHandler.With(all, limit.Name, limits.Number(limit.Name)));
        }

        bool isNew = request.Context.Broker.FindVirtualHost(name) is null;
        AdminException.ValueOf(await request.Context.Broker.CreateVirtualHostAsync(name, request.User.Name).ConfigureAwait(false));
        if (isNew)
        {
            Count("vhosts", PutOutcome.Created);
        }

        PutOutcome limited = wanted is { } set ? await request.Context.AccessControl.PutVirtualHostLimitsAsync(name, set, request.User.Name).ConfigureAwait(false) : PutOutcome.Unchanged;
        if (!isNew)
        {
            Count("vhosts", limited);
        }
    }

    private async Task ImportSectionsAsync(JsonBody body)
    {
        foreach (DefinitionSection section in request.Context.DefinitionSections)
        {
            JsonElement[] entries = [.. body.Objects(section.Name).Select(static entry => entry.Element)];
            try
            {
                foreach (PutOutcome outcome in await section.ImportAsync(entries, request.User.Name).ConfigureAwait(false))
                {
                    Count(section.Name, outcome);
                }
            }
            catch (FormatException error)
            {
                throw AdminException.BadRequest(error.Message);
            }
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

    private Task<PutOutcome> ImportParameterAsync(VirtualHost host, JsonBody parameter)
    {
        parameter.AllowOnly("vhost", "component", "name", "value");
        if (parameter.Text("component") != OperatorPolicy || parameter.Find("value") is not { } value)
        {
            throw AdminException.BadRequest($"parameters of component '{parameter.Text("component")}' are not supported; those of {OperatorPolicy} are");
        }

        JsonBody policy = new JsonBody(value).AllowOnly("pattern", "apply-to", "definition", "priority");
        return PolicyHandler.SetAsync(request, host, PolicyHandler.Read(parameter.Text("name"), policy, isOperator: true));
    }

    private async Task<PutOutcome> ImportQueueAsync(VirtualHost host, JsonBody queue)
    {
        queue.AllowOnly("vhost", "name", "type", "durable", "auto_delete", "arguments");
        string name = queue.Text("name");
        QueueDefinition definition = new(name, queue.Flag("durable"), Exclusive: false, queue.Flag("auto_delete"), queue.Arguments("arguments"));
        return Outcome(await host.EnsureQueueAsync(definition).ConfigureAwait(false), $"queue '{name}' in virtual host '{host.Name}'");
    }

    private async Task<PutOutcome> ImportExchangeAsync(VirtualHost host, JsonBody exchange)
    {
        exchange.AllowOnly("vhost", "name", "type", "durable", "auto_delete", "internal", "arguments");
        string name = exchange.Text("name");
        ExchangeDefinition definition = new(name, exchange.Text("type"), exchange.Flag("durable"), exchange.Flag("auto_delete"), exchange.Flag("internal"), exchange.Arguments("arguments"));
        return Outcome(await host.DeclareExchangeAsync(definition).ConfigureAwait(false), $"exchange '{name}' in virtual host '{host.Name}'");
    }

    /// <summary>Of a declaration: what is there and differs stays, which is told. Whatever else is in the way ends the import.</summary>
    private PutOutcome Outcome(BrokerResult<PutOutcome> declared, string what)
    {
        if (declared.Status != BrokerStatus.Differs)
        {
            return AdminException.ValueOf(declared);
        }

        request.Remark($"The {what} is there already and stays as it is, other than in the file: {declared.Detail.TrimEnd('.')}.");
        return PutOutcome.Unchanged;
    }

    private async Task<PutOutcome> ImportBindingAsync(VirtualHost host, JsonBody binding)
    {
        binding.AllowOnly("vhost", "source", "destination", "destination_type", "routing_key", "arguments", "properties_key");
        DestinationKind kind = binding.Text("destination_type") switch
        {
            "queue" => DestinationKind.Queue,
            "exchange" => DestinationKind.Exchange,
            string other => throw AdminException.BadRequest($"destination_type '{other}' is neither queue nor exchange"),
        };
        BindingDefinition definition = new(binding.Text("source"), kind, binding.Text("destination"), binding.Text("routing_key"), binding.Arguments("arguments"));
        if (definition.Source.Length == 0)
        {
            return PutOutcome.Unchanged;
        }

        return AdminException.ValueOf(await host.BindAsync(definition.Source, kind, definition.Destination, definition.RoutingKey, definition.Arguments, owner: null).ConfigureAwait(false));
    }

    /// <summary>Takes the entries of a list in one after the other; what is wrong with one names it.</summary>
    private Task EachAsync(JsonBody body, string list, Func<JsonBody, Task<PutOutcome>> importAsync) =>
        EachEntryAsync(body, list, async entry => Count(list, await importAsync(entry).ConfigureAwait(false)));

    /// <summary>As <see cref="EachAsync"/>, of entries that count themselves.</summary>
    private static async Task EachEntryAsync(JsonBody body, string list, Func<JsonBody, Task> importAsync)
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

    private void Count(string list, PutOutcome outcome)
    {
        if (outcome == PutOutcome.Unchanged)
        {
            _unchanged++;
            return;
        }

        (int created, int changed) = _done.GetValueOrDefault(list);
        _done[list] = outcome == PutOutcome.Created ? (created + 1, changed) : (created, changed + 1);
    }

    /// <summary>As in "created users 2, queues 5; changed permissions 1; 40 entries left as they are".</summary>
    private string Summary()
    {
        string created = Counts(static counts => counts.Created);
        string changed = Counts(static counts => counts.Changed);
        StringBuilder text = new();
        text.Append(created.Length == 0 ? "created nothing" : $"created {created}");
        text.Append(changed.Length == 0 ? "; changed nothing" : $"; changed {changed}");
        return text.Append($"; {_unchanged} entries were there and stay as they are").ToString();
    }

    private string Counts(Func<(int Created, int Changed), int> which) =>
        string.Join(", ", _done.Where(list => which(list.Value) > 0).Select(list => $"{list.Key} {which(list.Value)}"));
}
