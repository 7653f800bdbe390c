using System.Buffers;
using Sluice.Base.Buffers;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>Appends records to a partition of the internal topic. Used by one thread at a time.</summary>
internal sealed class GroupRecordWriter(BufferPool buffers)
{
    /// <summary>Of a batch that more records follow; what belongs to one record is never parted.</summary>
    private const int BatchBytesMax = 512 << 10;

    /// <param name="partition">Where to.</param>
    /// <param name="records">At least one.</param>
    /// <param name="producer">Of whose transaction they are a part, if of any.</param>
    /// <param name="promise">What is waited for.</param>
    /// <param name="nowMs">The records' time, Unix time.</param>
    /// <param name="position">Raised to what must be kept.</param>
    public PartitionStatus Append(TopicPartition partition, IReadOnlyList<GroupRecord> records, BatchProducer producer, Durability promise, long nowMs, ref JournalPosition position)
    {
        using var builder = new RecordBatchBuilder { Producer = producer };
        using var key = new KafkaWriter(buffers);
        using var value = new KafkaWriter(buffers);
        for (int i = 0; i < records.Count; i++)
        {
            key.Reset();
            value.Reset();
            records[i].WriteKey(key);
            bool hasValue = records[i].Value is not null;
            if (hasValue)
            {
                records[i].WriteValue(value);
            }

            builder.Append(nowMs, hasKey: true, key.OwnBytes, hasValue, new ReadOnlySequence<byte>(value.ToArray()), default, 0);
            if (builder.Size >= BatchBytesMax || i == records.Count - 1)
            {
                PartitionStatus status = partition.Append(builder.Seal(), promise, out _, out JournalPosition appended);
                if (status != PartitionStatus.Ok)
                {
                    return status;
                }

                position = JournalPosition.Max(position, appended);
                builder.Clear();
            }
        }

        return PartitionStatus.Ok;
    }
}
