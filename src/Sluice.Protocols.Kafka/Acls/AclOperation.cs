namespace Sluice.Protocols.Kafka.Acls;

/// <summary>Operations that Kafka's permissions speak of, by their codes on the wire (KIP-140). Persisted: values only grow.</summary>
internal enum AclOperation : byte
{
    Unknown = 0,
    Any = 1,
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
