namespace Sluice.Protocols.Kafka.Acls;

/// <summary>Which entries are meant; null and Any stand for all.</summary>
/// <param name="Type">Kind of resource.</param>
/// <param name="Name">The name in the entry; with <see cref="AclPatternType.Match"/> that of a resource to which the entry says something.</param>
/// <param name="Pattern">How names are compared.</param>
/// <param name="Principal">Exactly.</param>
/// <param name="Host">Exactly.</param>
/// <param name="Operation">Exactly.</param>
/// <param name="Permission">Exactly.</param>
internal sealed record AclFilter(AclResourceType Type, string? Name, AclPatternType Pattern, string? Principal, string? Host, AclOperation Operation, AclPermission Permission)
{
    /// <summary>What is wrong with it; null: nothing.</summary>
    public string? Problem =>
        Type is AclResourceType.Unknown or > AclResourceType.User || Pattern is AclPatternType.Unknown or > AclPatternType.Prefixed ? "Unknown patternFilter."
        : Operation is AclOperation.Unknown or > AclOperation.TwoPhaseCommit || Permission is AclPermission.Unknown or > AclPermission.Allow ? "Unknown entryFilter."
        : null;

    public bool Matches(Acl acl) =>
        (Type == AclResourceType.Any || Type == acl.Type)
        && MatchesName(acl)
        && (Principal is null || Principal == acl.Principal)
        && (Host is null || Host == acl.Host)
        && (Operation == AclOperation.Any || Operation == acl.Operation)
        && (Permission == AclPermission.Any || Permission == acl.Permission);

    private bool MatchesName(Acl acl) => Pattern switch
    {
        AclPatternType.Match => Name is null || Name == acl.Name || (acl.Pattern == AclPatternType.Prefixed ? Name.StartsWith(acl.Name, StringComparison.Ordinal) : acl.Name == Acl.Wildcard),
        AclPatternType.Any => Name is null || Name == acl.Name,
        _ => Pattern == acl.Pattern && (Name is null || Name == acl.Name),
    };
}
