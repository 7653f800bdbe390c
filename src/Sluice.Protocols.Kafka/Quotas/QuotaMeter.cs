namespace Sluice.Protocols.Kafka.Quotas;

/// <summary>How fast some clients together use something, bytes or time or connections, over the last eleven seconds as in Kafka (quota.window.num, quota.window.size.seconds). Thread-safe.</summary>
internal sealed class QuotaMeter
{
    private const int Windows = 11;
    private const long WindowMs = 1000;

    private readonly Lock _sync = new();
    private readonly double[] _amounts = new double[Windows];
    private long _window = -1;

    /// <summary>When it was last asked, in ms.</summary>
    public long UsedMs { get; private set; }

    /// <summary>Counts what was used and returns for how long, in ms, its user is to be left alone so that the rate comes down to the quota.</summary>
    /// <param name="amount">Of what the quota is for.</param>
    /// <param name="perSecondMax">The quota.</param>
    /// <param name="nowMs">A clock's.</param>
    /// <param name="isStrict">What goes over the quota is not to be had, and so not counted.</param>
    public int Add(double amount, double perSecondMax, long nowMs, bool isStrict = false)
    {
        lock (_sync)
        {
            UsedMs = nowMs;
            long window = nowMs / WindowMs;
            if (_window < 0 || window < _window || window - _window >= Windows)
            {
                // Also when the clock was put back: what it says of before means nothing any more.
                Array.Clear(_amounts);
                _window = window;
            }

            while (_window < window)
            {
                _amounts[++_window % Windows] = 0;
            }

            _amounts[window % Windows] += amount;

            // A rate over less than all windows would let nobody send what a quota allows for several seconds at once.
            double seconds = ((Windows - 1) * WindowMs + (nowMs % WindowMs)) / 1000.0;
            double rate = _amounts.Sum() / seconds;
            if (rate <= perSecondMax)
            {
                return 0;
            }

            _amounts[window % Windows] -= isStrict ? amount : 0;
            return (int)Math.Min((rate - perSecondMax) / perSecondMax * seconds * 1000, Windows * WindowMs);
        }
    }
}
