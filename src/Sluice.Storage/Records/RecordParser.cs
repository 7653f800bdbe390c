namespace Sluice.Storage.Records;

/// <summary>Reads one record of an uncompressed batch body.</summary>
internal static class RecordParser
{
    /// <summary>
    /// Parses the record at <paramref name="position"/> of <paramref name="batches"/> (which ends with the batch) and returns the position after it,
    /// or -1 if the bytes are no record. Headers are not walked.
    /// </summary>
    public static int Parse(ReadOnlySpan<byte> batches, int position, long baseOffset, long baseTimestamp, out RecordView view)
    {
        view = default;
        if (!Varint.TryRead(batches, ref position, out long length) || length < 6 || length > batches.Length - position)
        {
            return -1;
        }
        ReadOnlySpan<byte> record = batches.Slice(position, (int)length);
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
        view.Offset = baseOffset + offsetDelta;
        view.Timestamp = baseTimestamp + timestampDelta;
        return position + (int)length;
    }
}
