namespace Sluice.Bench.Compare.Rows;

/// <summary>One subject of the comparison.</summary>
internal abstract class Row(string name, string title)
{
    public static IReadOnlyList<Row> All { get; } =
    [
        LoadRow.Transient,
        LoadRow.Persistent,
        LoadRow.Latency,
        LoadRow.TransientSingly,
        LoadRow.PersistentSingly,
        new PerfTestRow(),
        new BacklogRow(),
        new QueuesRow(),
        new ConnectionsRow(),
        new StartRow(),
        new KafkaProduceRow(),
        new KafkaFetchRow(),
        new KafkaBenchRow(),
        new KafkaLatencyRow(),
        new KafkaMemoryRow(),
    ];

    /// <summary>As on the command line.</summary>
    public string Name { get; } = name;

    public string Title { get; } = title;

    public static IEnumerable<Row> Chosen(IReadOnlyList<string> names) =>
        names.Count == 0 ? All : names.Select(name => All.FirstOrDefault(row => row.Name == name) ?? throw new ArgumentException($"There is no row {name}; there are {string.Join(", ", All.Select(row => row.Name))}."));

    /// <summary>Runs it; returns its text and tables in markdown.</summary>
    public abstract string Run(Contest contest);

    protected static string Ratio(double value, double of) => double.IsFinite(value / of) ? $"{value / of:0.00}×" : "–";
}
