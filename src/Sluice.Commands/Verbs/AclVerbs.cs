using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Client.Administering;
using Sluice.Commands.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice acl list|add|remove: Kafka's access list, by Kafka's protocol.</summary>
internal static class AclVerbs
{
    private const string User = "User:";

    private static readonly Argument<string> Principal = new("user") { Description = "Whom it is about: a user's name, or * for everybody. User:NAME is the same." };
    private static readonly Argument<string> Operation = new("operation") { Description = "all, read, write, create, delete, alter, describe, cluster-action, describe-configs, alter-configs, idempotent-write." };
    private static readonly Option<string?> OfUser = new("--of") { Description = "Only entries about this user; * is everybody.", HelpName = "user" };
    private static readonly Option<string?> Topic = new("--topic") { Description = "A topic; * is all.", HelpName = "name" };
    private static readonly Option<string?> Group = new("--group") { Description = "A group; * is all.", HelpName = "name" };
    private static readonly Option<string?> TransactionalId = new("--transactional-id") { Description = "A transactional id; * is all.", HelpName = "id" };
    private static readonly Option<bool> Cluster = new("--cluster") { Description = "The cluster." };
    private static readonly Option<bool> Prefix = new("--prefix") { Description = "The name is how names begin." };
    private static readonly Option<bool> Deny = new("--deny") { Description = "It may not; a denial counts most." };
    private static readonly Option<string> From = new("--from") { Description = "Only from this address (any).", HelpName = "address", DefaultValueFactory = _ => AclEntry.Wildcard };

    public static Command Create() => new Command("acl", "List, add and remove entries of Kafka's access list, which holds on Kafka listeners only.").With(
        Invocation.Verb("list", "List the entries.", ListAsync).With(OfUser, Topic, Group, TransactionalId, Cluster).WithKafka(),
        Invocation.Verb("add", "Add an entry; no change if it is there.", AddAsync).With(Principal, Operation, Topic, Group, TransactionalId, Cluster, Prefix, Deny, From).WithKafka(),
        Invocation.Verb("remove", "Remove an entry, named as it was added.", RemoveAsync).With(Principal, Operation, Topic, Group, TransactionalId, Cluster, Prefix, Deny, From).WithKafka());

    private static Task<int> ListAsync(Invocation invocation) => invocation.AdministerKafkaAsync(async admin =>
    {
        (AclResourceType Type, string Name)? resource = Resource(invocation);
        AclFilter filter = new() { Resource = resource?.Type, Name = resource?.Name, Principal = invocation.Value(OfUser) is { } user ? ToPrincipal(user) : null };
        IReadOnlyList<AclEntry> entries = await admin.ListAclsAsync(filter, invocation.Cancel).ConfigureAwait(false);
        JsonArray rows = [.. entries.Select(ToJson).OrderBy(static row => row.ToJsonString(), StringComparer.Ordinal)];
        return Listing.Show(
            invocation,
            rows,
            new Column("user", "principal"),
            new Column("from", "host"),
            new Column("permission", "permission"),
            new Column("operation", "operation"),
            new Column("resource", "resource_type"),
            new Column("pattern", "pattern_type"),
            new Column("name", "resource_name"));
    });

    private static Task<int> AddAsync(Invocation invocation)
    {
        AclEntry entry = Entry(invocation);
        return invocation.AdministerKafkaAsync(async admin =>
        {
            await admin.AddAclAsync(entry, invocation.Cancel).ConfigureAwait(false);
            return invocation.Done($"The access list says: {InWords(entry)}.", "added", true);
        });
    }

    private static Task<int> RemoveAsync(Invocation invocation)
    {
        AclEntry entry = Entry(invocation);
        return invocation.AdministerKafkaAsync(async admin => await admin.RemoveAclsAsync(AclFilter.Of(entry), invocation.Cancel).ConfigureAwait(false) > 0
            ? invocation.Done($"The access list does not say any more: {InWords(entry)}.", "removed", true)
            : throw new CommandException($"There is no entry: {InWords(entry)}. 'sluice acl list' shows those there are."));
    }

    private static AclEntry Entry(Invocation invocation)
    {
        (AclResourceType type, string name) = Resource(invocation) ?? throw new CommandException($"Say of what: {Topic.Name}, {Group.Name}, {TransactionalId.Name} or {Cluster.Name}.");
        return new AclEntry(
            type,
            invocation.Value(Prefix) ? AclPatternType.Prefixed : AclPatternType.Literal,
            name,
            ToPrincipal(invocation.Value(Principal)),
            invocation.Value(From),
            ToOperation(invocation.Value(Operation)),
            invocation.Value(Deny) ? AclPermission.Deny : AclPermission.Allow);
    }

    /// <summary>Null: none is named.</summary>
    private static (AclResourceType Type, string Name)? Resource(Invocation invocation)
    {
        (AclResourceType, string)[] named =
        [
            .. new[] { (AclResourceType.Topic, invocation.Value(Topic)), (AclResourceType.Group, invocation.Value(Group)), (AclResourceType.TransactionalId, invocation.Value(TransactionalId)), (AclResourceType.Cluster, invocation.Value(Cluster) ? AclEntry.ClusterName : null) }
                .Where(static one => one.Item2 is not null).Select(static one => (one.Item1, one.Item2!)),
        ];
        return named.Length <= 1 ? named.Cast<(AclResourceType, string)?>().FirstOrDefault()
            : throw new CommandException($"An entry is about one thing: only one of {Topic.Name}, {Group.Name}, {TransactionalId.Name} and {Cluster.Name}.");
    }

    private static string ToPrincipal(string user) => user.StartsWith(User, StringComparison.Ordinal) ? user : User + user;

    private static AclOperation ToOperation(string text) =>
        Enum.GetValues<AclOperation>().Cast<AclOperation?>().FirstOrDefault(operation => string.Equals(operation.ToString(), text.Replace("-", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase))
        ?? throw new CommandException($"The operation cannot be '{text}': one of {string.Join(", ", Enum.GetValues<AclOperation>().Select(static operation => JsonNamingPolicy.KebabCaseLower.ConvertName(operation.ToString())))} is expected.");

    /// <summary>As definitions have it.</summary>
    private static JsonObject ToJson(AclEntry entry) => new()
    {
        ["principal"] = entry.Principal,
        ["host"] = entry.Host,
        ["permission"] = NameOf(entry.Permission),
        ["operation"] = NameOf(entry.Operation),
        ["resource_type"] = NameOf(entry.Resource),
        ["pattern_type"] = NameOf(entry.Pattern),
        ["resource_name"] = entry.Name,
    };

    private static string NameOf<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    private static string InWords(AclEntry entry)
    {
        string who = entry.Principal == User + AclEntry.Wildcard ? "every user" : entry.Principal;
        string from = entry.Host == AclEntry.Wildcard ? "any address" : entry.Host;
        string what = entry.Operation == AclOperation.All ? "do everything with" : entry.Operation.ToString();
        string kind = NameOf(entry.Resource).Replace('_', ' ');
        string where = entry.Resource == AclResourceType.Cluster ? "the cluster"
            : entry.Pattern == AclPatternType.Prefixed ? $"every {kind} whose name begins with '{entry.Name}'"
            : entry.Name == AclEntry.Wildcard ? $"every {kind}"
            : $"{kind} '{entry.Name}'";
        return $"{who} from {from} may {(entry.Permission == AclPermission.Deny ? "not " : "")}{what} {where}";
    }
}
