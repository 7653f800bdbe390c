namespace Sluice.Protocols.Kafka.Acls;

/// <summary>Kinds of resources, by Kafka's codes on the wire. Persisted: values only grow.</summary>
internal enum AclResourceType : byte
{
    Unknown = 0,
    Any = 1,
    Topic = 2,
    Group = 3,
    Cluster = 4,
    TransactionalId = 5,
    DelegationToken = 6,
    User = 7,
}

/// <summary>How a name is compared, by Kafka's codes on the wire (KIP-290). Persisted: values only grow.</summary>
internal enum AclPatternType : byte
{
    Unknown = 0,
    Any = 1,
    Match = 2,
    Literal = 3,
    Prefixed = 4,
}

/// <summary>What an entry does, by Kafka's codes on the wire. Persisted: values only grow.</summary>
internal enum AclPermission : byte
{
    Unknown = 0,
    Any = 1,
    Deny = 2,
    Allow = 3,
}

/// <summary>What the list says to a request.</summary>
internal enum AclVerdict : byte
{
    /// <summary>Nothing.</summary>
    None,
    Allowed,
    Denied,
}
