using Sluice.Storage.Producers;

namespace Sluice.Protocols.Kafka.Shares;

/// <summary>Who wants how many records of a partition.</summary>
/// <param name="MemberId">Who.</param>
/// <param name="LockEndMs">Until when it gets them, on the clock of the shard.</param>
/// <param name="RecordsMax">How many at most.</param>
/// <param name="IsExact">Not one more, even if a batch is parted thereby (KIP-1206); else the last batch is given out whole.</param>
/// <param name="BatchSize">How many records a piece should have by which the member settles them.</param>
/// <param name="InFlightMax">How many may be between the start of the group and the last one delivered.</param>
/// <param name="DeliveryCountMax">How often a record is delivered at most.</param>
internal readonly record struct AcquireRequest(string MemberId, long LockEndMs, int RecordsMax, bool IsExact, int BatchSize, int InFlightMax, int DeliveryCountMax)
{
    private const int CarefulCountMin = 2;

    /// <summary>What was delivered so often is delivered in smaller pieces.</summary>
    public int CarefulCount => Math.Max(CarefulCountMin, (DeliveryCountMax + 1) / 2);

    /// <summary>How many of so many records that were delivered so often are delivered at once: half of them, a quarter… and for the last time one alone.</summary>
    public long CarefulRecords(long records, int deliveryCount) =>
        DeliveryCountMax > CarefulCountMin && deliveryCount >= DeliveryCountMax - 1 ? 1 : Math.Max(1, records >> (deliveryCount - CarefulCount + 1));
}

/// <summary>A batch of the log.</summary>
/// <param name="First">Its first offset.</param>
/// <param name="Last">Its last offset.</param>
/// <param name="Position">Where it begins in what was read, in bytes.</param>
/// <param name="Size">In bytes.</param>
/// <param name="ProducerId">Of whose transaction it is a part; negative: of none.</param>
internal readonly record struct BatchSpan(long First, long Last, long Position, int Size, long ProducerId)
{
    /// <summary>Whether it is a part of a transaction that was rolled back.</summary>
    public bool IsOneOf(IReadOnlyList<AbortedTransaction> aborted)
    {
        foreach (AbortedTransaction transaction in aborted)
        {
            if (transaction.ProducerId == ProducerId && First >= transaction.FirstOffset && Last < transaction.LastOffset)
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>What becomes of a record, as members say it.</summary>
internal enum AcknowledgeType : sbyte
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
internal readonly record struct Acknowledgement(long First, long Last, sbyte[] Types)
{
    public AcknowledgeType TypeOf(long offset) => (AcknowledgeType)(Types.Length == 1 ? Types[0] : Types[offset - First]);
}
