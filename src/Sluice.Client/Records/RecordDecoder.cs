using System.Text;
using Sluice.Base.Binary;

namespace Sluice.Client.Records;

/// <summary>One record of a batch as it lies in memory; borrowed.</summary>
internal ref struct FetchedRecord
{
    public long Offset;
    public long TimestampMs;

    /// <summary>False for a null key.</summary>
    public bool HasKey;
    public ReadOnlySpan<byte> Key;

    /// <summary>False for a null value.</summary>
    public bool HasValue;
    public ReadOnlySpan<byte> Value;
    public int HeaderCount;

    /// <summary>As encoded.</summary>
    public ReadOnlySpan<byte> Headers;
}

/// <summary>Reads records as they lie in a batch (https://kafka.apache.org/documentation/#record).</summary>
internal static class RecordDecoder
{
    /// <summary>Reads the record at a position of a batch's records and moves past it; false if the bytes are no record.</summary>
    /// <param name="records">Decompressed.</param>
    /// <param name="position">Where it begins.</param>
    /// <param name="header">Of the batch.</param>
    /// <param name="record">What was read.</param>
    public static bool TryRead(ReadOnlySpan<byte> records, ref int position, ReadOnlySpan<byte> header, out FetchedRecord record)
    {
        record = default;
        int start = position;
        if (!Varint.TryRead(records, ref start, out long length) || length < 6 || length > records.Length - start)
        {
            return false;
        }

        ReadOnlySpan<byte> body = records.Slice(start, (int)length);
        int at = 1;
        if (!Varint.TryRead(body, ref at, out long timestampDelta)
            || !Varint.TryRead(body, ref at, out long offsetDelta)
            || !TryReadBytes(body, ref at, out record.HasKey, out record.Key)
            || !TryReadBytes(body, ref at, out record.HasValue, out record.Value)
            || !Varint.TryRead(body, ref at, out long headers) || headers < 0 || headers > body.Length)
        {
            return false;
        }

        record.HeaderCount = (int)headers;
        record.Headers = body[at..];
        record.Offset = BatchHeader.BaseOffset(header) + offsetDelta;
        record.TimestampMs = BatchHeader.IsLogAppendTime(header) ? BatchHeader.MaxTimestamp(header) : BatchHeader.BaseTimestamp(header) + timestampDelta;
        position = start + (int)length;
        return true;
    }

    /// <summary>The headers of a record; null if they are none.</summary>
    public static RecordHeader[]? ReadHeaders(in FetchedRecord record)
    {
        var headers = new RecordHeader[record.HeaderCount];
        int at = 0;
        for (int i = 0; i < headers.Length; i++)
        {
            if (!TryReadBytes(record.Headers, ref at, out bool hasKey, out ReadOnlySpan<byte> key) || !hasKey || !TryReadBytes(record.Headers, ref at, out bool hasValue, out ReadOnlySpan<byte> value))
            {
                return null;
            }

            headers[i] = new RecordHeader(Encoding.UTF8.GetString(key), hasValue ? value.ToArray() : default(ReadOnlyMemory<byte>?));
        }

        return headers;
    }

    private static bool TryReadBytes(ReadOnlySpan<byte> source, scoped ref int at, out bool isThere, out ReadOnlySpan<byte> bytes)
    {
        isThere = false;
        bytes = default;
        if (!Varint.TryRead(source, ref at, out long length) || length > source.Length - at)
        {
            return false;
        }

        if (length >= 0)
        {
            isThere = true;
            bytes = source.Slice(at, (int)length);
            at += (int)length;
        }

        return true;
    }
}
