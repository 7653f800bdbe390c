namespace Sluice.Admin;

/// <summary>Figures of one name, as Prometheus takes them.</summary>
/// <param name="Name">As in sluice_kafka_requests_total.</param>
/// <param name="Type">counter, gauge or histogram.</param>
/// <param name="Help">What they are.</param>
/// <param name="Values">One for each set of labels.</param>
public sealed record MetricFamily(string Name, string Type, string Help, IReadOnlyList<MetricValue> Values)
{
    /// <summary>With a single figure.</summary>
    public MetricFamily(string name, string type, string help, double value)
        : this(name, type, help, [new MetricValue(value)])
    {
    }
}

/// <param name="Value">The figure.</param>
/// <param name="Label">What tells it from the others of its family; null if it is alone.</param>
/// <param name="Suffix">What its name has more than the family's: _bucket, _sum, _count of a histogram.</param>
public sealed record MetricValue(double Value, (string Name, string Value)? Label = null, string Suffix = "");
