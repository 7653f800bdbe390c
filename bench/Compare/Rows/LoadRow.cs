using System.Text;
using Sluice.Bench.Compare.Brokers;
using Sluice.LoadGenerator;

namespace Sluice.Bench.Compare.Rows;

/// <summary>One load, the same for all brokers, in interleaved rounds.</summary>
internal sealed class LoadRow(string name, string title, string asked, bool durable, AmqpLoadOptions load) : Row(name, title)
{
    private static readonly AmqpLoadOptions PersistentLoad = new()
    {
        BodyBytes = 1000,
        Durable = true,
        Persistent = true,
        ConfirmWindow = 1000,
        Prefetch = 1000,
        AcknowledgeEvery = 100,
    };

    public static LoadRow Transient { get; } = new(
        "transient",
        "Transient messages of 16 bytes, automatic acknowledgement, 1 → 1",
        "Asked: at least 6× RabbitMQ's throughput, at most 1/12 of its CPU per message.",
        durable: false,
        new AmqpLoadOptions { BodyBytes = 16, AutoAcknowledge = true });

    public static LoadRow Persistent { get; } = new(
        "persistent",
        "Persistent messages of 1 KB, confirms (window 1000), prefetch 1000, acknowledged every 100, 1 → 1",
        "Asked: at least 4× RabbitMQ's throughput with `disk`, 6× with `os`; at most 1/20 of its CPU per message.",
        durable: true,
        PersistentLoad);

    public static LoadRow Latency { get; } = new(
        "latency",
        "Latency at 10,000 persistent messages of 1 KB a second with confirms",
        "Asked: p99 of publish to delivery at most half of RabbitMQ's.",
        durable: true,
        PersistentLoad with { Rate = 10_000 });

    public static LoadRow TransientSingly { get; } = new(
        "transient-singly",
        "The transient load with each message sent by itself",
        "As most client libraries send: one write to the socket for each message, so that the broker finds fewer of them in one read. The load generator's own cost of sending is large here; broker CPU per message decides.",
        durable: false,
        new AmqpLoadOptions { BodyBytes = 16, AutoAcknowledge = true, SendBytes = 1 });

    public static LoadRow PersistentSingly { get; } = new(
        "persistent-singly",
        "The persistent load with each message sent by itself",
        "As above.",
        durable: true,
        PersistentLoad with { SendBytes = 1 });

    public override string Run(Contest contest)
    {
        IReadOnlyList<BrokerProcess> brokers = contest.Running(withOs: durable);
        Dictionary<BrokerProcess, List<(AmqpLoadResult Result, double FlushesPerSecond)>> results = brokers.ToDictionary(broker => broker, _ => new List<(AmqpLoadResult, double)>());
        for (int round = 1; round <= contest.Options.Rounds; round++)
        {
            foreach (BrokerProcess broker in brokers)
            {
                AmqpLoadOptions options = load with
                {
                    Server = broker.Client,
                    BrokerProcessId = broker.ProcessId,
                    Seconds = contest.Options.Seconds,
                    WarmUpSeconds = contest.Options.WarmUpSeconds,
                };
                long flushes = Machine.DiskFlushes();
                long started = Environment.TickCount64;
                AmqpLoadResult result = AmqpLoad.Run(options);
                double perSecond = (Machine.DiskFlushes() - flushes) * 1000.0 / (Environment.TickCount64 - started);
                results[broker].Add((result, perSecond));
                Console.WriteLine($"round {round}, {broker.Name}:\n{AmqpLoadReport.ToText(result)}");
            }
        }

        return Report(brokers, broker => results[broker]);
    }

    private string Report(IReadOnlyList<BrokerProcess> brokers, Func<BrokerProcess, List<(AmqpLoadResult Result, double FlushesPerSecond)>> results)
    {
        MarkdownTable table = new("", "consumed msg/s", "ratio", "broker CPU µs/msg", "ratio", "latency p50 / p95 / p99 / p99.9 ms", "p99 ratio", "confirm p99 ms", "memory MB", "client CPU µs/msg", "disk flushes/s");
        double? baseRate = null;
        double? baseCpu = null;
        double? baseP99 = null;
        StringBuilder problems = new();
        foreach (BrokerProcess broker in brokers)
        {
            List<(AmqpLoadResult Result, double FlushesPerSecond)> rounds = results(broker);
            Spread Over(Func<AmqpLoadResult, double> value) => Spread.Of(rounds.Select(round => value(round.Result)));
            Spread rate = Over(result => result.ConsumedPerSecond);
            Spread cpu = Over(result => result.BrokerCpuUsPerMessage ?? 0);
            double Latency(Func<LatencySummary, double> part) => Over(result => result.Latency is { } latency ? part(latency) / 1000 : double.NaN).Median;
            double p99 = Latency(latency => latency.P99Us);
            baseRate ??= rate.Median;
            baseCpu ??= cpu.Median;
            baseP99 ??= p99;
            table.Add(
                broker.Name,
                rate.ToText("N0"),
                Ratio(rate.Median, baseRate.Value),
                cpu.ToText("0.00"),
                $"1/{baseCpu.Value / cpu.Median:0.0}",
                $"{Latency(latency => latency.P50Us):0.00} / {Latency(latency => latency.P95Us):0.00} / {p99:0.00} / {Latency(latency => latency.P999Us):0.00}",
                Ratio(p99, baseP99.Value),
                durable ? $"{Over(result => (result.ConfirmLatency?.P99Us ?? double.NaN) / 1000).Median:0.00}" : "–",
                $"{Over(result => (result.BrokerResidentBytes ?? 0) / 1048576.0).Median:N0}",
                $"{Over(result => result.ClientCpuUsPerMessage).Median:0.00}",
                $"{Spread.Of(rounds.Select(round => round.FlushesPerSecond)).Median:N0}");
            foreach (string problem in rounds.SelectMany(round => round.Result.Problems).Distinct())
            {
                problems.Append($"\n- {broker.Name}: {problem}");
            }
        }

        string settings = durable ? string.Concat(brokers.Select(broker => $"\n- {broker.Settings}")) : "";
        AmqpLoadResult first = results(brokers[0])[0].Result;
        return $"{asked} {results(brokers[0]).Count} rounds of {first.Seconds:0} s.\n\n{table}{settings}{problems}\n";
    }
}
