namespace Sluice.Protocols.Kafka.Quotas;

/// <summary>How fast some clients together send or fetch, over the last eleven seconds as in Kafka (quota.window.num, quota.window.size.seconds). Thread-safe.</summary>
internal sealed class QuotaMeter
{
    private const int Windows = 11;
    private const long WindowMs = 1000;

    private readonly Lock _sync = new();
    private readonly double[] _bytes = new double[Windows];
    private long _window = -1;

    /// <summary>When it was last asked, in ms.</summary>
    public long UsedMs { get; private set; }

    /// <summary>Counts bytes and returns for how long, in ms, their sender is to be left alone so that the rate comes down to the quota.</summary>
    /// <param name="bytes">That have been sent or fetched.</param>
    /// <param name="perSecondMax">The quota.</param>
    /// <param name="nowMs">A clock's.</param>
    public int Add(long bytes, double perSecondMax, long nowMs)
    {
        lock (_sync)
        {
            UsedMs = nowMs;
            long window = nowMs / WindowMs;
            if (_window < 0 || window - _window >= Windows)
            {
                Array.Clear(_bytes);
                _window = window;
            }

            while (_window < window)
            {
                _bytes[++_window % Windows] = 0;
            }

            _bytes[window % Windows] += bytes;

            // A rate over less than all windows would let nobody send what a quota allows for several seconds at once.
            double seconds = ((Windows - 1) * WindowMs + (nowMs % WindowMs)) / 1000.0;
            double rate = _bytes.Sum() / seconds;
            return rate <= perSecondMax ? 0 : (int)Math.Min((rate - perSecondMax) / perSecondMax * seconds * 1000, Windows * WindowMs);
        }
    }
}
