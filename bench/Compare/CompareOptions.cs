using System.Globalization;

namespace Sluice.Bench.Compare;

/// <summary>What to compare and at which scale. Defaults are those of a full comparison.</summary>
internal sealed record CompareOptions
{
    /// <summary>Rows to run, in order; empty: all.</summary>
    public IReadOnlyList<string> Rows { get; init; } = [];

    /// <summary>Brokers to run (rabbitmq, kafka, sluice, sluice-os); empty: all that are there.</summary>
    public IReadOnlyList<string> Brokers { get; init; } = [];

    /// <summary>Interleaved rounds; the median counts.</summary>
    public int Rounds { get; init; } = 3;

    public double Seconds { get; init; } = 10;

    public double WarmUpSeconds { get; init; } = 5;

    /// <summary>Messages of the backlog row for Sluice.</summary>
    public long Backlog { get; init; } = 50_000_000;

    /// <summary>Messages of the backlog row for RabbitMQ, which would take hours for Sluice's.</summary>
    public long BacklogOfRabbitMq { get; init; } = 2_000_000;

    public int Queues { get; init; } = 100_000;

    public int QueuesOfRabbitMq { get; init; } = 10_000;

    public int Connections { get; init; } = 10_000;

    /// <summary>Partitions of the row about memory of Kafka's topics, in thousands.</summary>
    public int Partitions { get; init; } = 10_000;

    public int ConnectionsOfRabbitMq { get; init; } = 2_000;

    /// <summary>Fill the page cache before each run of producers of Kafka's protocol.</summary>
    public bool FullPageCache { get; init; }

    /// <summary>Directory for the brokers' data; its disk is what is measured.</summary>
    public string Work { get; init; } = Path.Combine(Path.GetTempPath(), "sluice-compare");

    /// <summary>The built broker.</summary>
    public string Sluice { get; init; } = Path.Combine("src", "Sluice.Server", "bin", "Release", "net10.0", "sluice.dll");

    public string RabbitMq { get; init; } = "/usr/lib/rabbitmq/bin/rabbitmq-server";

    /// <summary>Folder of peers with PerfTest and Kafka in it; null: their rows are skipped.</summary>
    public string? Peers { get; init; } = Environment.GetEnvironmentVariable("SLUICE_PEERS");

    /// <summary>Page whose sections are replaced by the results; null: only printed.</summary>
    public string? Page { get; init; }

    public static CompareOptions Parse(string[] args)
    {
        CompareOptions options = new();
        List<string> rows = [];
        for (int i = 0; i < args.Length; i++)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal))
            {
                rows.Add(args[i]);
                continue;
            }

            string name = args[i];
            string Next() => ++i < args.Length ? args[i] : throw new ArgumentException($"{name} needs a value.");
            int NextInt() => int.TryParse(Next(), CultureInfo.InvariantCulture, out int value) && value > 0 ? value : throw new ArgumentException($"{name} needs a number above 0.");
            options = name switch
            {
                "--rounds" => options with { Rounds = NextInt() },
                "--seconds" => options with { Seconds = NextInt() },
                "--warm-up" => options with { WarmUpSeconds = NextInt() },
                "--brokers" => options with { Brokers = Next().Split(',') },
                "--backlog" => options with { Backlog = NextInt() },
                "--backlog-rabbitmq" => options with { BacklogOfRabbitMq = NextInt() },
                "--queues" => options with { Queues = NextInt() },
                "--queues-rabbitmq" => options with { QueuesOfRabbitMq = NextInt() },
                "--connections" => options with { Connections = NextInt() },
                "--partitions" => options with { Partitions = NextInt() },
                "--connections-rabbitmq" => options with { ConnectionsOfRabbitMq = NextInt() },
                "--work" => options with { Work = Path.GetFullPath(Next()) },
                "--sluice" => options with { Sluice = Next() },
                "--rabbitmq" => options with { RabbitMq = Next() },
                "--full-page-cache" => options with { FullPageCache = true },
                "--write" => options with { Page = Path.Combine("docs", "benchmarks.md") },
                "--quick" => options with { Rounds = 1, Seconds = 5, WarmUpSeconds = 2, Backlog = 1_000_000, BacklogOfRabbitMq = 100_000, Queues = 2000, QueuesOfRabbitMq = 500, Connections = 500, Partitions = 1000, ConnectionsOfRabbitMq = 200 },
                _ => throw new ArgumentException($"There is no option {name}; see --help."),
            };
        }

        return options with { Rows = rows };
    }
}
