using System.Diagnostics;
using Xunit;

namespace Sluice.LoadGenerator.Tests;

public sealed class LatencyHistogramTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(1_000_000)]
    [InlineData(123_456_789_012)]
    public void A_single_value_is_known_to_one_percent(long nanoseconds)
    {
        LatencyHistogram histogram = new();
        histogram.Record(Ticks(nanoseconds));
        histogram.Record(Ticks(nanoseconds) + Ticks(nanoseconds));
        Assert.InRange(histogram.PercentileUs(0.5), nanoseconds / 1000.0, nanoseconds / 1000.0 * 1.01);
    }

    [Fact]
    public void Percentiles_of_a_ramp_are_where_they_belong()
    {
        LatencyHistogram histogram = new();
        for (int us = 1; us <= 10_000; us++)
        {
            histogram.Record(Ticks(us * 1000L), 3);
        }

        LatencySummary summary = histogram.Summarise();
        Assert.Equal(30_000, summary.Count);
        Assert.InRange(summary.P50Us, 4950, 5050);
        Assert.InRange(summary.P99Us, 9800, 10_000);
        Assert.InRange(summary.P999Us, 9890, 10_000);
        Assert.Equal(10_000, summary.MaxUs, 0.001);
    }

    [Fact]
    public void What_is_too_long_to_count_counts_as_the_longest()
    {
        LatencyHistogram histogram = new();
        histogram.Record(long.MaxValue / 2);
        histogram.Record(-5);
        Assert.Equal(2, histogram.Count);
        Assert.Equal(0, histogram.PercentileUs(0.5));
        Assert.InRange(histogram.PercentileUs(1), 1e9, 1.1e9);
    }

    [Fact]
    public void Adding_one_to_another_adds_all_its_counts()
    {
        LatencyHistogram a = new();
        LatencyHistogram b = new();
        a.Record(Ticks(1000), 99);
        b.Record(Ticks(1_000_000));
        a.Add(b);
        Assert.Equal(100, a.Count);
        Assert.InRange(a.PercentileUs(0.99), 1, 1.01);
        Assert.InRange(a.PercentileUs(1), 1000, 1010);
        Assert.InRange(a.Summarise().MeanUs, 10.98, 11);
    }

    [Fact]
    public void Nothing_recorded_has_a_mean_of_0() => Assert.Equal(0, new LatencyHistogram().Summarise().MeanUs);

    private static long Ticks(long nanoseconds) => (long)(nanoseconds * (Stopwatch.Frequency / 1e9));
}
