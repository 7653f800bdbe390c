using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Records;

/// <summary>Looks at what a producer sends before it becomes a part of a log, as Kafka's LogValidator does.</summary>
internal static class BatchCheck
{
    private const int MagicPosition = 16;
    private const byte Magic = 2;

    /// <summary>Whether the bytes are one whole, intact record batch that the topic takes.</summary>
    public static KafkaErrorCode Check(ReadOnlySpan<byte> records, TopicSettings settings, long nowMs, out string? message)
    {
        message = null;
        if (records.Length <= MagicPosition)
        {
            message = "One or more records have been rejected: produce requests must contain exactly one record batch.";
            return KafkaErrorCode.InvalidRecord;
        }

        if (records[MagicPosition] != Magic)
        {
            message = $"Produce requests must contain only v2 record batches, not version {records[MagicPosition]}.";
            return KafkaErrorCode.InvalidRecord;
        }

        if (records.Length < RecordBatch.HeaderBytes || RecordBatch.Size(records) > records.Length || RecordBatch.Size(records) < RecordBatch.HeaderBytes)
        {
            return KafkaErrorCode.CorruptMessage;
        }

        if (RecordBatch.Size(records) < records.Length)
        {
            message = "Produce requests must contain exactly one record batch per partition.";
            return KafkaErrorCode.InvalidRecord;
        }

        if (records.Length > settings.MaxMessageBytes)
        {
            message = $"The record batch has {records.Length} bytes; the topic takes at most {settings.MaxMessageBytes} (max.message.bytes).";
            return KafkaErrorCode.MessageTooLarge;
        }

        if (!RecordBatch.IsIntact(records))
        {
            return KafkaErrorCode.CorruptMessage;
        }

        return CheckHeader(records, settings, nowMs, out message) is var error && error != KafkaErrorCode.None ? error : CheckRecords(records, out message);
    }

    private static KafkaErrorCode CheckHeader(ReadOnlySpan<byte> batch, TopicSettings settings, long nowMs, out string? message)
    {
        message = null;
        int count = RecordBatch.RecordCount(batch);
        if (count <= 0 || RecordBatch.LastOffsetDelta(batch) != count - 1)
        {
            message = $"Inconsistent batch: {count} records, last offset delta {RecordBatch.LastOffsetDelta(batch)}.";
            return KafkaErrorCode.InvalidRecord;
        }

        if (RecordBatch.IsControl(batch))
        {
            message = "Clients are not allowed to write control records.";
            return KafkaErrorCode.InvalidRecord;
        }

        if (RecordBatch.ProducerId(batch) >= 0 && (RecordBatch.ProducerEpoch(batch) < 0 || RecordBatch.BaseSequence(batch) < 0))
        {
            message = "A batch of an idempotent producer needs an epoch and a sequence number.";
            return KafkaErrorCode.InvalidRecord;
        }

        long newest = RecordBatch.MaxTimestamp(batch);
        if (!settings.UsesAppendTime && newest >= 0 && (newest - nowMs > settings.TimestampAfterMaxMs || nowMs - newest > settings.TimestampBeforeMaxMs))
        {
            message = $"Timestamp {newest} is out of range: the broker's time is {nowMs}, see message.timestamp.before.max.ms and message.timestamp.after.max.ms.";
            return KafkaErrorCode.InvalidTimestamp;
        }

        return KafkaErrorCode.None;
    }

    private static KafkaErrorCode CheckRecords(ReadOnlySpan<byte> batch, out string? message)
    {
        message = null;
        if (RecordBatch.IsCompressed(batch))
        {
            return KafkaErrorCode.None;
        }

        var reader = new RecordBatchReader(batch);
        for (int i = RecordBatch.RecordCount(batch); i > 0; i--)
        {
            if (!reader.TryRead(out _))
            {
                message = "A record of the batch cannot be read.";
                return KafkaErrorCode.InvalidRecord;
            }
        }

        if (!reader.IsAtEnd)
        {
            message = "Bytes follow the last record of the batch.";
            return KafkaErrorCode.InvalidRecord;
        }

        return KafkaErrorCode.None;
    }
}
