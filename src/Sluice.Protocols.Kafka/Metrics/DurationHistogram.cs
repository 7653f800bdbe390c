namespace Sluice.Protocols.Kafka.Metrics;

/// <summary>How often something took how long, in fixed steps from half a millisecond to ten seconds. Thread-safe, allocates nothing.</summary>
public sealed class DurationHistogram
{
    private static readonly double[] s_bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
    private static readonly long[] s_boundTicks = [.. s_bounds.Select(static bound => TimeSpan.FromSeconds(bound).Ticks)];

    // One more than there are bounds: for what took longer.
    private readonly long[] _counts = new long[s_bounds.Length + 1];
    private long _sumTicks;

    /// <summary>Upper bounds of the steps, in seconds.</summary>
    public static IReadOnlyList<double> Bounds => s_bounds;

    /// <summary>All times together.</summary>
    public TimeSpan Sum => TimeSpan.FromTicks(Volatile.Read(ref _sumTicks));

    /// <summary>How often it took no longer than each of the bounds, and last of all how often it happened.</summary>
    public long[] Cumulative()
    {
        long[] counts = new long[_counts.Length];
        long sum = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            sum += Volatile.Read(ref _counts[i]);
            counts[i] = sum;
        }

        return counts;
    }

    internal void Add(TimeSpan duration)
    {
        int step = 0;
        while (step < s_boundTicks.Length && duration.Ticks > s_boundTicks[step])
        {
            step++;
        }

        Interlocked.Increment(ref _counts[step]);
        Interlocked.Add(ref _sumTicks, duration.Ticks);
    }
}
