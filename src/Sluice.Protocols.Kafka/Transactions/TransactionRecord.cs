using System.Buffers;
using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>Records of the internal topic, in Kafka's format (transaction-coordinator/src/main/resources/common/message): what is known of a transactional id from now on; no value: nothing.</summary>
internal static class TransactionRecord
{
    private const short ValueVersion = 1;

    /// <summary>A batch of one record.</summary>
    /// <param name="buffers">For the work.</param>
    /// <param name="id">The transactional id.</param>
    /// <param name="transaction">Null: it is forgotten.</param>
    /// <param name="nowMs">The record's time, Unix ms.</param>
    public static byte[] ToBatch(BufferPool buffers, string id, Transaction? transaction, long nowMs)
    {
        using var key = new KafkaWriter(buffers);
        using var value = new KafkaWriter(buffers);
        new TransactionLogKey { TransactionalId = id }.WriteRecord(key);
        transaction?.ToValue().WriteRecord(value, ValueVersion);
        using var builder = new RecordBatchBuilder();
        builder.Append(nowMs, hasKey: true, key.OwnBytes, transaction is not null, new ReadOnlySequence<byte>(value.ToArray()), default, 0);
        return builder.Seal().ToArray();
    }

    /// <summary>Hands over every record of a partition that is not malformed, in order. Returns how many there were. Blocks on the disk.</summary>
    /// <exception cref="IOException">The log cannot be read, or is damaged.</exception>
    public static int ReadAll(TopicPartition partition, ILogger logger, Action<string, Transaction?> apply)
    {
        int count = 0;
        var unreadable = new UnreadableRecords(partition, logger);
        BatchScan.ReadAll(partition, batch =>
        {
            if (RecordBatch.IsControl(batch.Span))
            {
                return;
            }

            var reader = new RecordBatchReader(batch.Span);
            while (reader.TryRead(out RecordView record))
            {
                if (record.HasKey)
                {
                    byte[] key = record.Key.ToArray();
                    byte[]? value = record.HasValue ? record.Value.ToArray() : null;
                    unreadable.Try(() =>
                    {
                        if (new KafkaReader(key).ReadInt16() == TransactionLogKey.RecordType)
                        {
                            string id = TransactionLogKey.ReadRecord(key).TransactionalId;
                            apply(id, value is null ? null : Transaction.Restore(id, TransactionLogValue.ReadRecord(value)));
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
