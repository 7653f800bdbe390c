namespace Sluice.Protocols.Kafka.Quotas;

/// <summary>What one request takes of its client's quota for making and deleting partitions (KIP-599).</summary>
/// <param name="bucket">Null: the client has no such quota.</param>
/// <param name="perSecond">The quota.</param>
/// <param name="isStrict">Whether the client's version knows of a refusal; others are only slowed down.</param>
/// <param name="clock">Says how much has come in since.</param>
internal sealed class MutationQuota(QuotaBucket? bucket, double perSecond, bool isStrict, TimeProvider clock)
{
    /// <summary>For how long the client is to be left alone, in ms.</summary>
    public int ThrottleMs { get; private set; }

    /// <summary>False: the quota is used up, and nothing is to be done.</summary>
    public bool TryTake(int partitions)
    {
        if (bucket is null)
        {
            return true;
        }

        int waitMs = bucket.Take(partitions, perSecond, isStrict, clock.GetUtcNow().ToUnixTimeMilliseconds());
        ThrottleMs = Math.Max(ThrottleMs, waitMs);
        return waitMs == 0 || !isStrict;
    }
}
