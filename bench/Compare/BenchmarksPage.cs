using System.Text;

namespace Sluice.Bench.Compare;

/// <summary>The page of results: a head, and a section per row that a later run of that row replaces.</summary>
internal static class BenchmarksPage
{
    private const string Head = """
        # Benchmarks

        Sluice beside RabbitMQ and Kafka on one machine, by one script in one go: `bench/compare.sh --write`, or single rows by name (`bench/compare.sh --help`).
        Broker and load generator share the machine's cores. Rounds are interleaved (one broker, then the next, then the first again); figures are the median of the rounds, (least–greatest) behind it.
        *Broker CPU* is the CPU time of the broker's whole process tree from `/proc`, divided by messages that passed; *client CPU* that of the load generator (it must stay small, or it would be what is measured).
        *Disk flushes* are cache flushes completed by the device during the measured time, from `/proc/diskstats`: what syncs come to in the end, whatever a broker promises.
        The load generator writes blocks of up to 64 KB (some 900 messages of 16 bytes, 59 of 1 KB), which lets a broker that works in batches show its best. Programs that send each message by itself find smaller ratios: see the rows `transient-singly`, `persistent-singly` and `perftest` before quoting the others.
        Latency is from publish to delivery; with a rate, a message that is sent late counts from when it was due.

        """;

    public static void Update(string path, string row, string section)
    {
        string page = File.Exists(path) ? File.ReadAllText(path) : Head;
        string begin = $"<!-- {row} -->";
        string end = $"<!-- end of {row} -->";
        string whole = $"{begin}\n{section.TrimEnd()}\n{end}";
        int from = page.IndexOf(begin, StringComparison.Ordinal);
        int to = page.IndexOf(end, StringComparison.Ordinal);
        page = from >= 0 && to > from ? page[..from] + whole + page[(to + end.Length)..] : $"{page.TrimEnd()}\n\n{whole}\n";
        File.WriteAllText(path, page);
    }
}

/// <summary>A markdown table.</summary>
internal sealed class MarkdownTable(params string[] columns)
{
    private readonly List<string[]> _rows = [];

    public void Add(params string[] cells) => _rows.Add(cells);

    public override string ToString()
    {
        StringBuilder text = new();
        Line(text, columns);
        Line(text, [.. columns.Select((_, i) => i == 0 ? "---" : "---:")]);
        _rows.ForEach(row => Line(text, row));
        return text.ToString();
    }

    private static void Line(StringBuilder text, string[] cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
}
