namespace Sluice.Protocols.Kafka.Groups;

/// <summary>Which groups may change their protocol while they have members (Kafka's group.consumer.migration.policy, KIP-848).</summary>
public enum GroupMigrationPolicy
{
    /// <summary>Groups change to the consumer protocol when a member joins with it, and back when the last such member has gone.</summary>
    Bidirectional,

    /// <summary>Groups change to the consumer protocol only.</summary>
    Upgrade,

    /// <summary>Groups change back to the classic protocol only.</summary>
    Downgrade,

    /// <summary>No group with members changes its protocol.</summary>
    Disabled,
}
