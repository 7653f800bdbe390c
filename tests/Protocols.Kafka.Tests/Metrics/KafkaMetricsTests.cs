using Sluice.Protocols.Kafka.Metrics;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Tests.Metrics;

public sealed class KafkaMetricsTests
{
    [Fact]
    public void Requests_and_errors_are_counted_by_their_kinds_and_those_without_are_not_there()
    {
        var metrics = new KafkaMetrics();
        metrics.CountRequest(KafkaApiKey.Fetch);
        metrics.CountRequest(KafkaApiKey.Fetch);
        metrics.CountRequest(KafkaApiKey.Produce);
        metrics.ErrorWritten(KafkaErrorCode.UnknownServerError);
        metrics.ErrorWritten(KafkaErrorCode.ShareSessionLimitReached);
        metrics.ErrorWritten((KafkaErrorCode)30_000);
        Assert.Equal([("Produce", 1), ("Fetch", 2)], metrics.Requests);
        Assert.Equal([("ShareSessionLimitReached", 1), ("UnknownServerError", 1)], metrics.Errors.Order());
    }

    [Fact]
    public void A_histogram_counts_what_took_no_longer()
    {
        var histogram = new DurationHistogram();
        histogram.Add(TimeSpan.Zero);
        histogram.Add(TimeSpan.FromMilliseconds(1));
        histogram.Add(TimeSpan.FromMilliseconds(1.5));
        histogram.Add(TimeSpan.FromMinutes(1));
        long[] counts = histogram.Cumulative();
        Assert.Equal(DurationHistogram.Bounds.Count + 1, counts.Length);
        Assert.Equal([1L, 2, 3, 3], counts[..4]);
        Assert.Equal((3, 4), (counts[^2], counts[^1]));
        Assert.Equal(60.0025, histogram.Sum.TotalSeconds, 6);
    }
}
