using Sluice.Bench.Compare;
using Sluice.Bench.Compare.Rows;

if (args.Contains("--help"))
{
    Console.WriteLine("""
        compare [row…] [--option value]…
        Rows (all by default):
        """);
    foreach (Row row in Row.All)
    {
        Console.WriteLine($"  {row.Name,-18} {row.Title}");
    }

    Console.WriteLine("""
        Options:
          --rounds 3, --seconds 10, --warm-up 5    rounds and times of the load rows
          --brokers rabbitmq,kafka,sluice,sluice-os      which brokers
          --backlog 50000000, --queues 100000, --connections 10000, --partitions 10000      scale for Sluice
          --backlog-rabbitmq 2000000, --queues-rabbitmq 10000, --connections-rabbitmq 2000
          --quick                                  one short round at small scale, to see that it works
          --full-page-cache                        kafka-produce, kafka-bench: fill free memory with clean page cache before each run, as on a server that has run for a while
          --write                                  put the results into docs/benchmarks.md
          --work DIR                               where the brokers keep their data (temporary)
          --sluice FILE, --rabbitmq FILE           the programs
        Environment: SLUICE_PEERS=DIR              folder with perftest/perftest and kafka/kafka in it (need Java 17); without it their rows are skipped
        """);
    return 0;
}

try
{
    CompareOptions options = CompareOptions.Parse(args);
    using Contest contest = new(options);
    Console.CancelKeyPress += (_, _) => contest.Dispose();
    foreach (Row row in Row.Chosen(options.Rows))
    {
        Console.WriteLine($"\n### {row.Name}: {row.Title}");
        string section = $"## {row.Title}\n\n{DateTime.UtcNow:yyyy-MM-dd}, {Machine.Describe()}.\n\n{row.Run(contest)}";
        Console.WriteLine(section);
        if (options.Page is { } page)
        {
            BenchmarksPage.Update(page, row.Name, section);
        }
    }

    return 0;
}
catch (Exception error) when (error is ArgumentException or InvalidOperationException or TimeoutException or IOException)
{
    Console.Error.WriteLine($"compare: {error.Message}");
    return 2;
}
