using System.Globalization;
using System.Text;

namespace Sluice.Admin.Metrics;

/// <summary>Builds Prometheus' text exposition format (version 0.0.4).</summary>
internal sealed class MetricsText
{
    private readonly StringBuilder _text = new();

    public void Family(string name, string type, string help) =>
        _text.Append("# HELP ").Append(name).Append(' ').Append(help).Append("\n# TYPE ").Append(name).Append(' ').Append(type).Append('\n');

    public void Single(string name, string type, string help, double value)
    {
        Family(name, type, help);
        Value(name, value);
    }

    public void Write(MetricFamily family)
    {
        Family(family.Name, family.Type, family.Help);
        foreach (MetricValue value in family.Values)
        {
            Value(family.Name + value.Suffix, value.Value, value.Label is { } label ? [label] : []);
        }
    }

    public void Value(string name, double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _text.Append(name);
        for (int i = 0; i < labels.Length; i++)
        {
            _text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"");
            Escaped(labels[i].Value);
            _text.Append('"');
        }

        _text.Append(labels.Length > 0 ? "} " : " ").Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }

    public override string ToString() => _text.ToString();

    private void Escaped(string value)
    {
        foreach (char character in value)
        {
            _ = character switch
            {
                '\\' => _text.Append(@"\\"),
                '"' => _text.Append("\\\""),
                '\n' => _text.Append("\\n"),
                _ => _text.Append(character),
            };
        }
    }
}
