using Sluice.Bench.Compare.Brokers;

namespace Sluice.Bench.Compare.Rows;

/// <summary>Kafka's producer-perf as the load: throughput and broker CPU of producing.</summary>
internal sealed class KafkaProduceRow() : Row("kafka-produce", "Kafka: producing, by Kafka's own load tool")
{
    private static readonly Load[] s_loads =
    [
        new("1 KB, acks=1, default batches", 1000, 80_000, [], ["acks=1"]),
        new("1 KB, acks=all, idempotent, default batches (Sluice syncs, Kafka does not)", 1000, 60_000, [], ["acks=all"]),
        new("1 KB, acks=1, linger 5 ms, batches of 256 KB", 1000, 120_000, [], ["acks=1", "linger.ms=5", "batch.size=262144"]),
        new("100 B, acks=1, default batches", 100, 400_000, [], ["acks=1"]),
        new("1 KB, a sync before each answer (flush.messages=1), default batches", 1000, 15_000, ["flush.messages=1"], ["acks=1"]),
        new("1 KB, a sync before each answer, batches of 256 KB", 1000, 60_000, ["flush.messages=1"], ["acks=1", "linger.ms=5", "batch.size=262144"]),
    ];

    public override string Run(Contest contest)
    {
        if (KafkaTools.Find(contest) is not { } tools)
        {
            return KafkaTools.Skipped;
        }

        MarkdownTable table = new("", "load", "records/s", "ratio", "broker CPU µs/record", "ratio", "latency p50 / p95 / p99 ms", "tool's own CPU, cores", "memory MB");
        IReadOnlyList<BrokerProcess> brokers = contest.RunningForKafka();
        foreach (Load load in s_loads)
        {
            Dictionary<BrokerProcess, List<Produced>> results = brokers.ToDictionary(static broker => broker, static _ => new List<Produced>());
            Dictionary<BrokerProcess, double> memory = [];
            for (int round = 0; round <= contest.Options.Rounds; round++)
            {
                foreach (BrokerProcess broker in brokers)
                {
                    string topic = $"produce-{Array.IndexOf(s_loads, load)}-{round}";
                    tools.CreateTopic(broker, topic, 1, load.Configs);

                    // The first round is not counted: a broker whose code is not yet compiled would pay for that here.
                    double seconds = round == 0 ? Math.Max(2, contest.Options.WarmUpSeconds / 2) : contest.Options.Seconds;
                    contest.Prepare();
                    Produced produced = tools.Produce(broker, topic, (long)(load.RecordsPerSecond * seconds), load.Bytes, -1, load.Properties);
                    memory[broker] = broker.Tree.ResidentBytes() / 1048576.0;
                    tools.DeleteTopic(broker, topic);
                    Console.WriteLine($"round {round}, {broker.Name}, {load.Name}: {produced}");
                    if (round > 0)
                    {
                        results[broker].Add(produced);
                    }
                }
            }

            double baseRate = Spread.Of(results[brokers[0]].Select(static one => one.Rate)).Median;
            double baseCpu = Spread.Of(results[brokers[0]].Select(static one => one.CpuUs)).Median;
            foreach (BrokerProcess broker in brokers)
            {
                Spread rate = Spread.Of(results[broker].Select(static one => one.Rate));
                Spread cpu = Spread.Of(results[broker].Select(static one => one.CpuUs));
                double Of(Func<Produced, double> value) => Spread.Of(results[broker].Select(value)).Median;
                table.Add(broker.Name, load.Name, rate.ToText("N0"), Ratio(rate.Median, baseRate), cpu.ToText("0.00"), $"1/{baseCpu / cpu.Median:0.0}", $"{Of(static one => one.P50Ms):0} / {Of(static one => one.P95Ms):0} / {Of(static one => one.P99Ms):0}", $"{Of(static one => one.ToolCores):0.00}", $"{memory[broker]:N0}");
            }
        }

        return $"Asked: at most 1/3 of Kafka's broker CPU; 1.5× its throughput where the load tool is not itself the limit; 5× with a sync before each answer and default batches; 1× with acks=all. Rate and latencies are those after the tool's first third, in which its own code is being compiled.{contest.Memory}\n\n{table}\n{string.Join('\n', brokers.Select(static broker => $"- {broker.Settings}"))}\n";
    }

    /// <param name="Name">For the table.</param>
    /// <param name="Bytes">Of a record.</param>
    /// <param name="RecordsPerSecond">About what a broker takes, which sets how many are sent.</param>
    /// <param name="Configs">Of the topic.</param>
    /// <param name="Properties">Of the producer.</param>
    private sealed record Load(string Name, int Bytes, int RecordsPerSecond, string[] Configs, string[] Properties);
}
