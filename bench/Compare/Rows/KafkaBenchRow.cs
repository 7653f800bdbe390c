using Sluice.Bench.Compare.Brokers;
using Sluice.Client.Producing;
using Sluice.LoadGenerator.Kafka;

namespace Sluice.Bench.Compare.Rows;

/// <summary>Sluice's own load generator, which takes less of the machine than Kafka's tools: what the brokers do when the tool is not what limits them.</summary>
internal sealed class KafkaBenchRow() : Row("kafka-bench", "Kafka: producing and reading, by `sluice bench kafka`")
{
    private const int Rate = 50_000;

    private static readonly Load[] s_loads =
    [
        new("1 KB, acks=1, default batches", 100_000, [], new KafkaLoadOptions { ValueBytes = 1000, Acks = Acks.Leader }),
        new("1 KB, acks=all, idempotent, default batches (Sluice syncs, Kafka does not)", 80_000, [], new KafkaLoadOptions { ValueBytes = 1000 }),
        new("1 KB, acks=1, linger 5 ms, batches of 256 KB", 150_000, [], new KafkaLoadOptions { ValueBytes = 1000, Acks = Acks.Leader, LingerMs = 5, BatchBytes = 256 << 10 }),
        new("100 B, acks=1, default batches", 500_000, [], new KafkaLoadOptions { ValueBytes = 100, Acks = Acks.Leader }),
        new("1 KB, a sync before each answer (flush.messages=1), default batches", 25_000, ["flush.messages=1"], new KafkaLoadOptions { ValueBytes = 1000, Acks = Acks.Leader }),
        new("1 KB, a sync before each answer, batches of 256 KB", 80_000, ["flush.messages=1"], new KafkaLoadOptions { ValueBytes = 1000, Acks = Acks.Leader, LingerMs = 5, BatchBytes = 256 << 10 }),
        new("1 KB at 50,000/s, acks=1, default batches", Rate, [], new KafkaLoadOptions { ValueBytes = 1000, Acks = Acks.Leader, Rate = Rate }),
    ];

    public override string Run(Contest contest)
    {
        if (KafkaTools.Find(contest) is not { } tools)
        {
            return KafkaTools.Skipped;
        }

        MarkdownTable table = new("", "load", "records/s", "ratio", "broker CPU µs/record", "ratio", "latency p50 / p95 / p99 ms", "generator's CPU µs/record");
        IReadOnlyList<BrokerProcess> brokers = contest.RunningForKafka();
        foreach (Load load in s_loads)
        {
            Dictionary<BrokerProcess, List<KafkaLoadResult>> produced = brokers.ToDictionary(static broker => broker, static _ => new List<KafkaLoadResult>());
            Dictionary<BrokerProcess, List<KafkaLoadResult>> consumed = brokers.ToDictionary(static broker => broker, static _ => new List<KafkaLoadResult>());
            bool isRead = load.Configs.Length == 0 && load.Options is { Rate: 0, Acks: Acks.Leader };
            for (int round = 0; round <= contest.Options.Rounds; round++)
            {
                foreach (BrokerProcess broker in brokers)
                {
                    string topic = $"bench-{Array.IndexOf(s_loads, load)}-{round}";
                    tools.CreateTopic(broker, topic, 1, load.Configs);
                    KafkaLoadOptions options = load.Options with
                    {
                        BootstrapServers = $"127.0.0.1:{((IKafkaListener)broker).KafkaPort}",
                        Topic = topic,
                        Records = (long)(load.RecordsPerSecond * (round == 0 ? Math.Max(2, contest.Options.WarmUpSeconds / 2) : contest.Options.Seconds)),
                        BrokerProcessId = broker.ProcessId,
                    };
                    contest.Prepare();
                    Take(produced[broker], options);
                    if (isRead)
                    {
                        Take(consumed[broker], options with { Producers = 0, Consumers = 1 });
                    }
                    tools.DeleteTopic(broker, topic);

                    void Take(List<KafkaLoadResult> results, KafkaLoadOptions run)
                    {
                        KafkaLoadResult result = KafkaLoad.RunAsync(run).GetAwaiter().GetResult();
                        Console.WriteLine($"round {round}, {broker.Name}, {load.Name}:\n{KafkaLoadReport.ToText(result)}");
                        if (result.Problems.Count > 0)
                        {
                            throw new InvalidOperationException($"The load against {broker.Name} had problems: {string.Join("; ", result.Problems)}");
                        }
                        if (round > 0)
                        {
                            results.Add(result);
                        }
                    }
                }
            }

            Add(load.Name, produced, static result => result.ProducedPerSecond);
            if (isRead)
            {
                Add("the same, read again", consumed, static result => result.ConsumedPerSecond);
            }
        }

        return $"Asked: as of the rows by Kafka's tools; the generator must be lighter than they are.{contest.Memory}\n\n{table}\n{string.Join('\n', brokers.Select(static broker => $"- {broker.Settings}"))}\n";

        void Add(string name, Dictionary<BrokerProcess, List<KafkaLoadResult>> results, Func<KafkaLoadResult, double> rate)
        {
            Spread Of(BrokerProcess broker, Func<KafkaLoadResult, double> value) => Spread.Of(results[broker].Select(value));
            double baseRate = Of(brokers[0], rate).Median, baseCpu = Of(brokers[0], static result => result.BrokerCpuUsPerRecord ?? double.NaN).Median;
            foreach (BrokerProcess broker in brokers)
            {
                Spread cpu = Of(broker, static result => result.BrokerCpuUsPerRecord ?? double.NaN);
                double Ms(Func<Sluice.LoadGenerator.LatencySummary, double> value) => Of(broker, result => result.ProduceLatency is { } latency ? value(latency) / 1000 : double.NaN).Median;
                string latency = results[broker].Exists(static result => result.ProduceLatency is not null) ? $"{Ms(static one => one.P50Us):0.0} / {Ms(static one => one.P95Us):0.0} / {Ms(static one => one.P99Us):0.0}" : "–";
                table.Add(broker.Name, name, Of(broker, rate).ToText("N0"), Ratio(Of(broker, rate).Median, baseRate), cpu.ToText("0.000"), $"1/{baseCpu / cpu.Median:0.0}", latency, Of(broker, static result => result.ClientCpuUsPerRecord).ToText("0.00"));
            }
        }
    }

    /// <param name="Name">For the table.</param>
    /// <param name="RecordsPerSecond">About what a broker takes, which sets how many are sent.</param>
    /// <param name="Configs">Of the topic.</param>
    /// <param name="Options">But for broker, topic and how many.</param>
    private sealed record Load(string Name, int RecordsPerSecond, string[] Configs, KafkaLoadOptions Options);
}
