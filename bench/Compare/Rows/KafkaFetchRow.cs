using Sluice.Bench.Compare.Brokers;

namespace Sluice.Bench.Compare.Rows;

/// <summary>Kafka's consumer-perf as the load: throughput and broker CPU of reading a backlog.</summary>
internal sealed class KafkaFetchRow() : Row("kafka-fetch", "Kafka: reading a backlog, by Kafka's own load tool")
{
    public override string Run(Contest contest)
    {
        if (KafkaTools.Find(contest) is not { } tools)
        {
            return KafkaTools.Skipped;
        }

        MarkdownTable table = new("", "records", "records/s", "ratio", "broker CPU µs/record", "ratio");
        IReadOnlyList<BrokerProcess> brokers = contest.RunningForKafka();
        foreach ((int bytes, int perSecond) in new[] { (1000, 300_000), (100, 1_000_000) })
        {
            long records = (long)(perSecond * contest.Options.Seconds);
            string topic = $"fetch-{bytes}";
            Dictionary<BrokerProcess, List<Consumed>> results = brokers.ToDictionary(static broker => broker, static _ => new List<Consumed>());
            foreach (BrokerProcess broker in brokers)
            {
                tools.CreateTopic(broker, topic);
                tools.Produce(broker, topic, records, bytes, -1, "acks=1", "linger.ms=5", "batch.size=65536");
                tools.Consume(broker, topic, records);
            }

            for (int round = 1; round <= contest.Options.Rounds; round++)
            {
                foreach (BrokerProcess broker in brokers)
                {
                    Consumed consumed = tools.Consume(broker, topic, records);
                    results[broker].Add(consumed);
                    Console.WriteLine($"round {round}, {broker.Name}, {bytes} B: {consumed}");
                }
            }

            double baseRate = Spread.Of(results[brokers[0]].Select(static one => one.Rate)).Median;
            double baseCpu = Spread.Of(results[brokers[0]].Select(static one => one.CpuUs)).Median;
            foreach (BrokerProcess broker in brokers)
            {
                Spread rate = Spread.Of(results[broker].Select(static one => one.Rate));
                Spread cpu = Spread.Of(results[broker].Select(static one => one.CpuUs));
                table.Add(broker.Name, $"{bytes} B", rate.ToText("N0"), Ratio(rate.Median, baseRate), cpu.ToText("0.000"), $"1/{baseCpu / cpu.Median:0.0}");
                tools.DeleteTopic(broker, topic);
            }
        }

        return $"Asked: at most 1/2 of Kafka's broker CPU; 1.5× its throughput where the load tool is not itself the limit. The backlog was written in batches of 64 KB; it is read from the page cache.\n\n{table}";
    }
}
