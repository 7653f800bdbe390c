using System.Buffers.Binary;
using Sluice.Storage;

namespace Sluice.Broker.Definitions;

/// <summary>
/// What the metadata store holds for a queue: the ids of its logs (one per priority level) before its definition.
/// Persisted; layout: <c>[version 1: 1 byte][count: 2 bytes][log id: 8 bytes]…[definition as DefinitionCodec writes it]</c>, big-endian.
/// </summary>
internal static class QueueRecordCodec
{
    private const byte Version = 1;
    private const int HeaderBytes = 3;

    public static byte[] Encode(QueueDefinition definition, IReadOnlyList<LogId> logs)
    {
        byte[] json = DefinitionCodec.Encode(definition);
        byte[] value = new byte[HeaderBytes + (logs.Count * sizeof(long)) + json.Length];
        value[0] = Version;
        BinaryPrimitives.WriteInt16BigEndian(value.AsSpan(1), (short)logs.Count);
        int at = HeaderBytes;
        foreach (LogId log in logs)
        {
            BinaryPrimitives.WriteInt64BigEndian(value.AsSpan(at), log.Value);
            at += sizeof(long);
        }

        json.CopyTo(value, at);
        return value;
    }

    /// <exception cref="StorageFormatException">Written by a newer version, or not a queue's record.</exception>
    public static (QueueDefinition Definition, IReadOnlyList<LogId> Logs) Decode(ReadOnlyMemory<byte> value)
    {
        ReadOnlySpan<byte> bytes = value.Span;
        if (bytes.Length < HeaderBytes || bytes[0] != Version)
        {
            throw new StorageFormatException("A queue's definition in the metadata store is of a newer format than this version of Sluice reads. Start the version that wrote it.");
        }

        var logs = new LogId[BinaryPrimitives.ReadInt16BigEndian(bytes[1..])];
        int at = HeaderBytes;
        for (int i = 0; i < logs.Length; i++)
        {
            logs[i] = new LogId(BinaryPrimitives.ReadInt64BigEndian(bytes[at..]));
            at += sizeof(long);
        }

        return (DefinitionCodec.DecodeQueue(value[at..]), logs);
    }
}
