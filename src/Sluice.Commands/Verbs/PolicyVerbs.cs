using System.CommandLine;
using System.Text.Json.Nodes;
using Sluice.Commands.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice policy list|declare|delete.</summary>
internal static class PolicyVerbs
{
    private static readonly Argument<string> Name = new("name") { Description = "Name of the policy." };
    private static readonly Argument<string> Pattern = new("pattern") { Description = "Regular expression on names." };
    private static readonly Option<string[]> Settings = KeyValues.Option("--set", "message-ttl=60000", "Setting, at least one,");
    private static readonly Option<string> ApplyTo = new Option<string>("--apply-to") { Description = "What it applies to.", DefaultValueFactory = _ => "all" }
        .AcceptedFrom("all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams");

    private static readonly Option<int> Priority = new("--priority") { Description = "Of several that match, the highest counts." };
    private static readonly Option<bool> Operator = new("--operator") { Description = "An operator policy: limits that users' policies cannot exceed." };

    public static Command Create() => new Command("policy", "List, set and delete policies.").With(
        Listing.Verb(
            "List the policies of a virtual host.",
            invocation => AdminClient.Path(Kind(invocation), invocation.VirtualHost),
            new Column("name", "name"),
            new Column("pattern", "pattern"),
            new Column("applies to", "apply-to"),
            new Column("priority", "priority"),
            new Column("settings", "definition")).With(Operator).WithVirtualHost(),
        Invocation.Verb("declare", "Set a policy.", DeclareAsync).With(Name, Pattern, Settings, ApplyTo, Priority, Operator).WithVirtualHost().WithAdmin(),
        Invocation.Verb("delete", "Delete a policy.", DeleteAsync).With(Name, Operator).WithVirtualHost().WithAdmin());

    private static string Kind(Invocation invocation) => invocation.Value(Operator) ? "operator-policies" : "policies";

    private static async Task<int> DeclareAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        JsonObject body = new()
        {
            ["pattern"] = invocation.Value(Pattern),
            ["definition"] = KeyValues.ToJson(invocation.Value(Settings)),
            ["apply-to"] = invocation.Value(ApplyTo),
            ["priority"] = invocation.Value(Priority),
        };
        bool isNew = await invocation.Admin.PutAsync(AdminClient.Path(Kind(invocation), invocation.VirtualHost, name), body, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done(isNew ? $"Policy '{name}' set." : $"Policy '{name}' replaced.", "created", isNew);
    }

    private static async Task<int> DeleteAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        await invocation.Admin.DeleteAsync(AdminClient.Path(Kind(invocation), invocation.VirtualHost, name), invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"Policy '{name}' deleted.", "deleted", name);
    }
}
