namespace Sluice.Protocols.Kafka.Wire;

/// <summary>What the tables say about an API: which versions there are, and how its headers and bodies are written in each.</summary>
public sealed class KafkaApi
{
    private readonly Func<IKafkaMessage> _newRequest;
    private readonly Func<IKafkaMessage> _newResponse;

    internal KafkaApi(KafkaApiKey key, short minVersion, short maxVersion, short advertisedMinVersion, short flexibleFrom, Func<IKafkaMessage> newRequest, Func<IKafkaMessage> newResponse)
    {
        Key = key;
        Name = key.ToString();
        MinVersion = minVersion;
        MaxVersion = maxVersion;
        AdvertisedMinVersion = advertisedMinVersion;
        FlexibleFrom = flexibleFrom;
        _newRequest = newRequest;
        _newResponse = newResponse;
    }

    public KafkaApiKey Key { get; }

    public string Name { get; }

    public short MinVersion { get; }

    /// <summary>The latest stable version.</summary>
    public short MaxVersion { get; }

    /// <summary>
    /// What an ApiVersions response gives for <see cref="MinVersion"/>. Lower for Produce: librdkafka does not compress for brokers that do not claim its first versions (KAFKA-18659).
    /// </summary>
    public short AdvertisedMinVersion { get; }

    /// <summary>The first version with compact lengths and tagged fields; <see cref="short.MaxValue"/> if no version has them.</summary>
    public short FlexibleFrom { get; }

    public bool HasVersion(short version) => version >= MinVersion && version <= MaxVersion;

    /// <summary>1, or 2 with tagged fields. Defined for versions to come too, so that a request of one can be answered.</summary>
    public short RequestHeaderVersion(short version) => version >= FlexibleFrom ? (short)2 : (short)1;

    /// <summary>0, or 1 with tagged fields. Always 0 for ApiVersions, whose answer is read before the client knows what the broker speaks (KIP-511).</summary>
    public short ResponseHeaderVersion(short version) => version >= FlexibleFrom && Key != KafkaApiKey.ApiVersions ? (short)1 : (short)0;

    public IKafkaMessage NewRequest() => _newRequest();

    public IKafkaMessage NewResponse() => _newResponse();
}
