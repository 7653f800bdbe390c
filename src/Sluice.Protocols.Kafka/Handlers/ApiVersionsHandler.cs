using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>ApiVersions: what this broker serves (KIP-35, KIP-511).</summary>
internal sealed class ApiVersionsHandler(IReadOnlyList<KafkaApiKey> served)
{
    private readonly ApiVersionsResponse.ApiVersion[] _versions = [.. served.Order().Select(static key => KafkaApis.Find((short)key)!).Select(static api => new ApiVersionsResponse.ApiVersion
    {
        ApiKey = (short)api.Key,
        MinVersion = api.AdvertisedMinVersion,
        MaxVersion = api.MaxVersion,
    })];

    public ApiVersionsResponse Handle(KafkaRequest request, ApiVersionsRequest body)
    {
        if (request.Version >= 3 && !(IsName(body.ClientSoftwareName) && IsName(body.ClientSoftwareVersion)))
        {
            return Answer(KafkaErrorCode.InvalidRequest);
        }

        request.Connection.ClientSoftware = request.Version >= 3 ? $"{body.ClientSoftwareName} {body.ClientSoftwareVersion}" : "";
        return Answer(KafkaErrorCode.None);
    }

    /// <summary>With all versions; of an error with nothing, or with those of ApiVersions alone if it is their lack (KIP-511).</summary>
    public ApiVersionsResponse Answer(KafkaErrorCode error) => new()
    {
        ErrorCode = error,
        ApiKeys = error switch
        {
            KafkaErrorCode.None => _versions,
            KafkaErrorCode.UnsupportedVersion => [.. _versions.Where(static version => version.ApiKey == (short)KafkaApiKey.ApiVersions)],
            _ => [],
        },
    };

    /// <summary>KIP-511: letters, digits, '-' and '.' with a letter or digit at both ends.</summary>
    private static bool IsName(string text) =>
        text.Length > 0 && char.IsAsciiLetterOrDigit(text[0]) && char.IsAsciiLetterOrDigit(text[^1])
        && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.');
}
