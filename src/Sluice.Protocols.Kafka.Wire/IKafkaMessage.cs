namespace Sluice.Protocols.Kafka.Wire;

/// <summary>The body of a request, a response or a record. Which fields it has, and how they are encoded, depends on the version.</summary>
public interface IKafkaMessage
{
    /// <summary>Sets every property: to what was read, or to its default when the version lacks it. Memory is borrowed from the reader's frame.</summary>
    /// <exception cref="KafkaParseException">The bytes are malformed or the message has no such version.</exception>
    void Read(ref KafkaReader reader, short version);

    /// <summary>Appends the message. Records are not copied but spliced in; see <see cref="KafkaWriter"/>.</summary>
    /// <exception cref="KafkaWriteException">The version lacks a field that is set and may not be ignored, or the message has no such version.</exception>
    void Write(KafkaWriter writer, short version);
}
