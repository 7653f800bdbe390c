using System.CommandLine;
using System.Text.Json.Nodes;
using Sluice.Commands.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice queue list|declare|delete.</summary>
internal static class QueueVerbs
{
    private static readonly Argument<string> Name = new("name") { Description = "Name of the queue." };
    private static readonly Option<string> Type = new Option<string>("--type") { Description = "Kind of queue.", DefaultValueFactory = _ => "classic" }.AcceptedFrom("classic", "quorum", "stream");
    private static readonly Option<bool> Transient = new("--transient") { Description = "Gone after a restart; queues are durable otherwise." };
    private static readonly Option<bool> AutoDelete = new("--auto-delete") { Description = "Deleted with its last consumer." };
    private static readonly Option<string[]> Arguments = KeyValues.Option("--argument", "x-message-ttl=60000", "Argument");
    private static readonly Option<bool> Internal = new("--internal") { Description = "Also partitions of the broker's own topics." };
    private static readonly Option<bool> IfUnused = new("--if-unused") { Description = "Only if it has no consumers." };
    private static readonly Option<bool> IfEmpty = new("--if-empty") { Description = "Only if it has no messages." };

    public static Command Create() => new Command("queue", "List, declare and delete queues.").With(
        Listing.Verb(
            "List the queues of a virtual host.",
            invocation => AdminClient.Path("queues", invocation.VirtualHost) + (invocation.Value(Internal) ? "?internal=true" : ""),
            new Column("name", "name"),
            new Column("type", "type"),
            new Column("durable", "durable"),
            new Column("ready", "messages_ready"),
            new Column("unacknowledged", "messages_unacknowledged"),
            new Column("consumers", "consumers"),
            new Column("policy", "policy"),
            new Column("arguments", "arguments")).With(Internal).WithVirtualHost(),
        Invocation.Verb("declare", "Declare a queue; no change if it is there with the same properties.", DeclareAsync).With(Name, Type, Transient, AutoDelete, Arguments).WithVirtualHost().WithAdmin(),
        Invocation.Verb("delete", "Delete a queue, stream or topic and the messages in it.", DeleteAsync).With(Name, IfUnused, IfEmpty).WithVirtualHost().WithAdmin());

    /// <summary>Fluent form of what an option accepts.</summary>
    public static Option<string> AcceptedFrom(this Option<string> option, params string[] values)
    {
        option.AcceptOnlyFromAmong(values);
        return option;
    }

    private static async Task<int> DeclareAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        JsonObject arguments = KeyValues.ToJson(invocation.Value(Arguments));
        if (invocation.Has(Type))
        {
            arguments["x-queue-type"] = invocation.Value(Type);
        }

        JsonObject body = new() { ["durable"] = !invocation.Value(Transient), ["auto_delete"] = invocation.Value(AutoDelete), ["arguments"] = arguments };
        bool isNew = await invocation.Admin.PutAsync(AdminClient.Path("queues", invocation.VirtualHost, name), body, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done(isNew ? $"Queue '{name}' declared." : $"Queue '{name}' was there already.", "created", isNew);
    }

    private static async Task<int> DeleteAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        string path = AdminClient.Path("queues", invocation.VirtualHost, name);

        // A topic goes by this name too, but with more than a queue has.
        JsonNode? topic = await invocation.Admin.FindAsync(AdminClient.Path("topics", invocation.VirtualHost, name), invocation.Cancel).ConfigureAwait(false);
        string query = $"?if-unused={(invocation.Value(IfUnused) ? "true" : "false")}&if-empty={(invocation.Value(IfEmpty) ? "true" : "false")}";
        await invocation.Admin.DeleteAsync(path + query, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done(
            topic?["type"]?.ToString() switch
            {
                "topic" => $"Topic '{name}' deleted: it was no queue, but a topic of {Partitions(topic)}, whose records are gone with it.",
                "stream" => $"Stream '{name}' deleted.",
                _ => $"Queue '{name}' deleted.",
            },
            "deleted",
            name);

        static string Partitions(JsonNode topic) => topic["partitions"]?.GetValue<int>() is int count and not 1 ? $"{count} partitions" : "1 partition";
    }
}
