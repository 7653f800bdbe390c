using System.CommandLine;
using Sluice.Commands.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice connection list|close.</summary>
internal static class ConnectionVerbs
{
    private static readonly Argument<string> Name = new("name") { Description = "Name of the connection, as 'sluice connection list' shows it." };

    public static Command Create() => new Command("connection", "List and close client connections.").With(
        Listing.Verb(
            "List the connections.",
            _ => AdminClient.Path("connections"),
            new Column("name", "name"),
            new Column("client", "user_provided_name"),
            new Column("user", "user"),
            new Column("vhost", "vhost"),
            new Column("protocol", "protocol"),
            new Column("state", "state"),
            new Column("channels", "channels"),
            new Column("tls", "ssl"),
            new Column("software", "client_software_name"),
            new Column("version", "client_software_version")),
        Invocation.Verb("close", "Close a connection; an AMQP client is told why.", CloseAsync).With(Name).WithAdmin());

    private static async Task<int> CloseAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        await invocation.Admin.DeleteAsync(AdminClient.Path("connections", name), invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"Connection '{name}' closed.", "closed", name);
    }
}
