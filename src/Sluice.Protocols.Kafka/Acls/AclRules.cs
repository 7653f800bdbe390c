namespace Sluice.Protocols.Kafka.Acls;

/// <summary>Which entries there can be.</summary>
internal static class AclRules
{
    /// <summary>Characters that a name in an entry may have; Kafka's names are much shorter.</summary>
    private const int NameCharsMax = 1024;

    /// <summary>What who adds too many is told.</summary>
    public static string TooMany => $"There would be more than {AclStore.EntriesMax} entries.";

    /// <summary>Says what is wrong with an entry; null: nothing.</summary>
    public static string? Problem(Acl acl) =>
        acl.Type is AclResourceType.DelegationToken or AclResourceType.User ? $"Entries for resource type {acl.Type} are not served: there are no delegation tokens here."
        : acl.Type is < AclResourceType.Topic or > AclResourceType.User ? $"Invalid resourceType {acl.Type}"
        : acl.Pattern is not (AclPatternType.Literal or AclPatternType.Prefixed) ? $"Invalid patternType {acl.Pattern}"
        : acl.Operation is < AclOperation.All or > AclOperation.TwoPhaseCommit ? $"Invalid operation {acl.Operation}"
        : acl.Permission is not (AclPermission.Allow or AclPermission.Deny) ? $"Invalid permissionType {acl.Permission}"
        : acl.Name.Length == 0 ? "Invalid empty resource name"
        : acl.Type == AclResourceType.Cluster && acl.Name != ClientAccess.ClusterName ? $"The only valid name for the CLUSTER resource is {ClientAccess.ClusterName}"
        : !acl.Principal.StartsWith(Acl.UserPrefix, StringComparison.Ordinal) || acl.Principal.Length == Acl.UserPrefix.Length ? $"The principal '{acl.Principal}' is not of the form User:NAME, which is the only one here"
        : acl.Host.Length == 0 ? "Invalid empty host"
        : acl.Name.Length > NameCharsMax || acl.Principal.Length > NameCharsMax || acl.Host.Length > NameCharsMax ? $"A name, principal or host has more than {NameCharsMax} characters"
        : null;
}
