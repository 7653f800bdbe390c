namespace Sluice.Broker.Shares;

/// <summary>Who wants how many records of a partition.</summary>
/// <param name="Member">Who; members are told apart by equality.</param>
/// <param name="LockEndMs">Until when it gets them, on the clock of whoever keeps the cursor; <see cref="DeliveryRun.NoLockEnd"/>: until it settles them.</param>
/// <param name="RecordsMax">How many at most.</param>
/// <param name="IsExact">Not one more, even if a batch is parted thereby (KIP-1206); else the last batch is given out whole.</param>
/// <param name="BatchSize">How many records a piece should have by which the member settles them.</param>
/// <param name="InFlightMax">How many may be between the start of the group and the last one delivered.</param>
/// <param name="DeliveryCountMax">How often a record is delivered at most.</param>
public readonly record struct AcquireRequest(object Member, long LockEndMs, int RecordsMax, bool IsExact, int BatchSize, int InFlightMax, int DeliveryCountMax)
{
    private const int CarefulCountMin = 2;

    /// <summary>What was delivered so often is delivered in smaller pieces.</summary>
    public int CarefulCount => Math.Max(CarefulCountMin, (DeliveryCountMax + 1) / 2);

    /// <summary>Of a member that is given single records and keeps each until it settles it.</summary>
    public static AcquireRequest Single(object member, int inFlightMax, int deliveryCountMax) =>
        new(member, DeliveryRun.NoLockEnd, 1, IsExact: true, BatchSize: 1, inFlightMax, deliveryCountMax);

    /// <summary>How many of so many records that were delivered so often are delivered at once: half of them, a quarter… and for the last time one alone.</summary>
    public long CarefulRecords(long records, int deliveryCount) =>
        DeliveryCountMax > CarefulCountMin && deliveryCount >= DeliveryCountMax - 1 ? 1 : Math.Max(1, records >> (deliveryCount - CarefulCount + 1));
}
