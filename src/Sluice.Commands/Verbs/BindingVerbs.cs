using System.CommandLine;
using System.Text.Json.Nodes;
using Sluice.Commands.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice binding list|declare|delete.</summary>
internal static class BindingVerbs
{
    private static readonly Argument<string> Source = new("exchange") { Description = "Exchange that messages come from." };
    private static readonly Argument<string> Destination = new("destination") { Description = "Queue or topic that they go to; with --to-exchange an exchange." };
    private static readonly Option<bool> ToExchange = new("--to-exchange") { Description = "The destination is an exchange." };
    private static readonly Option<string> Key = new("--key") { Description = "Routing key of the binding.", DefaultValueFactory = _ => "" };
    private static readonly Option<string[]> Arguments = KeyValues.Option("--argument", "x-match=all", "Argument");

    public static Command Create() => new Command("binding", "List, declare and delete bindings.").With(
        Listing.Verb(
            "List the bindings of a virtual host. Every queue and topic is bound to the nameless exchange by its name.",
            invocation => AdminClient.Path("bindings", invocation.VirtualHost),
            new Column("exchange", "source"),
            new Column("destination", "destination"),
            new Column("kind", "destination_type"),
            new Column("key", "routing_key"),
            new Column("arguments", "arguments")).WithVirtualHost(),
        Invocation.Verb("declare", "Bind a queue, topic or exchange to an exchange; no change if it is bound already.", DeclareAsync).With(Source, Destination, ToExchange, Key, Arguments).WithVirtualHost().WithAdmin(),
        Invocation.Verb("delete", "Remove a binding.", DeleteAsync).With(Source, Destination, ToExchange, Key, Arguments).WithVirtualHost().WithAdmin());

    private static string Path(Invocation invocation) =>
        AdminClient.Path("bindings", invocation.VirtualHost, "e", invocation.Value(Source), invocation.Value(ToExchange) ? "e" : "q", invocation.Value(Destination));

    private static async Task<int> DeclareAsync(Invocation invocation)
    {
        JsonObject body = new() { ["routing_key"] = invocation.Value(Key), ["arguments"] = KeyValues.ToJson(invocation.Value(Arguments)) };
        await invocation.Admin.PostAsync(Path(invocation), body, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"'{invocation.Value(Destination)}' is bound to '{invocation.Value(Source)}'.", "bound", true);
    }

    private static async Task<int> DeleteAsync(Invocation invocation)
    {
        JsonObject arguments = KeyValues.ToJson(invocation.Value(Arguments));
        JsonNode bindings = await invocation.Admin.GetAsync(Path(invocation), invocation.Cancel).ConfigureAwait(false);
        JsonNode found = bindings.AsArray().FirstOrDefault(binding => binding?["routing_key"]?.ToString() == invocation.Value(Key) && JsonNode.DeepEquals(binding["arguments"], arguments))
            ?? throw new CommandException($"There is no binding of '{invocation.Value(Destination)}' to '{invocation.Value(Source)}' with the key '{invocation.Value(Key)}' and these arguments. See 'sluice binding list'.");
        await invocation.Admin.DeleteAsync($"{Path(invocation)}/{Uri.EscapeDataString(found["properties_key"]!.ToString())}", invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"'{invocation.Value(Destination)}' is not bound to '{invocation.Value(Source)}' by '{invocation.Value(Key)}' any more.", "deleted", true);
    }
}
