using Sluice.Broker.Topics;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>Reads a partition of the internal topic from its beginning to its end.</summary>
internal static class GroupRecordReader
{
    private const int SliceBytes = 1 << 20;

    /// <summary>Hands over every record that is understood, in order. Returns how many there were. Blocks on the disk.</summary>
    /// <exception cref="IOException">The log cannot be read, or is damaged.</exception>
    /// <exception cref="Wire.KafkaParseException">A record is malformed.</exception>
    public static int ReadAll(TopicPartition partition, Action<GroupRecord> apply)
    {
        int count = 0;
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
            count += ReadBatches(bytes.AsMemory(0, read), ref next, apply);
            if (next == before)
            {
                throw new LogFailedException($"Topic {partition.Topic.Name}, partition {partition.Index}: no whole batch can be read at offset {next}.");
            }
        }

        return count;
    }

    private static int ReadBatches(ReadOnlyMemory<byte> bytes, ref long next, Action<GroupRecord> apply)
    {
        int count = 0;
        while (bytes.Length >= RecordBatch.HeaderBytes && RecordBatch.Size(bytes.Span) <= bytes.Length)
        {
            ReadOnlyMemory<byte> batch = bytes[..RecordBatch.Size(bytes.Span)];
            if (!RecordBatch.IsIntact(batch.Span))
            {
                throw new LogFailedException($"The batch at offset {RecordBatch.BaseOffset(batch.Span)} is damaged.");
            }

            bytes = bytes[batch.Length..];
            if (RecordBatch.EndOffset(batch.Span) <= next)
            {
                continue;
            }

            var reader = new RecordBatchReader(batch.Span);
            while (!RecordBatch.IsControl(batch.Span) && reader.TryRead(out RecordView record))
            {
                if (record.HasKey && GroupRecord.Read(record.Key.ToArray(), record.HasValue ? (ReadOnlyMemory<byte>?)record.Value.ToArray() : null) is { } known)
                {
                    apply(known);
                }

                count++;
            }

            next = RecordBatch.EndOffset(batch.Span);
        }

        return count;
    }
}
