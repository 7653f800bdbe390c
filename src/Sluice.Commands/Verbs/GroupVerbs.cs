using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Sluice.Commands.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice group list|show.</summary>
internal static class GroupVerbs
{
    private static readonly Argument<string> Name = new("name") { Description = "Name of the group." };

    public static Command Create() => new Command("group", "List consumer groups and share groups, and show one.").With(
        Listing.Verb(
            "List the groups of a virtual host.",
            invocation => AdminClient.Path("groups", invocation.VirtualHost),
            new Column("name", "name"),
            new Column("type", "type"),
            new Column("state", "state"),
            new Column("protocol", "protocol"),
            new Column("members", "members"),
            new Column("partitions", "partitions"),
            new Column("lag", "lag")).WithVirtualHost(),
        Invocation.Verb("show", "Show where a group is in each partition and how far behind.", ShowAsync).With(Name).WithVirtualHost().WithAdmin());

    private static async Task<int> ShowAsync(Invocation invocation)
    {
        JsonNode group = await invocation.Admin.GetAsync(AdminClient.Path("groups", invocation.VirtualHost, invocation.Value(Name)), invocation.Cancel).ConfigureAwait(false);
        if (!invocation.Json)
        {
            string protocol = group["protocol"]?.ToString() is { Length: > 0 } name ? $", {name}" : "";
            invocation.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{group["type"]} group '{group["name"]}': {group["state"]}{protocol}, {group["members"]} members, lag {(group["lag"] is { } lag ? lag.GetValue<long>().ToString("N0", CultureInfo.InvariantCulture) : "not known")}"));
        }

        return Listing.Show(
            invocation,
            invocation.Json ? group : group["partition_details"]!,
            new Column("topic", "topic"),
            new Column("partition", "partition"),
            new Column("offset", "offset"),
            new Column("end offset", "end_offset"),
            new Column("lag", "lag"),
            new Column("member", "member"),
            new Column("client", "client_id"),
            new Column("host", "host"));
    }
}
