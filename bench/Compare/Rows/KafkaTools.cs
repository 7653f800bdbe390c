using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Sluice.Bench.Compare.Brokers;

namespace Sluice.Bench.Compare.Rows;

/// <summary>Kafka's own load tools, as they come with it.</summary>
/// <param name="script">Runs them.</param>
/// <param name="work">Where they run.</param>
internal sealed partial class KafkaTools(string script, string work)
{
    public const string Skipped = "skipped: no peer (set SLUICE_PEERS to the folder with kafka/kafka; needs Java 17)\n";

    /// <summary>Null if Kafka is not there.</summary>
    public static KafkaTools? Find(Contest contest) =>
        contest.KafkaScript is { } script ? new KafkaTools(script, contest.Options.Work) : null;

    public void CreateTopic(BrokerProcess broker, string topic, int partitions = 1, params string[] configs) =>
        Run(broker, "topics", ["--create", "--topic", topic, "--partitions", $"{partitions}", .. configs.SelectMany(static config => (string[])["--config", config])]);

    public void DeleteTopic(BrokerProcess broker, string topic) => Run(broker, "topics", ["--delete", "--topic", topic]);

    /// <summary>Sends records. Rate and latencies are those of the tool after its first third, in which its own code is being compiled; CPU time is that of the whole.</summary>
    public Produced Produce(BrokerProcess broker, string topic, long records, int bytes, int rate, params string[] properties)
    {
        double before = broker.Tree.CpuSeconds(), toolBefore = Machine.CpuSecondsOfEndedChildren();
        long started = Stopwatch.GetTimestamp();
        string output = Run(broker, "producer-perf", ["--topic", topic, "--num-records", $"{records}", "--warmup-records", $"{records / 3}", "--record-size", $"{bytes}", "--throughput", $"{rate}", "--command-property", .. properties]);
        double cpu = broker.Tree.CpuSeconds() - before;
        double toolCores = (Machine.CpuSecondsOfEndedChildren() - toolBefore) / Stopwatch.GetElapsedTime(started).TotalSeconds;
        Match result = ProduceResult().Matches(output).LastOrDefault() ?? throw new InvalidOperationException($"producer-perf against {broker.Name} gave no result: {output}");
        double Group(int index) => double.Parse(result.Groups[index].Value, CultureInfo.InvariantCulture);
        return new Produced(Group(1), cpu * 1e6 / records, Group(2), Group(3), Group(4), toolCores);
    }

    /// <summary>Reads records from the beginning; the rate is that of fetching.</summary>
    public Consumed Consume(BrokerProcess broker, string topic, long records)
    {
        double before = broker.Tree.CpuSeconds();
        string output = Run(broker, "consumer-perf", ["--topic", topic, "--num-records", $"{records}", "--timeout", "60000", "--group", $"perf-{Guid.NewGuid():N}"]);
        double cpu = broker.Tree.CpuSeconds() - before;
        string[] cells = output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1].Split(", ");
        if (cells.Length < 10 || !double.TryParse(cells[9], CultureInfo.InvariantCulture, out double rate))
        {
            throw new InvalidOperationException($"consumer-perf against {broker.Name} gave no result: {output}");
        }

        return new Consumed(rate, cpu * 1e6 / records);
    }

    /// <summary>Sends a record, waits until it is consumed, and again. Milliseconds.</summary>
    public (double Mean, double P50, double P99) EndToEnd(BrokerProcess broker, string topic, int records, int bytes)
    {
        string output = Run(broker, "e2e-latency", ["--topic", topic, "--num-records", $"{records}", "--producer-acks", "1", "--record-size", $"{bytes}"]);
        Match mean = MeanLatency().Match(output);
        Match percentiles = Percentiles().Match(output);
        if (!mean.Success || !percentiles.Success)
        {
            throw new InvalidOperationException($"e2e-latency against {broker.Name} gave no result: {output}");
        }

        static double Value(Group group) => double.Parse(group.Value, CultureInfo.InvariantCulture);
        return (Value(mean.Groups[1]), Value(percentiles.Groups[1]), Value(percentiles.Groups[2]));
    }

    private string Run(BrokerProcess broker, string tool, IEnumerable<string> arguments)
    {
        var info = new ProcessStartInfo(script) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = work, ArgumentList = { tool, "--bootstrap-server", $"127.0.0.1:{((IKafkaListener)broker).KafkaPort}" } };
        foreach (string argument in arguments)
        {
            info.ArgumentList.Add(argument);
        }

        info.Environment["KAFKA_HEAP"] = "512m";
        using Process process = Process.Start(info)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{tool} against {broker.Name} failed: {output}{errors.Result}");
    }

    [GeneratedRegex(@"steady state records sent, ([\d.]+) records/sec .* max latency, ([\d.]+) ms 50th, ([\d.]+) ms 95th, ([\d.]+) ms 99th")]
    private static partial Regex ProduceResult();

    [GeneratedRegex(@"Avg latency: ([\d.]+) ms")]
    private static partial Regex MeanLatency();

    [GeneratedRegex(@"50th = ([\d.]+), 99th = ([\d.]+)")]
    private static partial Regex Percentiles();
}

/// <summary>What producer-perf says, with the broker's CPU time and how many cores the tool itself kept busy.</summary>
internal sealed record Produced(double Rate, double CpuUs, double P50Ms, double P95Ms, double P99Ms, double ToolCores);

/// <summary>What consumer-perf says, with the broker's CPU time.</summary>
internal sealed record Consumed(double Rate, double CpuUs);
