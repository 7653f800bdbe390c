using System.Globalization;
using System.Text;

namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>
/// Reads gauges and sums out of OpenTelemetry's MetricsData (opentelemetry/proto/metrics/v1/metrics.proto), which is how KIP-714 has clients push. Histograms and summaries
/// are passed over, as Kafka's clients have none, and so is what is too large; it is counted.
/// </summary>
internal ref struct OtlpReader
{
    private const int NameBytesMax = 256, AttributeBytesMax = 256, AttributesMax = 16;

    /// <summary>Of a sum: since the last push.</summary>
    private const ulong Delta = 1;

    /// <summary>Of a point, in its flags: it has no value.</summary>
    private const ulong NoValue = 1;

    private readonly List<ClientMetric> _values = [];
    private readonly int _valuesMax;
    private int _leftOff;

    private OtlpReader(int valuesMax) => _valuesMax = valuesMax;

    /// <summary>The values, at most so many, and how many there are beyond.</summary>
    /// <exception cref="InvalidDataException">It is no MetricsData.</exception>
    public static (IReadOnlyList<ClientMetric> Values, int LeftOff) Read(ReadOnlySpan<byte> metricsData, int valuesMax)
    {
        var reader = new OtlpReader(valuesMax);
        var data = new ProtobufReader(metricsData);
        while (data.Read())
        {
            if (data.Is(1, ProtobufType.Bytes))
            {
                reader.ReadResource(data.Bytes);
            }
        }

        return (reader._values, reader._leftOff);
    }

    /// <summary>ResourceMetrics: what the client says of itself, and its metrics.</summary>
    private void ReadResource(ReadOnlySpan<byte> resourceMetrics)
    {
        List<KeyValuePair<string, string>>? attributes = [];
        var first = new ProtobufReader(resourceMetrics);
        while (first.Read())
        {
            if (first.Is(1, ProtobufType.Bytes))
            {
                var resource = new ProtobufReader(first.Bytes);
                while (resource.Read() && attributes is not null)
                {
                    attributes = resource.Is(1, ProtobufType.Bytes) && !TryAddAttribute(resource.Bytes, attributes) ? null : attributes;
                }
            }
        }

        var again = new ProtobufReader(resourceMetrics);
        while (again.Read())
        {
            if (again.Is(2, ProtobufType.Bytes))
            {
                var scope = new ProtobufReader(again.Bytes);
                while (scope.Read())
                {
                    if (scope.Is(2, ProtobufType.Bytes))
                    {
                        ReadMetric(scope.Bytes, attributes);
                    }
                }
            }
        }
    }

    private void ReadMetric(ReadOnlySpan<byte> metric, List<KeyValuePair<string, string>>? ofClient)
    {
        ReadOnlySpan<byte> name = default, gauge = default, sum = default;
        var fields = new ProtobufReader(metric);
        while (fields.Read())
        {
            switch (fields.Field)
            {
                case 1 when fields.Type == ProtobufType.Bytes:
                    name = fields.Bytes;
                    break;
                case 5 when fields.Type == ProtobufType.Bytes:
                    gauge = fields.Bytes;
                    break;
                case 7 when fields.Type == ProtobufType.Bytes:
                    sum = fields.Bytes;
                    break;
                case 9 or 10 or 11:
                    _leftOff++;
                    break;
            }
        }

        bool isUsable = name.Length is > 0 and <= NameBytesMax && ofClient is not null;
        var shape = new ClientMetric(isUsable ? Encoding.UTF8.GetString(name) : "", ofClient ?? [], IsTotal: false, 0);
        ReadPoints(gauge, shape, isUsable);
        ReadPoints(sum, shape with { IsTotal = IsMonotonic(sum, out bool isDelta), IsDelta = isDelta }, isUsable);
    }

    /// <summary>Sum: what kind it is.</summary>
    private static bool IsMonotonic(ReadOnlySpan<byte> sum, out bool isDelta)
    {
        bool isMonotonic = false;
        isDelta = false;
        var fields = new ProtobufReader(sum);
        while (fields.Read())
        {
            isDelta = fields.Is(2, ProtobufType.Varint) ? fields.Number == Delta : isDelta;
            isMonotonic = fields.Is(3, ProtobufType.Varint) ? fields.Number != 0 : isMonotonic;
        }

        return isMonotonic;
    }

    /// <summary>The points of a Gauge or Sum.</summary>
    private void ReadPoints(ReadOnlySpan<byte> points, ClientMetric shape, bool isUsable)
    {
        var fields = new ProtobufReader(points);
        while (fields.Read())
        {
            if (!fields.Is(1, ProtobufType.Bytes))
            {
                continue;
            }

            if (isUsable && _values.Count < _valuesMax && TryReadPoint(fields.Bytes, shape, out ClientMetric? value))
            {
                _values.Add(value);
            }
            else
            {
                _leftOff++;
            }
        }
    }

    /// <summary>NumberDataPoint.</summary>
    private static bool TryReadPoint(ReadOnlySpan<byte> point, ClientMetric shape, out ClientMetric value)
    {
        value = shape;
        double? number = null;
        List<KeyValuePair<string, string>>? attributes = null;
        var fields = new ProtobufReader(point);
        while (fields.Read())
        {
            switch (fields.Field)
            {
                case 4 when fields.Type == ProtobufType.Fixed64:
                    number = BitConverter.UInt64BitsToDouble(fields.Number);
                    break;
                case 6 when fields.Type == ProtobufType.Fixed64:
                    number = (long)fields.Number;
                    break;
                case 7 when fields.Type == ProtobufType.Bytes:
                    attributes ??= [.. shape.Attributes];
                    if (!TryAddAttribute(fields.Bytes, attributes))
                    {
                        return false;
                    }

                    break;
                case 8 when (fields.Number & NoValue) != 0:
                    return false;
            }
        }

        value = shape with { Attributes = attributes ?? shape.Attributes, Value = number ?? 0 };
        return number is not null;
    }

    /// <summary>KeyValue. False when it is too large, or one too many.</summary>
    private static bool TryAddAttribute(ReadOnlySpan<byte> keyValue, List<KeyValuePair<string, string>> attributes)
    {
        ReadOnlySpan<byte> key = default, text = default;
        string? other = null;
        var fields = new ProtobufReader(keyValue);
        while (fields.Read())
        {
            if (fields.Is(1, ProtobufType.Bytes))
            {
                key = fields.Bytes;
            }
            else if (fields.Is(2, ProtobufType.Bytes))
            {
                ReadValue(fields.Bytes, out text, out other);
            }
        }

        if (attributes.Count == AttributesMax || key.Length is 0 or > AttributeBytesMax || text.Length > AttributeBytesMax)
        {
            return false;
        }

        attributes.Add(new KeyValuePair<string, string>(Encoding.UTF8.GetString(key), other ?? Encoding.UTF8.GetString(text)));
        return true;
    }

    /// <summary>AnyValue; what is no text and no number is empty.</summary>
    private static void ReadValue(ReadOnlySpan<byte> anyValue, out ReadOnlySpan<byte> text, out string? other)
    {
        text = default;
        other = null;
        var fields = new ProtobufReader(anyValue);
        while (fields.Read())
        {
            switch (fields.Field)
            {
                case 1 when fields.Type == ProtobufType.Bytes:
                    text = fields.Bytes;
                    break;
                case 2 when fields.Type == ProtobufType.Varint:
                    other = fields.Number != 0 ? "true" : "false";
                    break;
                case 3 when fields.Type == ProtobufType.Varint:
                    other = ((long)fields.Number).ToString(CultureInfo.InvariantCulture);
                    break;
                case 4 when fields.Type == ProtobufType.Fixed64:
                    other = BitConverter.UInt64BitsToDouble(fields.Number).ToString(CultureInfo.InvariantCulture);
                    break;
            }
        }
    }
}
