using Microsoft.Extensions.Logging;
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
    /// <param name="logger">Told of records that are malformed, which are passed over.</param>
    /// <param name="apply">Gets a record, and the id of the producer of whose transaction it is a part; else <see cref="RecordBatch.NoProducerId"/>.</param>
    /// <param name="onEnd">Gets the id of a producer whose transaction ends, and whether it is committed.</param>
    /// <exception cref="IOException">The log cannot be read, or is damaged.</exception>
    public static int ReadAll(TopicPartition partition, ILogger logger, Action<GroupRecord, long> apply, Action<long, bool> onEnd)
    {
        int count = 0;
        var unreadable = new UnreadableRecords(partition, logger);
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
                if (record.HasKey)
                {
                    byte[] key = record.Key.ToArray();
                    ReadOnlyMemory<byte>? value = record.HasValue ? (ReadOnlyMemory<byte>?)record.Value.ToArray() : null;
                    unreadable.Try(() =>
                    {
                        if (GroupRecord.Read(key, value) is { } known)
                        {
                            apply(known, producerId);
                        }
                    });
                }

                count++;
            }
        });
        unreadable.Report();
        return count;
    }
}
