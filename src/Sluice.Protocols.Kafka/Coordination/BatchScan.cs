using Sluice.Broker.Topics;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Coordination;

/// <summary>Reads a partition of an internal topic from its beginning to its end.</summary>
internal static class BatchScan
{
    private const int SliceBytes = 1 << 20;

    /// <summary>Hands over every batch, in order; its memory is the reader's own and may be kept. Blocks on the disk.</summary>
    /// <exception cref="IOException">The log cannot be read, or is damaged.</exception>
    public static void ReadAll(TopicPartition partition, Action<ReadOnlyMemory<byte>> onBatch)
    {
        long end = partition.EndOffset;
        for (long next = partition.StartOffset; next < end;)
        {
            using LogSlice? slice = partition.Read(next, SliceBytes, end);
            if (slice is null)
            {
                break;
            }

            byte[] bytes = new byte[slice.Length];
            int read = slice.Read(0, bytes);
            long before = next;
            Walk(bytes.AsMemory(0, read), ref next, onBatch);
            if (next == before)
            {
                throw new LogFailedException($"Topic {partition.Topic.Name}, partition {partition.Index}: no whole batch can be read at offset {next}.");
            }
        }
    }

    private static void Walk(ReadOnlyMemory<byte> bytes, ref long next, Action<ReadOnlyMemory<byte>> onBatch)
    {
        while (bytes.Length >= RecordBatch.HeaderBytes && RecordBatch.Size(bytes.Span) <= bytes.Length)
        {
            ReadOnlyMemory<byte> batch = bytes[..RecordBatch.Size(bytes.Span)];
            if (!RecordBatch.IsIntact(batch.Span))
            {
                throw new LogFailedException($"The batch at offset {RecordBatch.BaseOffset(batch.Span)} is damaged.");
            }

            bytes = bytes[batch.Length..];
            if (RecordBatch.EndOffset(batch.Span) > next)
            {
                onBatch(batch);
                next = RecordBatch.EndOffset(batch.Span);
            }
        }
    }
}
