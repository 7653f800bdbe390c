using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Sluice.Base.Binary;
using Sluice.Protocols.Kafka.Configs;
using Sluice.Storage.Metadata;

namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>The subscriptions to clients' metrics. Thread-safe.</summary>
internal sealed class MetricsSubscriptions(IMetadataStore metadata) : NamedConfigs<MetricsSubscription>(metadata, "kafka/client-metrics/", static config => new MetricsSubscription(config))
{
    /// <summary>Subscriptions that there may be: each is looked at for each new client.</summary>
    public const int CountMax = 1000;

    /// <summary>What all that are for a client come to.</summary>
    public RequestedMetrics For(TelemetryClient client)
    {
        int version = Version;
        MetricsSubscription[] matching = [.. All.Where(subscription => subscription.IsFor(client))];
        string[] metrics = [.. matching.SelectMany(static subscription => subscription.Metrics).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        if (metrics.Contains(MetricsConfigKey.Everything, StringComparer.Ordinal))
        {
            metrics = [MetricsConfigKey.Everything];
        }

        int intervalMs = matching.Length == 0 ? MetricsConfigKey.IntervalDefaultMs : matching.Min(static subscription => subscription.IntervalMs);
        return new RequestedMetrics(IdOf(client, metrics, intervalMs), version, metrics, intervalMs);
    }

    /// <summary>The same for the same subscriptions, also after a restart.</summary>
    private static int IdOf(TelemetryClient client, string[] metrics, int intervalMs)
    {
        uint checksum = Crc32C.Compute(Encoding.UTF8.GetBytes($"{string.Join(',', metrics)}:{intervalMs.ToString(CultureInfo.InvariantCulture)}"));
        ReadOnlySpan<byte> instance = client.InstanceId.ToByteArray(bigEndian: true);
        for (; instance.Length > 0; instance = instance[sizeof(uint)..])
        {
            checksum ^= BinaryPrimitives.ReadUInt32BigEndian(instance);
        }

        return (int)checksum;
    }
}

/// <summary>What a client instance is asked for.</summary>
/// <param name="Id">By which the client names it in its pushes.</param>
/// <param name="Version">Of the subscriptions from which it was made.</param>
/// <param name="Metrics">Prefixes of names; "*": all; none: it is not to push.</param>
/// <param name="IntervalMs">Between pushes.</param>
internal sealed record RequestedMetrics(int Id, int Version, IReadOnlyList<string> Metrics, int IntervalMs);
