namespace Sluice.Broker.Shares;

/// <summary>What has become of a record for a share group (the numbers are Kafka's, in its records).</summary>
public enum DeliveryState : sbyte
{
    /// <summary>It may be delivered.</summary>
    Available = 0,

    /// <summary>A member has it, until it says what becomes of it or its lock ends.</summary>
    Acquired = 1,

    /// <summary>A member has dealt with it.</summary>
    Acknowledged = 2,

    /// <summary>It was rejected, or delivered too often, or there is no such record.</summary>
    Archived = 4,
}

/// <summary>Neighbouring offsets with the same fate.</summary>
/// <param name="First">Offset of the first.</param>
/// <param name="Last">Offset of the last.</param>
/// <param name="State">Of each.</param>
/// <param name="DeliveryCount">How often each was delivered.</param>
/// <param name="Member">Who has them while they are acquired; else null.</param>
/// <param name="LockEndMs">Until when they are acquired, on the clock of whoever keeps the cursor; else 0.</param>
public readonly record struct DeliveryRun(long First, long Last, DeliveryState State, short DeliveryCount, object? Member = null, long LockEndMs = 0)
{
    /// <summary>The end of a lock that does not end by itself.</summary>
    public const long NoLockEnd = long.MaxValue;

    public long Count => Last - First + 1;

    /// <summary>Nothing will happen to them any more.</summary>
    public bool IsDone => State is DeliveryState.Acknowledged or DeliveryState.Archived;

    public static DeliveryRun Acquired(long first, long last, short deliveryCount, object member, long lockEndMs) => new(first, last, DeliveryState.Acquired, deliveryCount, member, lockEndMs);

    /// <summary>Whether the two are one, the other being next to it. How often what is done was delivered matters no more.</summary>
    public bool IsLike(in DeliveryRun other) =>
        State == other.State && (IsDone || (DeliveryCount == other.DeliveryCount && LockEndMs == other.LockEndMs && Equals(Member, other.Member)));
}
