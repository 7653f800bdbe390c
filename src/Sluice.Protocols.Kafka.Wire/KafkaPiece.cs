namespace Sluice.Protocols.Kafka.Wire;

/// <summary>A part of what a <see cref="KafkaWriter"/> holds: bytes of its own, or records that are sent from where they lie.</summary>
public readonly struct KafkaPiece
{
    internal KafkaPiece(ReadOnlyMemory<byte> bytes) => Bytes = bytes;

    internal KafkaPiece(RecordsPayload records) => Records = records;

    /// <summary>The writer's own bytes; empty if this piece is records.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Records; null (see <see cref="RecordsPayload.IsNull"/>) if this piece is the writer's own bytes.</summary>
    public RecordsPayload Records { get; }

    public int Length => Records.IsNull ? Bytes.Length : Records.Length;
}
