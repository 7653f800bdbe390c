using System.Globalization;
using System.Net.Http.Headers;
using System.Text;

namespace Sluice.Bench.Compare.Brokers;

/// <summary>Asks a running Sluice about itself over its management API.</summary>
internal static class SluiceMetrics
{
    /// <summary>Live bytes on the managed heap after a full collection; null when the API does not answer.</summary>
    public static double? LiveManagedBytes(SluiceBroker broker)
    {
        using HttpClient http = new() { BaseAddress = new Uri($"http://127.0.0.1:{broker.HttpPort}"), Timeout = TimeSpan.FromSeconds(60) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("guest:guest")));
        try
        {
            string metrics = http.GetStringAsync("/metrics?collect=true").GetAwaiter().GetResult();
            string? line = metrics.Split('\n').FirstOrDefault(line => line.StartsWith("sluice_managed_heap_bytes ", StringComparison.Ordinal));
            return line is null ? null : double.Parse(line.AsSpan(line.IndexOf(' ', StringComparison.Ordinal) + 1), CultureInfo.InvariantCulture);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }
}
