using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Sluice.LoadGenerator;

/// <summary>Shows a result to people and programs.</summary>
public static class AmqpLoadReport
{
    public static string ToJson(AmqpLoadResult result) => JsonSerializer.Serialize(result, AmqpLoadJson.Default.AmqpLoadResult);

    public static string ToText(AmqpLoadResult result)
    {
        StringBuilder text = new();
        Line(text, "measured", $"{result.Seconds:0.0} s");
        Line(text, "published", $"{result.PublishedPerSecond,11:N0} msg/s   {result.TotalPublished,13:N0} in all");
        if (result.TotalConfirmed > 0)
        {
            Line(text, "confirmed", $"{result.ConfirmedPerSecond,11:N0} msg/s   {result.TotalConfirmed,13:N0} in all");
        }

        Line(text, "consumed", $"{result.ConsumedPerSecond,11:N0} msg/s   {result.TotalConsumed,13:N0} in all{(result.TotalRedelivered > 0 ? $", {result.TotalRedelivered:N0} redelivered" : "")}");
        Latency(text, "latency", result.Latency);
        Latency(text, "confirm after", result.ConfirmLatency);
        Line(text, "client CPU", $"{result.ClientCpuUsPerMessage:0.00} µs a message");
        if (result.BrokerCpuUsPerMessage is { } cpu)
        {
            Line(text, "broker CPU", $"{cpu:0.00} µs a message, {result.BrokerCpuShare:0.00} cores, {result.BrokerResidentBytes / 1048576.0:N0} MB resident");
        }

        if (result.BlockedCount > 0)
        {
            Line(text, "held back", $"{result.BlockedCount} times by the broker (connection.blocked)");
        }

        foreach (string problem in result.Problems)
        {
            Line(text, "PROBLEM", problem);
        }

        return text.ToString();
    }

    public static string ToText(AmqpLoadProgress progress) =>
        string.Create(CultureInfo.InvariantCulture, $"{progress.Seconds,6:0.0} s   published {progress.PublishedPerSecond,10:N0}/s {progress.Published,14:N0}   consumed {progress.ConsumedPerSecond,10:N0}/s {progress.Consumed,14:N0}");

    private static void Latency(StringBuilder text, string name, LatencySummary? latency)
    {
        if (latency is not null)
        {
            Line(text, name, $"mean {Ms(latency.MeanUs)}   p50 {Ms(latency.P50Us)}   p95 {Ms(latency.P95Us)}   p99 {Ms(latency.P99Us)}   p99.9 {Ms(latency.P999Us)}   max {Ms(latency.MaxUs)}");
        }
    }

    private static string Ms(double microseconds) =>
        microseconds < 10_000 ? $"{microseconds / 1000:0.000} ms" : $"{microseconds / 1000:0.0} ms";

    private static void Line(StringBuilder text, string name, string value) => text.Append(CultureInfo.InvariantCulture, $"{name,-14} {value}\n");
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(AmqpLoadResult))]
internal sealed partial class AmqpLoadJson : JsonSerializerContext;
