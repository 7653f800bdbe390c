using Sluice.Bench.Compare.Brokers;
using Sluice.Client.Producing;
using Sluice.LoadGenerator.Kafka;

namespace Sluice.Bench.Compare.Rows;

/// <summary>How long producing takes at a rate, and how long one record takes from producer to consumer.</summary>
internal sealed class KafkaLatencyRow() : Row("kafka-latency", "Kafka: latency, by Kafka's own load tools")
{
    private const int Rate = 50_000, SingleRecords = 10_000;

    public override string Run(Contest contest)
    {
        if (KafkaTools.Find(contest) is not { } tools)
        {
            return KafkaTools.Skipped;
        }

        MarkdownTable table = new("", "50,000/s of 1 KB: p50 / p95 / p99 ms", "p99 ratio", "broker CPU µs/record", "one record at a time, end to end: mean ms", "ratio", "p99 ms", "by `sluice bench kafka`: acknowledged, mean ms", "ratio", "end to end, mean ms", "ratio");
        IReadOnlyList<BrokerProcess> brokers = contest.RunningForKafka();
        Dictionary<BrokerProcess, List<Produced>> produced = brokers.ToDictionary(static broker => broker, static _ => new List<Produced>());
        Dictionary<BrokerProcess, List<(double Mean, double P50, double P99)>> single = brokers.ToDictionary(static broker => broker, static _ => new List<(double, double, double)>());
        Dictionary<BrokerProcess, List<KafkaLoadResult>> light = brokers.ToDictionary(static broker => broker, static _ => new List<KafkaLoadResult>());
        for (int round = 0; round <= contest.Options.Rounds; round++)
        {
            foreach (BrokerProcess broker in brokers)
            {
                string topic = $"latency-{round}";
                tools.CreateTopic(broker, topic);
                Produced one = tools.Produce(broker, topic, (long)(Rate * contest.Options.Seconds), 1000, Rate, "acks=1");
                (double Mean, double P50, double P99) end = tools.EndToEnd(broker, topic + "-single", SingleRecords, 100);
                string lightTopic = topic + "-light";
                tools.CreateTopic(broker, lightTopic);
                KafkaLoadResult byBench = OneAtATime(broker, lightTopic);
                foreach (string made in (string[])[topic, topic + "-single", lightTopic])
                {
                    tools.DeleteTopic(broker, made);
                }

                Console.WriteLine($"round {round}, {broker.Name}: {one}, end to end {end}, by sluice bench acknowledged {byBench.ProduceLatency}, end to end {byBench.EndToEndLatency}");
                if (round > 0)
                {
                    produced[broker].Add(one);
                    single[broker].Add(end);
                    light[broker].Add(byBench);
                }
            }
        }

        double P99(BrokerProcess broker) => Spread.Of(produced[broker].Select(static one => one.P99Ms)).Median;
        double Mean(BrokerProcess broker) => Spread.Of(single[broker].Select(static one => one.Mean)).Median;
        Spread Acknowledged(BrokerProcess broker) => Spread.Of(light[broker].Select(static one => one.ProduceLatency!.MeanUs / 1000));
        Spread EndToEnd(BrokerProcess broker) => Spread.Of(light[broker].Select(static one => one.EndToEndLatency!.MeanUs / 1000));
        foreach (BrokerProcess broker in brokers)
        {
            double Of(Func<Produced, double> value) => Spread.Of(produced[broker].Select(value)).Median;
            table.Add(
                broker.Name,
                $"{Of(static one => one.P50Ms):0} / {Of(static one => one.P95Ms):0} / {Spread.Of(produced[broker].Select(static one => one.P99Ms)).ToText("0")}",
                Ratio(P99(broker), P99(brokers[0])),
                Spread.Of(produced[broker].Select(static one => one.CpuUs)).ToText("0.00"),
                Spread.Of(single[broker].Select(static one => one.Mean)).ToText("0.00"),
                Ratio(Mean(broker), Mean(brokers[0])),
                Spread.Of(single[broker].Select(static one => one.P99)).ToText("0.0"),
                Acknowledged(broker).ToText("0.00"),
                Ratio(Acknowledged(broker).Median, Acknowledged(brokers[0]).Median),
                EndToEnd(broker).ToText("0.00"),
                Ratio(EndToEnd(broker).Median, EndToEnd(brokers[0]).Median));
        }

        return $"Asked: p99 of producing at most 1/4 of Kafka's; the mean of one record at a time at most half. acks=1, default batches. Latencies at the rate are those after the tool's first third, in which its own code is being compiled.\n\n{table}";
    }

    /// <summary>The same by a client that takes less of the two cores: the next record is sent when the one before is acknowledged.</summary>
    private static KafkaLoadResult OneAtATime(BrokerProcess broker, string topic)
    {
        KafkaLoadResult result = KafkaLoad.RunAsync(new KafkaLoadOptions
        {
            BootstrapServers = $"127.0.0.1:{((IKafkaListener)broker).KafkaPort}",
            Topic = topic,
            Records = SingleRecords,
            ValueBytes = 100,
            Consumers = 1,
            Window = 1,
            Acks = Acks.Leader,
        }).GetAwaiter().GetResult();
        return result.Problems.Count == 0 ? result : throw new InvalidOperationException($"The load against {broker.Name} had problems: {string.Join("; ", result.Problems)}");
    }
}
