using System.Globalization;
using Sluice.Admin;
using Sluice.Protocols.Kafka;
using Sluice.Protocols.Kafka.Metrics;

namespace Sluice.Hosting.Management;

/// <summary>Shows the management API what was done by Kafka's protocol.</summary>
internal static class KafkaFigures
{
    public static IReadOnlyList<MetricFamily> List(KafkaServer server)
    {
        KafkaMetrics metrics = server.Metrics;
        return
        [
            new MetricFamily("sluice_kafka_requests_total", "counter", "Requests of Kafka clients.", [.. metrics.Requests.Select(static entry => new MetricValue(entry.Count, ("api", entry.Api)))]),
            new MetricFamily("sluice_kafka_errors_total", "counter", "Errors that Kafka clients were told of; an answer may have one for each partition.", [.. metrics.Errors.Select(static entry => new MetricValue(entry.Count, ("code", entry.Code)))]),
            new MetricFamily("sluice_kafka_produced_records_total", "counter", "Records that Kafka clients have appended.", metrics.ProducedRecords),
            new MetricFamily("sluice_kafka_produced_bytes_total", "counter", "Bytes of the batches of them.", metrics.ProducedBytes),
            new MetricFamily("sluice_kafka_fetched_bytes_total", "counter", "Bytes of batches that Kafka clients have fetched.", metrics.FetchedBytes),
            new MetricFamily("sluice_kafka_produce_seconds", "histogram", "Time from a produce request to its answer.", Values(metrics.ProduceTime)),
            new MetricFamily("sluice_kafka_transactions_open", "gauge", "Transactions of Kafka clients that have begun and not ended.", server.CountOpenTransactions()),
        ];
    }

    private static MetricValue[] Values(DurationHistogram histogram)
    {
        long[] counts = histogram.Cumulative();
        IEnumerable<string> bounds = DurationHistogram.Bounds.Select(static bound => bound.ToString(CultureInfo.InvariantCulture)).Append("+Inf");
        return
        [
            .. bounds.Zip(counts, static (bound, count) => new MetricValue(count, ("le", bound), "_bucket")),
            new MetricValue(histogram.Sum.TotalSeconds, Suffix: "_sum"),
            new MetricValue(counts[^1], Suffix: "_count"),
        ];
    }
}
