using System.CommandLine;
using System.Text.Json.Nodes;
using Sluice.Commands.Client;
using Spectre.Console;

namespace Sluice.Commands.Verbs;

/// <summary>sluice user list|declare|passwd|tags|delete|permissions|permit|forbid.</summary>
internal static class UserVerbs
{
    /// <summary>The pattern that only the empty name is like.</summary>
    private const string Nothing = "^$";

    private static readonly Argument<string> Name = new("name") { Description = "Name of the user." };
    private static readonly Argument<string[]> Tags = new("tags") { Description = "administrator, monitoring, policymaker, management, impersonator; none takes all away.", Arity = ArgumentArity.ZeroOrMore };
    private static readonly Option<string[]> TagOption = new("--tag") { Description = "Tag, such as administrator; repeatable.", DefaultValueFactory = _ => [] };
    private static readonly Option<string?> NewPassword = new("--new-password") { Description = "The user's password; asked for (or read from standard input) when not given." };
    private static readonly Option<string?> Configure = Pattern("--configure", "declare and delete");
    private static readonly Option<string?> Write = Pattern("--write", "publish to, or bind");
    private static readonly Option<string?> Read = Pattern("--read", "consume from, or bind to");

    public static Command Create()
    {
        Command declare = Invocation.Verb("declare", "Create a user.", DeclareAsync).With(Name, TagOption, NewPassword).WithAdmin();
        declare.Aliases.Add("add");
        return new Command("user", "List, create and delete users; passwords, tags and permissions.").With(
            Listing.Verb("List the users.", _ => AdminClient.Path("users"), new Column("name", "name"), new Column("tags", "tags"), new Column("logs in by", "mechanisms"), new Column("limits", "limits")),
            declare,
            Invocation.Verb("passwd", "Change a user's password.", PasswordAsync).With(Name, NewPassword).WithAdmin(),
            Invocation.Verb("tags", "Set a user's tags.", TagsAsync).With(Name, Tags).WithAdmin(),
            Invocation.Verb("delete", "Delete a user and its permissions, and close its connections.", DeleteAsync).With(Name).WithAdmin(),
            Invocation.Verb("permissions", "Show what a user may do.", PermissionsAsync).With(Name).WithAdmin(),
            Invocation.Verb("permit", "Set what a user may do in a virtual host: regular expressions on names. What is left out stays as it is, which is nothing for a user without permissions.", PermitAsync).With(Name, Configure, Write, Read).WithVirtualHost().WithAdmin(),
            Invocation.Verb("forbid", "Take a user's permissions in a virtual host away.", ForbidAsync).With(Name).WithVirtualHost().WithAdmin());
    }

    private static Option<string?> Pattern(string name, string what) => new(name) { Description = $"Names of queues, exchanges, topics and groups that it may {what}; .* is all, ^$ none.", HelpName = "regex" };

    private static async Task<int> DeclareAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        string path = AdminClient.Path("users", name);
        if (await invocation.Admin.FindAsync(path, invocation.Cancel).ConfigureAwait(false) is not null)
        {
            throw new CommandException($"There is a user '{name}' already. Change it with 'sluice user passwd' or 'sluice user tags'.");
        }

        JsonObject body = new() { ["password"] = AskPassword(invocation, name), ["tags"] = string.Join(',', invocation.Value(TagOption)) };
        await invocation.Admin.PutAsync(path, body, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"User '{name}' created. It may do nothing yet: see 'sluice user permit', for Kafka clients also 'sluice acl add'.", "created", true);
    }

    private static async Task<int> PasswordAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        JsonNode user = await invocation.Admin.GetAsync(AdminClient.Path("users", name), invocation.Cancel).ConfigureAwait(false);
        JsonObject body = new() { ["password"] = AskPassword(invocation, name), ["tags"] = user["tags"]!.DeepClone() };
        await invocation.Admin.PutAsync(AdminClient.Path("users", name), body, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"The password of '{name}' is changed.", "changed", true);
    }

    private static async Task<int> TagsAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        JsonNode user = await invocation.Admin.GetAsync(AdminClient.Path("users", name), invocation.Cancel).ConfigureAwait(false);
        JsonObject body = new()
        {
            ["password_hash"] = user["password_hash"]!.DeepClone(),
            ["hashing_algorithm"] = user["hashing_algorithm"]!.DeepClone(),
            ["tags"] = string.Join(',', invocation.Value(Tags)),
        };
        await invocation.Admin.PutAsync(AdminClient.Path("users", name), body, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"The tags of '{name}' are set.", "changed", true);
    }

    private static async Task<int> DeleteAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        await invocation.Admin.DeleteAsync(AdminClient.Path("users", name), invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"User '{name}' deleted.", "deleted", name);
    }

    private static async Task<int> PermissionsAsync(Invocation invocation)
    {
        JsonNode permissions = await invocation.Admin.GetAsync(AdminClient.Path("users", invocation.Value(Name), "permissions"), invocation.Cancel).ConfigureAwait(false);
        return Listing.Show(invocation, permissions, new Column("vhost", "vhost"), new Column("configure", "configure"), new Column("write", "write"), new Column("read", "read"));
    }

    private static async Task<int> PermitAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        if (!invocation.Has(Configure) && !invocation.Has(Write) && !invocation.Has(Read))
        {
            throw new CommandException("Say what is permitted: at least one of --configure, --write and --read, such as --read '^orders$' or, for all, --read '.*'.");
        }

        string path = AdminClient.Path("permissions", invocation.VirtualHost, name);
        JsonNode? before = await invocation.Admin.FindAsync(path, invocation.Cancel).ConfigureAwait(false);
        JsonObject body = new() { ["configure"] = Of(Configure, "configure"), ["write"] = Of(Write, "write"), ["read"] = Of(Read, "read") };
        await invocation.Admin.PutAsync(path, body, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"The permissions of '{name}' in virtual host '{invocation.VirtualHost}' are set: configure '{body["configure"]}', write '{body["write"]}', read '{body["read"]}'.", "changed", true);

        string Of(Option<string?> pattern, string member) => invocation.Value(pattern) ?? before?[member]?.ToString() ?? Nothing;
    }

    private static async Task<int> ForbidAsync(Invocation invocation)
    {
        string name = invocation.Value(Name);
        await invocation.Admin.DeleteAsync(AdminClient.Path("permissions", invocation.VirtualHost, name), invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"'{name}' may not enter virtual host '{invocation.VirtualHost}' any more.", "deleted", name);
    }

    private static string AskPassword(Invocation invocation, string name)
    {
        string? password = invocation.Value(NewPassword)
            ?? (Console.IsInputRedirected ? Console.In.ReadLine() : AnsiConsole.Prompt(new TextPrompt<string>($"Password for {Markup.Escape(name)}:").Secret()));
        return password is { Length: > 0 } ? password : throw new CommandException("The password is empty: give one with --new-password, on standard input or when asked.");
    }
}
