namespace Sluice.Protocols.Kafka.Acls;

/// <summary>Permissions in words, for the log.</summary>
internal static class AclWords
{
    /// <summary>As in "topic 'orders'".</summary>
    public static string Resource(AclResourceType type, string name) => type == AclResourceType.Cluster ? "the cluster" : $"{Kind(type)} '{name}'";

    /// <summary>As in "User:alice from any address may Read topics whose names begin with 'orders'".</summary>
    public static string Entry(Acl acl)
    {
        string who = acl.Principal == Acl.AllUsers ? "every user" : acl.Principal;
        string from = acl.Host == Acl.Wildcard ? "any address" : acl.Host;
        string what = acl.Operation == AclOperation.All ? "do everything with" : acl.Operation.ToString();
        string where = acl.Type == AclResourceType.Cluster ? "the cluster"
            : acl.Pattern == AclPatternType.Prefixed ? $"every {Kind(acl.Type)} whose name begins with '{acl.Name}'"
            : acl.Name == Acl.Wildcard ? $"every {Kind(acl.Type)}"
            : Resource(acl.Type, acl.Name);
        return $"{who} from {from} may {(acl.Permission == AclPermission.Deny ? "not " : "")}{what} {where}";
    }

    private static string Kind(AclResourceType type) => type switch
    {
        AclResourceType.Topic => "topic",
        AclResourceType.Group => "group",
        AclResourceType.TransactionalId => "transactional id",
        AclResourceType.Cluster => "cluster",
        AclResourceType.User => "user",
        _ => type.ToString(),
    };
}
