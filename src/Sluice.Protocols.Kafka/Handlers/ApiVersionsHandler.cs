using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>ApiVersions: what this broker serves (KIP-35, KIP-511).</summary>
internal sealed class ApiVersionsHandler(IReadOnlyList<KafkaApiKey> served)
{
    private const short TellsFeatures = 3, ReadsZero = 4;

    private readonly ApiVersionsResponse.ApiVersion[] _versions = [.. served.Order().Select(static key => KafkaApis.Find((short)key)!).Select(static api => new ApiVersionsResponse.ApiVersion
    {
        ApiKey = (short)api.Key,
        MinVersion = api.AdvertisedMinVersion,
        MaxVersion = api.MaxVersion,
    })];

    /// <summary>What may be switched on in a cluster, and is here (KIP-584). Producers look at transaction.version, to let Produce begin a transaction (KIP-890); share consumers at share.version (KIP-932).</summary>
    private static readonly (string Name, short Max)[] s_features = [("share.version", 1), ("transaction.version", 2)];

    public ApiVersionsResponse Handle(KafkaRequest request, ApiVersionsRequest body)
    {
        if (request.Version >= 3 && !(IsName(body.ClientSoftwareName) && IsName(body.ClientSoftwareVersion)))
        {
            return Answer(KafkaErrorCode.InvalidRequest, request.Version);
        }

        request.Connection.ClientSoftware = request.Version >= 3 ? (TelemetryClient.Cut(body.ClientSoftwareName), TelemetryClient.Cut(body.ClientSoftwareVersion)) : KafkaConnection.UnknownSoftware;
        return Answer(KafkaErrorCode.None, request.Version);
    }

    /// <summary>With all versions; of an error with nothing, or with those of ApiVersions alone if it is their lack (KIP-511).</summary>
    public ApiVersionsResponse Answer(KafkaErrorCode error, short version)
    {
        var response = new ApiVersionsResponse
        {
            ErrorCode = error,
            ApiKeys = error switch
            {
                KafkaErrorCode.None => _versions,
                KafkaErrorCode.UnsupportedVersion => [.. _versions.Where(static version => version.ApiKey == (short)KafkaApiKey.ApiVersions)],
                _ => [],
            },
        };
        if (error == KafkaErrorCode.None && version >= TellsFeatures)
        {
            // Clients of before version 4 can't read a feature that may be switched off altogether.
            short min = version >= ReadsZero ? (short)0 : (short)1;
            response.FinalizedFeaturesEpoch = 0;
            response.SupportedFeatures = [.. s_features.Select(feature => new ApiVersionsResponse.SupportedFeatureKey { Name = feature.Name, MinVersion = min, MaxVersion = feature.Max })];
            response.FinalizedFeatures = [.. s_features.Select(static feature => new ApiVersionsResponse.FinalizedFeatureKey { Name = feature.Name, MinVersionLevel = feature.Max, MaxVersionLevel = feature.Max })];
        }

        return response;
    }

    /// <summary>KIP-511: letters, digits, '-' and '.' with a letter or digit at both ends.</summary>
    private static bool IsName(string text) =>
        text.Length > 0 && char.IsAsciiLetterOrDigit(text[0]) && char.IsAsciiLetterOrDigit(text[^1])
        && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.');
}
