using System.CommandLine;
using System.Text.Json.Nodes;
using Sluice.Commands.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice exchange list|declare|delete.</summary>
internal static class ExchangeVerbs
{
    private static readonly Argument<string> Name = new("name") { Description = "Name of the exchange." };
    private static readonly Option<string> Type = new("--type") { Description = "direct, fanout, topic, headers, x-consistent-hash, x-delayed-message.", DefaultValueFactory = _ => "direct" };
    private static readonly Option<bool> Transient = new("--transient") { Description = "Gone after a restart; exchanges are durable otherwise." };
    private static readonly Option<bool> AutoDelete = new("--auto-delete") { Description = "Deleted with its last binding." };
    private static readonly Option<bool> Internal = new("--internal") { Description = "Takes messages from other exchanges only." };
    private static readonly Option<string[]> Arguments = KeyValues.Option("--argument", "alternate-exchange=other", "Argument");
    private static readonly Option<bool> IfUnused = new("--if-unused") { Description = "Only if nothing is bound to it." };

    public static Command Create() => new Command("exchange", "List, declare and delete exchanges.").With(
        Listing.Verb(
            "List the exchanges of a virtual host.",
            invocation => AdminClient.Path("exchanges", invocation.VirtualHost),
            new Column("name", "name"),
            new Column("type", "type"),
            new Column("durable", "durable"),
            new Column("auto-delete", "auto_delete"),
            new Column("internal", "internal"),
            new Column("policy", "policy"),
            new Column("arguments", "arguments")).WithVirtualHost(),
        Invocation.Verb("declare", "Declare an exchange; no change if it is there with the same properties.", DeclareAsync).With(Name, Type, Transient, AutoDelete, Internal, Arguments).WithVirtualHost().WithAdmin(),
        Invocation.Verb("delete", "Delete an exchange and its bindings.", DeleteAsync).With(Name, IfUnused).WithVirtualHost().WithAdmin());

    private static async Task<int> DeclareAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        JsonObject body = new()
        {
            ["type"] = invocation.Value(Type),
            ["durable"] = !invocation.Value(Transient),
            ["auto_delete"] = invocation.Value(AutoDelete),
            ["internal"] = invocation.Value(Internal),
            ["arguments"] = KeyValues.ToJson(invocation.Value(Arguments)),
        };
        bool isNew = await invocation.Admin.PutAsync(AdminClient.Path("exchanges", invocation.VirtualHost, name), body, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done(isNew ? $"Exchange '{name}' declared." : $"Exchange '{name}' was there already.", "created", isNew);
    }

    private static async Task<int> DeleteAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        string query = invocation.Value(IfUnused) ? "?if-unused=true" : "";
        await invocation.Admin.DeleteAsync(AdminClient.Path("exchanges", invocation.VirtualHost, name) + query, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"Exchange '{name}' deleted.", "deleted", name);
    }
}
