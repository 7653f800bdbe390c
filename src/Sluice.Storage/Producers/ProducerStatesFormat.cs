using System.Buffers;
using System.Buffers.Binary;

namespace Sluice.Storage.Producers;

/// <summary>
/// Producer states in a checkpoint, little-endian:
/// <code>
/// 0 producers i32   4 aborted transactions i32
/// producer: 0 id i64   8 epoch i16   10 batches u8   11 zero   12 coordinator epoch i32   16 last timestamp i64   24 first offset of the open transaction i64 (-1: none)
///           batches: 0 base sequence i32   4 last offset delta i32   8 base offset i64   16 timestamp i64
/// aborted transaction: producer id i64, first offset i64, last offset i64, last stable offset i64
/// </code>
/// </summary>
internal static class ProducerStatesFormat
{
    private const int HeaderBytes = 8;
    private const int ProducerBytes = 32;
    private const int BatchBytes = 24;
    private const int AbortedBytes = 32;

    /// <summary>Under the log's lock.</summary>
    public static void Write(ProducerStates states, IBufferWriter<byte> output)
    {
        List<ProducerEntry> entries = [.. states.Entries];
        Span<byte> header = output.GetSpan(HeaderBytes);
        BinaryPrimitives.WriteInt32LittleEndian(header, entries.Count);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], states.Aborted.Count);
        output.Advance(HeaderBytes);
        foreach (ProducerEntry entry in entries)
        {
            Write(entry, output);
        }
        foreach (AbortedTransaction aborted in states.Aborted)
        {
            Span<byte> bytes = output.GetSpan(AbortedBytes);
            BinaryPrimitives.WriteInt64LittleEndian(bytes, aborted.ProducerId);
            BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], aborted.FirstOffset);
            BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], aborted.LastOffset);
            BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], aborted.LastStableOffset);
            output.Advance(AbortedBytes);
        }
    }

    /// <summary>Reads what <see cref="Write(ProducerStates, IBufferWriter{byte})"/> wrote into empty states.</summary>
    public static void Read(ReadOnlySpan<byte> source, ProducerStates states)
    {
        int producers = BinaryPrimitives.ReadInt32LittleEndian(source);
        int aborted = BinaryPrimitives.ReadInt32LittleEndian(source[4..]);
        source = source[HeaderBytes..];
        for (int i = 0; i < producers; i++)
        {
            ProducerEntry entry = new(BinaryPrimitives.ReadInt64LittleEndian(source))
            {
                CoordinatorEpoch = BinaryPrimitives.ReadInt32LittleEndian(source[12..]),
                LastTimestamp = BinaryPrimitives.ReadInt64LittleEndian(source[16..]),
                TransactionFirstOffset = BinaryPrimitives.ReadInt64LittleEndian(source[24..]),
            };
            entry.SetEpoch(BinaryPrimitives.ReadInt16LittleEndian(source[8..]));
            int batches = source[10];
            source = source[ProducerBytes..];
            for (; batches > 0; batches--)
            {
                entry.Add(new ProducerBatch(
                    BinaryPrimitives.ReadInt32LittleEndian(source),
                    BinaryPrimitives.ReadInt32LittleEndian(source[4..]),
                    BinaryPrimitives.ReadInt64LittleEndian(source[8..]),
                    BinaryPrimitives.ReadInt64LittleEndian(source[16..])));
                source = source[BatchBytes..];
            }
            states.Restore(entry);
        }
        for (int i = 0; i < aborted; i++)
        {
            states.Restore(new AbortedTransaction(
                BinaryPrimitives.ReadInt64LittleEndian(source),
                BinaryPrimitives.ReadInt64LittleEndian(source[8..]),
                BinaryPrimitives.ReadInt64LittleEndian(source[16..]),
                BinaryPrimitives.ReadInt64LittleEndian(source[24..])));
            source = source[AbortedBytes..];
        }
    }

    private static void Write(ProducerEntry entry, IBufferWriter<byte> output)
    {
        Span<byte> bytes = output.GetSpan(ProducerBytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes, entry.Id);
        BinaryPrimitives.WriteInt16LittleEndian(bytes[8..], entry.Epoch);
        bytes[10] = (byte)entry.BatchCount;
        bytes[11] = 0;
        BinaryPrimitives.WriteInt32LittleEndian(bytes[12..], entry.CoordinatorEpoch);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], entry.LastTimestamp);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], entry.TransactionFirstOffset);
        output.Advance(ProducerBytes);
        for (int i = 0; i < entry.BatchCount; i++)
        {
            Span<byte> batch = output.GetSpan(BatchBytes);
            BinaryPrimitives.WriteInt32LittleEndian(batch, entry[i].BaseSequence);
            BinaryPrimitives.WriteInt32LittleEndian(batch[4..], entry[i].LastOffsetDelta);
            BinaryPrimitives.WriteInt64LittleEndian(batch[8..], entry[i].BaseOffset);
            BinaryPrimitives.WriteInt64LittleEndian(batch[16..], entry[i].Timestamp);
            output.Advance(BatchBytes);
        }
    }
}
