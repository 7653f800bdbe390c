namespace Sluice.Broker.Shares;

/// <summary>What becomes of a record, as members say it (the numbers are Kafka's, in its requests).</summary>
public enum AcknowledgeType : sbyte
{
    /// <summary>There is no record of this offset.</summary>
    Gap = 0,

    /// <summary>It is dealt with.</summary>
    Accept = 1,

    /// <summary>It is to be delivered again.</summary>
    Release = 2,

    /// <summary>It is not to be delivered again.</summary>
    Reject = 3,

    /// <summary>The member keeps it for longer (KIP-1222).</summary>
    Renew = 4,
}

/// <summary>What a member says of offsets.</summary>
/// <param name="First">The first of them.</param>
/// <param name="Last">The last of them.</param>
/// <param name="Types">Of each, or one of all.</param>
public readonly record struct Acknowledgement(long First, long Last, sbyte[] Types)
{
    public AcknowledgeType TypeOf(long offset) => (AcknowledgeType)(Types.Length == 1 ? Types[0] : Types[offset - First]);
}

/// <summary>Outcome of an acknowledgement.</summary>
public enum AcknowledgeStatus : byte
{
    Ok = 0,

    /// <summary>It speaks of offsets that were never delivered.</summary>
    Invalid,

    /// <summary>The member does not have the records, or must not keep them for longer.</summary>
    NotHeld,
}
