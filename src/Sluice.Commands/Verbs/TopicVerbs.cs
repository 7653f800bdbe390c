using System.CommandLine;
using System.Text.Json.Nodes;
using Sluice.Commands.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice topic list|show.</summary>
internal static class TopicVerbs
{
    private static readonly Argument<string> Name = new("name") { Description = "Name of the topic." };
    private static readonly Option<bool> Internal = new("--internal") { Description = "Also the broker's own topics." };

    public static Command Create() => new Command("topic", "List topics, as Kafka clients know them, and show one.").With(
        Listing.Verb(
            "List the topics and streams of a virtual host.",
            invocation => AdminClient.Path("topics", invocation.VirtualHost) + (invocation.Value(Internal) ? "?internal=true" : ""),
            new Column("name", "name"),
            new Column("type", "type"),
            new Column("partitions", "partitions"),
            new Column("messages", "messages"),
            new Column("bytes", "bytes"),
            new Column("internal", "internal"),
            new Column("config", "config")).With(Internal).WithVirtualHost(),
        Invocation.Verb("show", "Show the partitions of a topic.", ShowAsync).With(Name).WithVirtualHost().WithAdmin());

    private static async Task<int> ShowAsync(Invocation invocation)
    {
        JsonNode topic = await invocation.Admin.GetAsync(AdminClient.Path("topics", invocation.VirtualHost, invocation.Value(Name)), invocation.Cancel).ConfigureAwait(false);
        return Listing.Show(
            invocation,
            invocation.Json ? topic : topic["partition_details"]!,
            new Column("partition", "partition"),
            new Column("state", "state"),
            new Column("first offset", "start_offset"),
            new Column("end offset", "end_offset"),
            new Column("stable offset", "last_stable_offset"),
            new Column("bytes", "bytes"));
    }
}
