namespace Sluice.Protocols.Kafka.Groups;

/// <summary>Settings of consumer groups. Times in ms.</summary>
public sealed record GroupOptions
{
    /// <summary>Partitions of the internal topic that keeps groups and offsets, when it is made; later ones are as many as it has.</summary>
    public int OffsetsTopicPartitions { get; init; } = 50;

    /// <summary>How long the first rebalance of an empty group waits for more members; 0: not at all.</summary>
    public int InitialRebalanceDelayMs { get; init; } = 3000;

    /// <summary>Shortest session timeout that a member may ask for.</summary>
    public int SessionTimeoutMinMs { get; init; } = 6000;

    /// <summary>Longest session timeout that a member may ask for.</summary>
    public int SessionTimeoutMaxMs { get; init; } = 30 * 60 * 1000;

    /// <summary>Most members of a group.</summary>
    public int MembersMax { get; init; } = 10_000;

    /// <summary>How long a new member may be without an answer to its join before it is taken for gone.</summary>
    public int NewMemberJoinTimeoutMs { get; init; } = 5 * 60 * 1000;

    /// <summary>Longest text that may be committed with an offset, in characters.</summary>
    public int OffsetMetadataMax { get; init; } = 4096;

    /// <summary>How long offsets are kept after their group has become empty.</summary>
    public long OffsetsRetentionMs { get; init; } = 7L * 24 * 60 * 60 * 1000;

    /// <summary>How often expired offsets are looked for.</summary>
    public int RetentionCheckMs { get; init; } = 10 * 60 * 1000;

    /// <summary>Which groups may change their protocol while they have members.</summary>
    public GroupMigrationPolicy MigrationPolicy { get; init; }

    /// <summary>What lies between two assignments that the broker computes for a group whose configuration does not say; 0: nothing.</summary>
    public int AssignmentIntervalMs { get; init; } = 1000;

    /// <summary>Most members of a share group (KIP-932).</summary>
    public int ShareMembersMax { get; init; } = 200;
}
