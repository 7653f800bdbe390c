using Sluice.Base.Binary;

namespace Sluice.Storage.Records;

/// <summary>What a batch's header says of each of its records.</summary>
internal readonly struct RecordContext(ReadOnlySpan<byte> batch)
{
    public readonly long BaseOffset = RecordBatch.BaseOffset(batch);
    public readonly long BaseTimestamp = RecordBatch.BaseTimestamp(batch);

    /// <summary>The timestamp of all records with <see cref="IsLogAppendTime"/>.</summary>
    public readonly long MaxTimestamp = RecordBatch.MaxTimestamp(batch);
    public readonly bool IsLogAppendTime = RecordBatch.IsLogAppendTime(batch);

    /// <summary>Also a batch without a leader epoch: it is from before there was another kind, when logs did not write one.</summary>
    public readonly bool IsBrokerMessage = RecordBatch.IsBrokerMessage(batch) || RecordBatch.LeaderEpoch(batch) < 0;
}

/// <summary>Reads one record of a batch's records, decompressed.</summary>
internal static class RecordParser
{
    /// <summary>
    /// Parses the record at <paramref name="position"/> of <paramref name="records"/> (which ends with the batch) and returns the position after it,
    /// or -1 if the bytes are no record. Headers are not walked.
    /// </summary>
    public static int Parse(ReadOnlySpan<byte> records, int position, scoped in RecordContext context, out RecordView view)
    {
        view = default;
        if (!Varint.TryRead(records, ref position, out long length) || length < 6 || length > records.Length - position)
        {
            return -1;
        }
        ReadOnlySpan<byte> record = records.Slice(position, (int)length);
        int at = 1;
        if (!Varint.TryRead(record, ref at, out long timestampDelta)
            || !Varint.TryRead(record, ref at, out long offsetDelta)
            || !Varint.TryRead(record, ref at, out long keyLength)
            || keyLength > record.Length - at)
        {
            return -1;
        }
        if (keyLength >= 0)
        {
            view.HasKey = true;
            view.Key = record.Slice(at, (int)keyLength);
            at += (int)keyLength;
        }
        if (!Varint.TryRead(record, ref at, out long valueLength) || valueLength > record.Length - at)
        {
            return -1;
        }
        if (valueLength >= 0)
        {
            view.HasValue = true;
            view.Value = record.Slice(at, (int)valueLength);
            at += (int)valueLength;
        }
        if (!Varint.TryRead(record, ref at, out long headerCount) || headerCount < 0 || headerCount > record.Length)
        {
            return -1;
        }
        view.HeaderCount = (int)headerCount;
        view.Headers = record[at..];
        view.Offset = context.BaseOffset + offsetDelta;
        view.Timestamp = context.IsLogAppendTime ? context.MaxTimestamp : context.BaseTimestamp + timestampDelta;
        view.IsBrokerMessage = context.IsBrokerMessage;
        return position + (int)length;
    }
}
