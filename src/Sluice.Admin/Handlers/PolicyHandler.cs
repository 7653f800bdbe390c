using System.Text.RegularExpressions;
using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Base.Changes;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>/api/policies and /api/operator-policies.</summary>
internal static class PolicyHandler
{
    private static readonly TimeSpan RegexTimeout = TimeSpan.FromSeconds(1);

    public static void Map(Routes routes)
    {
        foreach ((string path, bool isOperator, Role role) in new[] { ("api/policies", false, Role.Policymaker), ("api/operator-policies", true, Role.Administrator) })
        {
            routes.Get(path, Role.Management, request => request.ReplyListAsync(request.VisibleVirtualHosts().SelectMany(host => Of(host, isOperator)), AdminJson.Default.PolicyModel));
            routes.Get(path + "/{vhost}", Role.Management, request => request.ReplyListAsync(Of(request.VirtualHost(), isOperator), AdminJson.Default.PolicyModel));
            routes.Get(path + "/{vhost}/{name}", Role.Management, request => One(request, isOperator));
            routes.Put(path + "/{vhost}/{name}", role, request => PutAsync(request, isOperator));
            routes.Delete(path + "/{vhost}/{name}", role, request => DeleteAsync(request, isOperator));
        }
    }

    /// <summary>The policy that a request or definition describes.</summary>
    public static PolicyDefinition Read(string name, JsonBody body, bool isOperator) => new(
        name,
        body.Text("pattern"),
        body.OptionalText("apply-to") ?? "all",
        body.Number("priority", 0),
        body.Has("definition") ? body.Arguments("definition") : throw AdminException.BadRequest("'definition' is missing"),
        isOperator);

    /// <summary>Sets the policy, and tells the operator.</summary>
    public static async Task<PutOutcome> SetAsync(AdminRequest request, VirtualHost host, PolicyDefinition policy)
    {
        PolicyChange change = AdminException.ValueOf(await host.SetPolicyAsync(policy).ConfigureAwait(false));
        if (change.Outcome != PutOutcome.Unchanged)
        {
            request.LogChange($"{(change.Outcome == PutOutcome.Created ? "created" : "changed")} {Words(policy.Name, policy.IsOperator, host)}: {change.Words}");
        }

        return change.Outcome;
    }

    /// <summary>The settings that the policies in force for a queue come to, as they were written.</summary>
    public static Arguments Effective(VirtualHost host, QueueSettings settings)
    {
        if (settings.Policy is null && settings.OperatorPolicy is null)
        {
            return Arguments.Empty;
        }

        Dictionary<string, object?> merged = new(StringComparer.Ordinal);
        foreach (PolicyDefinition policy in host.ListPolicies().Where(policy => policy.Name == (policy.IsOperator ? settings.OperatorPolicy : settings.Policy)).OrderBy(policy => policy.IsOperator))
        {
            foreach ((string name, object? value) in policy.Settings.Items)
            {
                // Of two numbers the stricter one is in force; for all else the user's policy stands first.
                merged[name] = merged.TryGetValue(name, out object? first) ? (first, value) is (long a, long b) ? Math.Min(a, b) : first : value;
            }
        }

        return new Arguments(merged);
    }

    /// <summary>Name of the policy in force for an exchange; null if none.</summary>
    public static string? OfExchange(VirtualHost host, string exchange) => host.ListPolicies()
        .Where(policy => !policy.IsOperator && policy.ApplyTo is "all" or "exchanges" && Matches(policy.Pattern, exchange))
        .OrderByDescending(policy => policy.Priority)
        .FirstOrDefault()?.Name;

    private static bool Matches(string pattern, string name)
    {
        try
        {
            return Regex.IsMatch(name, pattern, RegexOptions.CultureInvariant, RegexTimeout);
        }
        catch (RegexMatchTimeoutException)
        {
            return false;
        }
    }

    private static IEnumerable<PolicyModel> Of(VirtualHost host, bool isOperator) =>
        host.ListPolicies().Where(policy => policy.IsOperator == isOperator).Select(policy => Model(host, policy));

    private static PolicyModel Model(VirtualHost host, PolicyDefinition policy) => new(host.Name, policy.Name, policy.Pattern, policy.ApplyTo, policy.Settings, policy.Priority);

    private static PolicyDefinition? Find(VirtualHost host, string name, bool isOperator) =>
        host.ListPolicies().FirstOrDefault(policy => policy.IsOperator == isOperator && policy.Name == name);

    private static string Words(string name, bool isOperator, VirtualHost host) => $"{(isOperator ? "operator policy" : "policy")} '{name}' in virtual host '{host.Name}'";

    private static Task One(AdminRequest request, bool isOperator)
    {
        VirtualHost host = request.VirtualHost();
        return request.ReplyAsync(Model(host, Find(host, request["name"], isOperator) ?? throw None(request)), AdminJson.Default.PolicyModel);
    }

    private static async Task PutAsync(AdminRequest request, bool isOperator)
    {
        VirtualHost host = Host(request);
        JsonBody body = await request.ReadBodyAsync("pattern", "definition", "priority", "apply-to").ConfigureAwait(false);
        PutOutcome outcome = await SetAsync(request, host, Read(request["name"], body, isOperator)).ConfigureAwait(false);
        await request.Put(outcome == PutOutcome.Created).ConfigureAwait(false);
    }

    private static async Task DeleteAsync(AdminRequest request, bool isOperator)
    {
        VirtualHost host = Host(request);
        AdminException.ThrowIfFailed(await host.DeletePolicyAsync(request["name"], isOperator).ConfigureAwait(false));
        request.LogChange($"deleted {Words(request["name"], isOperator, host)}");
        await request.NoContent().ConfigureAwait(false);
    }

    /// <summary>An administrator may set policies where it has no permissions of its own.</summary>
    private static VirtualHost Host(AdminRequest request) =>
        request.User.HasTag(UserTags.Administrator) ? request.ExistingVirtualHost(request["vhost"]) : request.VirtualHost();

    private static AdminException None(AdminRequest request) => AdminException.NotFound($"there is no policy '{request["name"]}' in virtual host '{request["vhost"]}'");
}
