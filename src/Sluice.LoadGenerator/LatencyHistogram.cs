using System.Diagnostics;
using System.Numerics;

namespace Sluice.LoadGenerator;

/// <summary>
/// Counts of durations in log-linear buckets: 128 per power of two, so any value is known to 0.8 %; fixed memory; up to 18 minutes, longer ones count as that.
/// One writer; merge copies when all writers have stopped.
/// </summary>
public sealed class LatencyHistogram
{
    private const int PrecisionBits = 7;
    private const int ValueBitsMax = 40;
    private const long ValueMax = (1L << ValueBitsMax) - 1;
    private static readonly double NanosecondsPerTick = 1e9 / Stopwatch.Frequency;

    private readonly long[] _counts = new long[Index(ValueMax) + 1];
    private long _max;
    private double _sum;

    public long Count { get; private set; }

    /// <summary>Records a duration in <see cref="Stopwatch"/> ticks, some times over.</summary>
    public void Record(long ticks, long times = 1)
    {
        long nanoseconds = Math.Clamp((long)(ticks * NanosecondsPerTick), 0, ValueMax);
        _counts[Index(nanoseconds)] += times;
        _max = Math.Max(_max, nanoseconds);
        _sum += (double)nanoseconds * times;
        Count += times;
    }

    public void Add(LatencyHistogram other)
    {
        for (int i = 0; i < _counts.Length; i++)
        {
            _counts[i] += other._counts[i];
        }

        _max = Math.Max(_max, other._max);
        _sum += other._sum;
        Count += other.Count;
    }

    /// <summary>The duration that this share (0…1) of all did not exceed, in µs; 0 when nothing was recorded.</summary>
    public double PercentileUs(double share)
    {
        long rank = Math.Max(1, (long)Math.Ceiling(share * Count));
        long seen = 0;
        for (int i = 0; i < _counts.Length; i++)
        {
            seen += _counts[i];
            if (seen >= rank)
            {
                return Math.Min(UpperBound(i), _max) / 1000.0;
            }
        }

        return 0;
    }

    /// <summary>The mean and the percentiles that are reported.</summary>
    public LatencySummary Summarise() => new(Count, Count == 0 ? 0 : _sum / Count / 1000.0, PercentileUs(0.5), PercentileUs(0.95), PercentileUs(0.99), PercentileUs(0.999), _max / 1000.0);

    private static int Index(long value)
    {
        int shift = Math.Max(0, BitOperations.Log2((ulong)value | 1) - PrecisionBits);
        return (shift << PrecisionBits) + (int)(value >> shift);
    }

    /// <summary>Largest value of a bucket.</summary>
    private static long UpperBound(int index)
    {
        int shift = Math.Max(0, (index >> PrecisionBits) - 1);
        long value = index - (shift << PrecisionBits);
        return ((value + 1) << shift) - 1;
    }
}

/// <summary>Mean and percentiles of durations, in µs.</summary>
public sealed record LatencySummary(long Count, double MeanUs, double P50Us, double P95Us, double P99Us, double P999Us, double MaxUs);
