using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Sluice.LoadGenerator.Kafka;

/// <summary>Shows a result to people and programs.</summary>
public static class KafkaLoadReport
{
    public static string ToJson(KafkaLoadResult result) => JsonSerializer.Serialize(result, KafkaLoadJson.Default.KafkaLoadResult);

    public static string ToText(KafkaLoadResult result)
    {
        StringBuilder text = new();
        Line(text, "measured", $"{result.Seconds:0.00} s");
        if (result.Produced > 0)
        {
            Line(text, "produced", $"{result.Produced,13:N0} records   {result.ProducedPerSecond,11:N0} records/s   {result.ProducedMegabytesPerSecond,8:N1} MB/s");
        }

        if (result.Consumed > 0)
        {
            Line(text, "consumed", $"{result.Consumed,13:N0} records   {result.ConsumedPerSecond,11:N0} records/s   {result.ConsumedMegabytesPerSecond,8:N1} MB/s");
        }

        Latency(text, "acknowledged", result.ProduceLatency);
        Latency(text, "end to end", result.EndToEndLatency);
        Line(text, "client CPU", $"{result.ClientCpuUsPerRecord:0.00} µs a record, {result.Collections} garbage collections");
        if (result.BrokerCpuUsPerRecord is { } cpu)
        {
            Line(text, "broker CPU", $"{cpu:0.00} µs a record, {result.BrokerResidentBytes / 1048576.0:N0} MB resident");
        }

        foreach (string problem in result.Problems)
        {
            Line(text, "PROBLEM", problem);
        }

        return text.ToString();
    }

    public static string ToText(KafkaLoadProgress progress) =>
        string.Create(CultureInfo.InvariantCulture, $"{progress.Seconds,6:0.0} s   produced {progress.Produced,14:N0}   consumed {progress.Consumed,14:N0}");

    private static void Latency(StringBuilder text, string name, LatencySummary? latency)
    {
        if (latency is not null)
        {
            Line(text, name, $"mean {Ms(latency.MeanUs)}   p50 {Ms(latency.P50Us)}   p95 {Ms(latency.P95Us)}   p99 {Ms(latency.P99Us)}   p99.9 {Ms(latency.P999Us)}   max {Ms(latency.MaxUs)}");
        }
    }

    private static string Ms(double microseconds) => microseconds < 10_000 ? $"{microseconds / 1000:0.000} ms" : $"{microseconds / 1000:0.0} ms";

    private static void Line(StringBuilder text, string name, string value) => text.Append(CultureInfo.InvariantCulture, $"{name,-14} {value}\n");
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(KafkaLoadResult))]
internal sealed partial class KafkaLoadJson : JsonSerializerContext;
