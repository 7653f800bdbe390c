using System.CommandLine;
using Sluice.Commands.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice vhost list|declare|delete.</summary>
internal static class VirtualHostVerbs
{
    private static readonly Argument<string> Name = new("name") { Description = "Name of the virtual host." };

    public static Command Create() => new Command("vhost", "List, create and delete virtual hosts.").With(
        Listing.Verb(
            "List the virtual hosts.",
            _ => AdminClient.Path("vhosts"),
            new Column("name", "name"),
            new Column("ready", "messages_ready"),
            new Column("unacknowledged", "messages_unacknowledged")),
        Invocation.Verb("declare", "Create a virtual host; its creator may do everything in it.", DeclareAsync).With(Name).WithAdmin(),
        Invocation.Verb("delete", "Delete a virtual host with all that is in it, and close its connections.", DeleteAsync).With(Name).WithAdmin());

    private static async Task<int> DeclareAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        bool isNew = await invocation.Admin.PutAsync(AdminClient.Path("vhosts", name), [], invocation.Cancel).ConfigureAwait(false);
        return invocation.Done(isNew ? $"Virtual host '{name}' created." : $"Virtual host '{name}' was there already.", "created", isNew);
    }

    private static async Task<int> DeleteAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        await invocation.Admin.DeleteAsync(AdminClient.Path("vhosts", name), invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"Virtual host '{name}' deleted.", "deleted", name);
    }
}
