using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Sluice.Bench.Compare.Brokers;

namespace Sluice.Bench.Compare.Rows;

/// <summary>RabbitMQ's own load tool as the neutral witness. It fills a core by itself, so broker CPU per message decides here.</summary>
internal sealed partial class PerfTestRow() : Row("perftest", "RabbitMQ's own PerfTest as the load")
{
    private const string TransientLoad = "-x 1 -y 1 -s 16 -a";
    private const string PersistentLoad = "-x 1 -y 1 -s 1000 -f persistent -ad false -c 1000 -q 1000 -A 100";

    public override string Run(Contest contest)
    {
        if (contest.Options.Peers is not { } peers || Path.Combine(peers, "perftest", "perftest") is var tool && !File.Exists(tool))
        {
            return "skipped: no peer (set SLUICE_PEERS to the folder with perftest/perftest)\n";
        }

        MarkdownTable table = new("", "load", "received msg/s", "ratio", "broker CPU µs/msg", "ratio", "consumer latency p50 / p95 / p99 ms");
        foreach ((string name, string load) in new[] { ("16 B transient, auto-ack", TransientLoad), ("1 KB persistent, confirms 1000, prefetch 1000, ack 100", PersistentLoad) })
        {
            IReadOnlyList<BrokerProcess> brokers = contest.Running(withOs: load == PersistentLoad);
            Dictionary<BrokerProcess, List<Measured>> results = brokers.ToDictionary(broker => broker, _ => new List<Measured>());
            foreach (BrokerProcess broker in brokers)
            {
                // Not counted: a broker whose code is not yet compiled would pay for that here.
                RunOnce(tool, load, broker, Math.Max(3, (int)contest.Options.WarmUpSeconds), contest.Options.Work);
            }

            for (int round = 1; round <= contest.Options.Rounds; round++)
            {
                foreach (BrokerProcess broker in brokers)
                {
                    Measured measured = RunOnce(tool, load, broker, (int)contest.Options.Seconds, contest.Options.Work);
                    results[broker].Add(measured);
                    Console.WriteLine($"round {round}, {broker.Name}, {name}: {measured}");
                }
            }

            double baseRate = Spread.Of(results[brokers[0]].Select(one => one.Rate)).Median;
            double baseCpu = Spread.Of(results[brokers[0]].Select(one => one.CpuUs)).Median;
            foreach (BrokerProcess broker in brokers)
            {
                List<Measured> rounds = results[broker];
                Spread rate = Spread.Of(rounds.Select(one => one.Rate));
                Spread cpu = Spread.Of(rounds.Select(one => one.CpuUs));
                double Of(Func<Measured, double> value) => Spread.Of(rounds.Select(value)).Median;
                table.Add(broker.Name, name, rate.ToText("N0"), Ratio(rate.Median, baseRate), cpu.ToText("0.00"), $"1/{baseCpu / cpu.Median:0.0}", $"{Of(one => one.P50Ms):0.00} / {Of(one => one.P95Ms):0.00} / {Of(one => one.P99Ms):0.00}");
            }
        }

        return $"{table}\nPerfTest: `{TransientLoad}` and `{PersistentLoad}`.\n";
    }

    private static Measured RunOnce(string tool, string load, BrokerProcess broker, int seconds, string work)
    {
        double before = broker.Tree.CpuSeconds();
        ProcessStartInfo info = new(tool, $"-h amqp://guest:guest@127.0.0.1:{broker.Port} -u perftest-{Guid.NewGuid():N} {load} -z {seconds}") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = work };
        using Process process = Process.Start(info)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Match rate = ReceivingRate().Match(output);
        if (!rate.Success)
        {
            throw new InvalidOperationException($"PerfTest against {broker.Name} gave no result: {output}{errors.Result}");
        }

        double perSecond = double.Parse(rate.Groups[1].Value, CultureInfo.InvariantCulture);
        Match latency = ConsumerLatency().Match(output);
        double Part(int group) => latency.Success ? double.Parse(latency.Groups[group].Value, CultureInfo.InvariantCulture) / 1000 : double.NaN;
        return new Measured(perSecond, (broker.Tree.CpuSeconds() - before) * 1e6 / (perSecond * seconds), Part(1), Part(3), Part(4));
    }

    [GeneratedRegex(@"receiving rate avg: (\d+) msg/s")]
    private static partial Regex ReceivingRate();

    [GeneratedRegex(@"consumer latency min/median/75th/95th/99th \d+/(\d+)/(\d+)/(\d+)/(\d+)")]
    private static partial Regex ConsumerLatency();

    private sealed record Measured(double Rate, double CpuUs, double P50Ms, double P95Ms, double P99Ms);
}
