namespace Sluice.Protocols.Kafka.Wire;

/// <summary>What precedes the body of every request.</summary>
/// <param name="ApiKey">Any number: it may be an API that is not known.</param>
/// <param name="ApiVersion">Any number: it may be a version that the API does not have.</param>
/// <param name="CorrelationId">Goes back with the response.</param>
/// <param name="ClientId">The name that the client gives itself.</param>
public readonly record struct KafkaRequestHeader(short ApiKey, short ApiVersion, int CorrelationId, string? ClientId)
{
    /// <summary>Reads up to the body. Of an API that is not known no tagged fields are read: its body can't be found.</summary>
    /// <exception cref="KafkaParseException">Malformed.</exception>
    public static KafkaRequestHeader Read(ref KafkaReader reader)
    {
        var header = new KafkaRequestHeader(reader.ReadInt16(), reader.ReadInt16(), reader.ReadInt32(), reader.ReadNullableString(flexible: false));
        if (KafkaApis.Find(header.ApiKey) is { } api && api.RequestHeaderVersion(header.ApiVersion) >= 2)
        {
            reader.SkipTags();
        }

        return header;
    }

    /// <summary>Writes what precedes the body.</summary>
    public void Write(KafkaWriter writer)
    {
        writer.WriteInt16(ApiKey);
        writer.WriteInt16(ApiVersion);
        writer.WriteInt32(CorrelationId);
        writer.WriteNullableString(ClientId, flexible: false);
        if (KafkaApis.Find(ApiKey) is { } api && api.RequestHeaderVersion(ApiVersion) >= 2)
        {
            writer.WriteUnsignedVarint(0);
        }
    }
}
