using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Connections;

/// <summary>Which versions a broker speaks, as it says when a connection begins.</summary>
internal sealed class ApiVersionTable(ApiVersionsResponse response)
{
    private readonly Dictionary<short, (short Min, short Max)> _versions = response.ApiKeys.DistinctBy(api => api.ApiKey).ToDictionary(api => api.ApiKey, api => (api.MinVersion, api.MaxVersion));

    public bool Has(ApiUse use) => Find(use) >= 0;

    /// <summary>The newest version that both sides speak.</summary>
    /// <exception cref="KafkaClientException">There is none.</exception>
    public short VersionOf(ApiUse use)
    {
        short version = Find(use);
        return version >= 0 ? version : throw new KafkaClientException(
            KafkaErrorCode.UnsupportedVersion,
            _versions.TryGetValue((short)use.Api.Key, out var range)
                ? $"The broker speaks versions {range.Min} to {range.Max} of {use.Api.Name}, this client {use.Min} to {use.Max}."
                : $"The broker does not have the API {use.Api.Name}.");
    }

    private short Find(ApiUse use)
    {
        if (!_versions.TryGetValue((short)use.Api.Key, out var range))
        {
            return -1;
        }

        short version = Math.Min(range.Max, use.Max);
        return version >= Math.Max(range.Min, use.Min) ? version : (short)-1;
    }
}
