namespace Sluice.Protocols.Kafka.Quotas;

/// <summary>
/// How many partitions some clients together may still make or delete: a bucket of tokens that fills at the quota's rate, up to what eleven seconds bring (KIP-599,
/// controller.quota.window.num). Thread-safe.
/// </summary>
internal sealed class QuotaBucket
{
    private const double BurstSeconds = 11;

    private readonly Lock _sync = new();
    private double _tokens = double.MaxValue;
    private long _filledMs;

    /// <summary>Takes tokens. A strict client gets none, and nothing is taken, while some are owed; another gets all and is told to wait.</summary>
    /// <returns>For how long, in ms, the client is to be left alone; 0: it is not, and has got them.</returns>
    public int Take(int count, double perSecond, bool isStrict, long nowMs)
    {
        lock (_sync)
        {
            Fill(perSecond, nowMs);
            if (_tokens >= 0 || !isStrict)
            {
                _tokens -= count;
            }
            else
            {
                return WaitMs(perSecond);
            }

            return isStrict || _tokens >= 0 ? 0 : WaitMs(perSecond);
        }
    }

    /// <summary>Whether it is as good as new, at a rate.</summary>
    public bool IsFull(double perSecond, long nowMs)
    {
        lock (_sync)
        {
            Fill(perSecond, nowMs);
            return _tokens >= perSecond * BurstSeconds;
        }
    }

    private int WaitMs(double perSecond) => (int)Math.Clamp(Math.Ceiling(-_tokens / perSecond * 1000), 1, int.MaxValue);

    private void Fill(double perSecond, long nowMs)
    {
        _tokens = Math.Min(perSecond * BurstSeconds, _tokens + (perSecond * Math.Max(0, nowMs - _filledMs) / 1000));
        _filledMs = nowMs;
    }
}
