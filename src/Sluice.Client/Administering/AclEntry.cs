namespace Sluice.Client.Administering;

/// <summary>Kinds of resources that entries of the access list are about, by Kafka's codes.</summary>
public enum AclResourceType
{
    Topic = 2,
    Group = 3,

    /// <summary>Its name is always <see cref="AclEntry.ClusterName"/>.</summary>
    Cluster = 4,
    TransactionalId = 5,
    DelegationToken = 6,
    User = 7,
}

/// <summary>How the name in an entry is compared, by Kafka's codes (KIP-290).</summary>
public enum AclPatternType
{
    /// <summary>With the whole name; <see cref="AclEntry.Wildcard"/> stands for all.</summary>
    Literal = 3,

    /// <summary>With the beginning of names.</summary>
    Prefixed = 4,
}

/// <summary>What an entry is about, by Kafka's codes.</summary>
public enum AclOperation
{
    /// <summary>Everything.</summary>
    All = 2,
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    ClusterAction = 9,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
    CreateTokens = 13,
    DescribeTokens = 14,
    TwoPhaseCommit = 15,
}

/// <summary>What an entry does, by Kafka's codes.</summary>
public enum AclPermission
{
    Deny = 2,
    Allow = 3,
}

/// <summary>An entry of a broker's access list.</summary>
/// <param name="Resource">Kind of resource.</param>
/// <param name="Pattern">How the name is compared.</param>
/// <param name="Name">Of the resource, or its beginning.</param>
/// <param name="Principal">Whom it is about: <c>User:NAME</c>; <c>User:*</c> is everybody.</param>
/// <param name="Host">The client's address; <see cref="Wildcard"/> is any.</param>
/// <param name="Operation">What is done.</param>
/// <param name="Permission">Whether it may be done.</param>
public sealed record AclEntry(AclResourceType Resource, AclPatternType Pattern, string Name, string Principal, string Host, AclOperation Operation, AclPermission Permission)
{
    /// <summary>All names, or any address.</summary>
    public const string Wildcard = "*";

    /// <summary>The name of the only resource of type <see cref="AclResourceType.Cluster"/>.</summary>
    public const string ClusterName = "kafka-cluster";
}

/// <summary>Which entries are meant; what is null may be anything.</summary>
public sealed record AclFilter
{
    public AclResourceType? Resource { get; init; }

    public AclPatternType? Pattern { get; init; }

    /// <summary>As it is in the entry.</summary>
    public string? Name { get; init; }

    public string? Principal { get; init; }

    public string? Host { get; init; }

    public AclOperation? Operation { get; init; }

    public AclPermission? Permission { get; init; }

    /// <summary>Exactly this entry.</summary>
    public static AclFilter Of(AclEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return new()
        {
            Resource = entry.Resource,
            Pattern = entry.Pattern,
            Name = entry.Name,
            Principal = entry.Principal,
            Host = entry.Host,
            Operation = entry.Operation,
            Permission = entry.Permission,
        };
    }
}
