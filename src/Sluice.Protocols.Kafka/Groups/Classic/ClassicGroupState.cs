namespace Sluice.Protocols.Kafka.Groups.Classic;

/// <summary>States of a classic group, named as Kafka's tools show them.</summary>
internal enum ClassicGroupState : byte
{
    /// <summary>Without members; it may have offsets.</summary>
    Empty,

    /// <summary>Members are to join again; answers to those who did wait for the others.</summary>
    PreparingRebalance,

    /// <summary>Members know the generation; the leader's assignment is waited for.</summary>
    CompletingRebalance,

    /// <summary>Members have their assignments.</summary>
    Stable,
}
