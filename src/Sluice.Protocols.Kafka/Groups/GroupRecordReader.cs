using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Storage.Producers;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>Reads a partition of the internal topic from its beginning to its end.</summary>
internal static class GroupRecordReader
{
    /// <summary>Hands over every record that is understood and every end of a transaction, in order. Returns how many records there were. Blocks on the disk.</summary>
    /// <param name="partition">Of the internal topic.</param>
    /// <param name="apply">Gets a record, and the id of the producer of whose transaction it is a part; else <see cref="RecordBatch.NoProducerId"/>.</param>
    /// <param name="onEnd">Gets the id of a producer whose transaction ends, and whether it is committed.</param>
    /// <exception cref="IOException">The log cannot be read, or is damaged.</exception>
    /// <exception cref="Wire.KafkaParseException">A record is malformed.</exception>
    public static int ReadAll(TopicPartition partition, Action<GroupRecord, long> apply, Action<long, bool> onEnd)
    {
        int count = 0;
        BatchScan.ReadAll(partition, batch =>
        {
            ReadOnlySpan<byte> bytes = batch.Span;
            if (RecordBatch.IsControl(bytes))
            {
                if (EndTransactionMarker.TryRead(bytes, out EndTransactionMarker marker))
                {
                    onEnd(RecordBatch.ProducerId(bytes), marker.IsCommit);
                }

                return;
            }

            long producerId = RecordBatch.IsTransactional(bytes) ? RecordBatch.ProducerId(bytes) : RecordBatch.NoProducerId;
            var reader = new RecordBatchReader(bytes);
            while (reader.TryRead(out RecordView record))
            {
                if (record.HasKey && GroupRecord.Read(record.Key.ToArray(), record.HasValue ? (ReadOnlyMemory<byte>?)record.Value.ToArray() : null) is { } known)
                {
                    apply(known, producerId);
                }

                count++;
            }
        });
        return count;
    }
}
