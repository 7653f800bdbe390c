namespace Sluice.Protocols.Kafka.Wire;

/// <summary>What precedes the body of every response.</summary>
/// <param name="CorrelationId">That of the request.</param>
public readonly record struct KafkaResponseHeader(int CorrelationId)
{
    /// <summary>Reads up to the body.</summary>
    /// <param name="reader">At the start of a frame.</param>
    /// <param name="headerVersion">See <see cref="KafkaApi.ResponseHeaderVersion"/>.</param>
    /// <exception cref="KafkaParseException">Malformed.</exception>
    public static KafkaResponseHeader Read(ref KafkaReader reader, short headerVersion)
    {
        var header = new KafkaResponseHeader(reader.ReadInt32());
        if (headerVersion >= 1)
        {
            reader.SkipTags();
        }

        return header;
    }

    /// <summary>Writes what precedes the body.</summary>
    public void Write(KafkaWriter writer, short headerVersion)
    {
        writer.WriteInt32(CorrelationId);
        if (headerVersion >= 1)
        {
            writer.WriteUnsignedVarint(0);
        }
    }
}
